"""Deletes what storage holds in vain, a bit at every round of the reconciler."""

from __future__ import annotations

import logging
import time

from app.catalog.contents import Contents
from app.storage import StoreUnavailable

log = logging.getLogger(__name__)

DRAFTS_SECONDS = 600.0
"""How often storage is searched for drafts that no row speaks of; listing them is a request to it."""


class Sweeper:
    """Bytes that no upload needs go at once, drafts that nobody knows of in time."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.next_at = time.monotonic()

    def sweep(self) -> None:
        """Once; a store that is away is asked again the next time."""
        try:
            self.contents.sweep()
            if time.monotonic() >= self.next_at:
                self.contents.sweep_drafts()
                self.next_at = time.monotonic() + DRAFTS_SECONDS
        except StoreUnavailable as error:
            log.warning("sweep_failed", extra={"reason": str(error)})
