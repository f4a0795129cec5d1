"""The service's commands, one module a noun; `app.cli` puts them beside the library's."""

from __future__ import annotations
