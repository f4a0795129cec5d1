"""Errors, after RFC 9457."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

UPLOAD_CLOSED = "upload_closed"
"""Code of the problem that an upload takes no more parts: it is complete, or over."""


class FieldProblem(BaseModel):
    """One field of the request that is wrong."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error, after RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "2 of 3 parts are missing, the first is 2",
                    "instance": "/api/v1/uploads/upl_01k2v8r3p5q7s9t1v3w5x7y9z1/complete",
                    "code": "upload_incomplete",
                    "errors": [],
                }
            ]
        }
    )

    type: str = Field(description="about:blank, or a URI of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, where, and what to do.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable; what scripts compare.")
    errors: list[FieldProblem] = []
