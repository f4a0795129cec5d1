"""Uploads: checkpoints and data sets, from the first part to the verdict on their content."""
