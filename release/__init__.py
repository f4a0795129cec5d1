"""How a release is checked: ``make release-check``."""
