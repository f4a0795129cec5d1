"""What teams use and may use: counts over jobs and uploads."""
