"""Which classes there are, and which number each has."""
