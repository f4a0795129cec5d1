"""What can go wrong between the client and a server.

ClientError
├── Unusable          what the caller gave cannot be used: a file, an address
├── ServerError       the server answered with a problem
├── Unreachable       no server answered, or the connection broke again and again
└── Damaged           what arrived is not what the server keeps
"""

from __future__ import annotations

from typing import ClassVar

from app.api.schemas import Problem


class ClientError(Exception):
    """Base; ``code`` is what scripts compare, the message says what was wrong, where, and what to do."""

    code: ClassVar[str] = "client_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unusable(ClientError):
    """What the caller gave cannot be used."""

    code = "unusable_input"


class ServerError(ClientError):
    """The server refused; ``problem`` is its answer, ``problem.code`` what scripts compare."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Unreachable(ClientError):
    """No server answers at the address."""

    code = "unreachable"


class Damaged(ClientError):
    """A download whose SHA-256 is not the one that the server told."""

    code = "damaged"
