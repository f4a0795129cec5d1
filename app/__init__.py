"""The service: domains, HTTP, pages, and its command line. Never imports torch."""
