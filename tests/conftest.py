"""Fixtures that every kind of test uses."""

from __future__ import annotations
