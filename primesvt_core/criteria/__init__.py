"""Criteria: what a channel is worth; one file each, the file's name is its key."""
