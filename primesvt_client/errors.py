"""What can go wrong between the client and a server.

ClientError
├── Unusable          what the caller gave cannot be used: a file, an address
├── ServerError       the server answered with a problem
├── Unreachable       no server answered, or the connection was lost after every retry
└── Damaged           what arrived is not what the server keeps
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from primesvt_client.problems import Problem

SERVER_FAULT = 500


def without_type(message: str) -> str:
    """The message of a validator of ours, without the prefix that pydantic adds."""
    return message.removeprefix("Value error, ")


class ReportedError(Exception):
    """What a command reports instead of a traceback.

    Attributes:
        error_code: what scripts compare.
        message: what was wrong, where, and what to do.
        is_input: whether what the caller gave is wrong, rather than the program, the server or the machine.
    """

    code: ClassVar[str] = "error"
    is_input: bool = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or type(self).code


class PrimeSVTError(ReportedError):
    """Base of everything that the library raises on purpose."""

    def __init__(self, message: str, *, code: str | None = None, facts: Mapping[str, object] | None = None) -> None:
        super().__init__(message, code=code)
        self.facts: dict[str, object] = dict(facts or {})


class SpecError(PrimeSVTError):
    """The constraint spec is wrong."""

    code = "invalid_spec"
    is_input = True


class ClientError(ReportedError):
    """What goes wrong between the client and a server."""

    code = "client_error"


class Unusable(ClientError):
    """What the caller gave cannot be used."""

    code = "unusable_input"
    is_input = True


class ServerError(ClientError):
    """The server refused; ``problem`` is its answer, ``problem.code`` what scripts compare."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, code=problem.code)
        self.problem = problem
        self.is_input = problem.status < SERVER_FAULT


class Unreachable(ClientError):
    """No server answers at the address."""

    code = "unreachable"


class Damaged(ClientError):
    """A download whose SHA-256 is not the server's."""

    code = "damaged"
