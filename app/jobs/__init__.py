"""Jobs: one compression each, from the request to its artifacts. The database is the only record of a job."""
