"""Webhooks after Standard Webhooks: a team's addresses are told what happens to its jobs and uploads."""
