"""Training and test parts: which folders, arrays and files they are."""
