"""The worker: receives ids, claims, and supervises one child process at a time."""
