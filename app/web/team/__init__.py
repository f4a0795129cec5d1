"""Pages of a team: members, API keys, webhooks, usage, audit log and settings."""

from __future__ import annotations

from app.web.team import audit_log, keys, members, settings, tabs, usage, webhook_page, webhooks

ROUTERS = tuple(pages.router for pages in (tabs, members, keys, webhooks, webhook_page, usage, audit_log, settings))
