"""The statistics of what is promised on unseen images; free of torch."""
