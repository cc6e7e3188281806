"""Digests of files, computed piece by piece: a video need not fit into memory."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["hmac_of", "pieces", "sha256_of"]

_PIECE_BYTES = 1 << 20


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file, a megabyte at a time."""
    while piece := file.read(_PIECE_BYTES):
        yield piece


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in pieces(file):
            digest.update(piece)
    return digest.hexdigest()


def hmac_of(secret: bytes, before: bytes, file: BinaryIO) -> str:
    """HMAC-SHA256 (RFC 2104) of some bytes and all of a file, hexadecimal.

    Args:
        secret: the key.
        before: bytes before those of the file.
        file: seekable.
    """
    digest = hmac.new(secret, before, hashlib.sha256)
    file.seek(0)
    for piece in pieces(file):
        digest.update(piece)
    return digest.hexdigest()
