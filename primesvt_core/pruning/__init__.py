"""Pruning is slicing: which channels go (`groups`, arithmetic without torch) and how they go (`surgery`)."""
