"""What a run keeps on disk, and how several processes work on one profile."""
