"""Webhooks after Standard Webhooks: a team's addresses are sent what happens to its jobs and uploads."""
