"""The exit code and the HTTP status of every error, and of every reason to reject a picture, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from . import errors
from .outcomes import Rejected

__all__ = ["EXIT_WRONG_USE", "Code", "code_of", "status_of"]

EXIT_WRONG_USE = 2


@dataclass(frozen=True)
class Code:
    """The exit code and HTTP status of an error.

    Attributes:
        exit_code: of a command.
        status: of an HTTP response (RFC 9110, section 15; RFC 6585 for 429).
    """

    exit_code: int
    status: int


_CODES: dict[type[errors.UnionVeilError], Code] = {
    errors.UnionVeilError: Code(EXIT_WRONG_USE, 500),
    errors.ConfigError: Code(EXIT_WRONG_USE, 422),
    errors.UnreadableImage: Code(EXIT_WRONG_USE, 422),
    errors.UnsupportedImage: Code(EXIT_WRONG_USE, 415),
    errors.ImageTooLarge: Code(EXIT_WRONG_USE, 413),
    errors.OutputDiffers: Code(EXIT_WRONG_USE, 422),
    errors.NotAuthorized: Code(EXIT_WRONG_USE, 401),
    errors.NotAllowed: Code(EXIT_WRONG_USE, 403),
    errors.BodyTooLarge: Code(EXIT_WRONG_USE, 413),
    errors.BodyTooSlow: Code(EXIT_WRONG_USE, 408),
    errors.WrongMedia: Code(EXIT_WRONG_USE, 415),
    errors.RequestError: Code(EXIT_WRONG_USE, 422),
    errors.ReviewConflict: Code(EXIT_WRONG_USE, 409),
    errors.RetryLater: Code(EXIT_WRONG_USE, 503),
    errors.RateLimited: Code(EXIT_WRONG_USE, 429),
}
"""By class; an error without its own line has that of its nearest base class."""

_IMAGE_ERRORS = (
    errors.UnreadableImage,
    errors.UnsupportedImage,
    errors.ImageTooLarge,
    errors.OutputDiffers,
)

_STATUS_BY_REASON = {
    **{kind.reason: _CODES[kind].status for kind in _IMAGE_ERRORS},
    "failed": 500,
    "memory": 503,
    "timeout": 504,
}
"""Reasons of `Rejected` that are not the client's fault."""


def code_of(error: errors.UnionVeilError) -> Code:
    """The line of an error's class, or of its nearest base class."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def status_of(rejected: Rejected) -> int:
    """HTTP status for a picture that was rejected."""
    return _STATUS_BY_REASON.get(rejected.reason, 422)
