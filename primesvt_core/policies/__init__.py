"""Policies: which rate each group gets; one file each, the file's name is its key. Free of torch."""
