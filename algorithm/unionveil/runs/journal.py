"""What an interrupted run had finished, so that the next one does only the rest.

The journal lies in the user's state folder, never beside the outputs. It holds no plain digest of an input:
only keyed ones, under a secret that lies in the same folder, so that a copied journal betrays nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import platformdirs
from pydantic import ValidationError

from .. import __version__
from ..config import AnonymizeConfig
from .manifest import RedactedRecord

__all__ = ["Journal", "Known", "keyed_digest", "state_folder"]

_SECRET_BYTES = 32


@dataclass(frozen=True)
class Known:
    """An input that an earlier run finished.

    Attributes:
        digest: keyed digest of its bytes and, where names are kept, its name.
        record: of its output.
    """

    digest: str
    record: RedactedRecord


def keyed_digest(secret: bytes, name: str, data: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of an input's name and bytes, hexadecimal.

    Args:
        secret: the journal's key.
        name: of the input; empty where names are not kept.
        data: the input's bytes.
    """
    digest = hmac.new(secret, name.encode("utf-8", "surrogateescape") + b"\0", hashlib.sha256)
    digest.update(data)
    return digest.hexdigest()


def state_folder() -> Path:
    """Where journals lie: the user's state folder."""
    return Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "runs"


class Journal:
    """Records of one output folder, kept while they are made; to be entered with `with`.

    A record counts again only for the same tool, models, settings, input number, name (where names are kept)
    and input bytes.

    Args:
        output: the output folder.
        config: settings of the run.
        folder: where journals lie; by default `state_folder()`.
    """

    def __init__(
        self,
        output: Path,
        config: AnonymizeConfig,
        folder: Path | None = None,
    ) -> None:
        self._folder = folder or state_folder()
        where = os.fsencode(output.resolve())
        self._path = self._folder / (hashlib.sha256(where).hexdigest()[:32] + ".jsonl")
        self.secret = _secret(self._folder)
        salt = config.digest_salt.get_secret_value() if config.digest_salt else ""
        run = [__version__, config.to_parameters(), salt, [card.sha256 for card in config.cards]]
        digest = hmac.new(self.secret, json.dumps(run, sort_keys=True).encode(), hashlib.sha256)
        self._run = digest.hexdigest()[:32]
        self._known: dict[int, dict[str, str]] = {}
        self._file: IO[str] | None = None

    @property
    def knows_run(self) -> bool:
        """Whether an earlier run of the same tool, models and settings left records."""
        return bool(self._known)

    @property
    def is_kept(self) -> bool:
        """Whether records are being written; False where the folder cannot be written to."""
        return self._file is not None

    def __enter__(self) -> Journal:
        """Reads what is there and opens the journal for more."""
        with suppress(OSError, UnicodeDecodeError):
            for line in self._path.read_text("utf-8").splitlines():
                with suppress(ValueError, KeyError, TypeError):  # the last line may be half written
                    entry = json.loads(line)
                    if entry["run"] == self._run:
                        self._known[int(entry["input"])] = entry
        with suppress(OSError):
            self._file = self._path.open("a", encoding="utf-8")
            self._file.write("\n")  # ends a line that a kill left half written
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file; it stays, so that the same run again has nothing to do."""
        if self._file:
            self._file.close()
            self._file = None

    def find(self, number: int) -> Known | None:
        """What an earlier run recorded of an input; it counts if the input still has the same digest."""
        entry = self._known.get(number)
        if entry is None:
            return None
        with suppress(ValidationError, KeyError):
            return Known(entry["digest"], RedactedRecord.model_validate_json(entry["record"]))
        return None

    def add(self, number: int, digest: str, record: RedactedRecord) -> None:
        """Keeps a record whose output is in its place."""
        if self._file:
            entry = {"run": self._run, "input": number, "digest": digest, "record": record.model_dump_json()}
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()


def _secret(folder: Path) -> bytes:
    """The key of all journals in a folder, made once; one for this run alone if it cannot be kept."""
    path = folder / "key"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_SECRET_BYTES))
        kept = path.read_bytes()
        if len(kept) == _SECRET_BYTES:
            return kept
    return secrets.token_bytes(_SECRET_BYTES)
