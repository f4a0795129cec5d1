"""Files for other software, one format a file."""

from __future__ import annotations
