"""The statistics of the promise on unseen data; free of torch."""
