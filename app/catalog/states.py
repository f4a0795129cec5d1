"""The states of an upload."""

from __future__ import annotations

from primesvt_client.states import OPEN as OPEN
from primesvt_client.states import UploadKind as UploadKind
from primesvt_client.states import UploadState as UploadState

DEAD = frozenset({UploadState.REJECTED, UploadState.EXPIRED})
