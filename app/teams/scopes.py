"""What keys and members may do: scopes, and the roles that bundle them."""

from __future__ import annotations

from primesvt_client.states import ALL_SCOPES as ALL_SCOPES
from primesvt_client.states import READING as READING
from primesvt_client.states import SCOPES_OF as SCOPES_OF
from primesvt_client.states import Role as Role
from primesvt_client.states import Scope as Scope


def known_scopes(names: list[str]) -> frozenset[Scope]:
    """The scopes of a row; those that a later version gave and this one does not know are left out."""
    return frozenset(Scope(name) for name in names if name in ALL_SCOPES)
