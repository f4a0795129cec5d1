"""What the page of one job is made of, section by section; free of HTTP."""
