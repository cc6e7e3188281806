"""Errors as HTTP responses: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from ..error_codes import code_of, status_of
from ..errors import ImageError, RetryLater, UnionVeilError
from ..outcomes import Rejected
from ..text import printable

__all__ = ["HANDLERS", "PROBLEM_TYPE", "problem", "problem_of", "rejection"]

PROBLEM_TYPE = "application/problem+json"


def problem(
    status: int, detail: str, *, reason: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A response that explains why a request was not answered.

    Args:
        status: HTTP status.
        detail: one sentence that says what is wrong and what to do.
        reason: one word for statistics, as in the manifest.
        headers: additional headers.
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": printable(detail, quoted=False, most=None),
    }
    return JSONResponse(
        body | ({"reason": reason} if reason else {}), status, headers, media_type=PROBLEM_TYPE
    )


def problem_of(error: UnionVeilError) -> JSONResponse:
    """The response for an error of ours, with its status from the table in `error_codes.py`."""
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, RetryLater) else None
    reason = error.reason if isinstance(error, ImageError) else None
    return problem(code_of(error).status, str(error), reason=reason, headers=headers)


def rejection(rejected: Rejected) -> JSONResponse:
    """The response for a picture that was rejected."""
    status = status_of(rejected)
    headers = {"Retry-After": "10"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, rejected.detail, reason=rejected.reason, headers=headers)


def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UnionVeilError)  # noqa: S101
    return problem_of(error)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    details = {
        404: "there is nothing at this address",
        405: "this address does not support that method; the header Allow lists those that it supports",
    }
    return problem(
        error.status_code, details.get(error.status_code, error.detail), headers=dict(error.headers or {})
    )


HANDLERS = {UnionVeilError: _known, HTTPException: _http}
"""For `Starlette(exception_handlers=...)`."""
