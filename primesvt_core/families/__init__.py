"""Families: one SViT architecture per file; the file's name is its key."""
