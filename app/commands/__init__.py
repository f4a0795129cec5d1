"""The service's commands, one module a noun; `whole` puts them beside the library's."""

from __future__ import annotations
