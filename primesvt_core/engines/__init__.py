"""Engines: how many candidates are evaluated on the same images; one file each."""
