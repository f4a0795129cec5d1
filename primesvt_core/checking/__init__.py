"""Whether a family of one's own is right, told without pytest: ``primesvt check-family``."""
