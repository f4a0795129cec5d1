"""The report: its schema, how it is built from a run, and the files it is written to."""
