"""Source code of one model: torch alone, with the layers' public names, to be read and carried to another machine."""
