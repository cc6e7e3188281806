"""Records what an interrupted run has finished, so that the next one does only the rest.

The journal is in the user's state folder, never beside the outputs. It contains no plain digest of an input
or of an output (which may have the same bytes), only digests keyed with a secret in the same folder, so a
copied journal reveals nothing. It names every output before it is written: a file in an output folder that
the journal does not name was not made here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import platformdirs
from pydantic_core import from_json

from .. import __version__
from ..compact import NameSet, NameTable
from ..config import AnonymizeConfig
from ..errors import OutputError
from ..files.digests import hmac_of
from ..files.locks import lock_file
from ..files.paths import real
from ..files.sinks import Place
from .records import configuration_of
from .schema import RedactedRecord

__all__ = [
    "KEPT_DAYS",
    "Journal",
    "Kept",
    "Known",
    "clear",
    "kept",
    "keyed_digest",
    "keyed_digest_of",
    "secret_of",
    "state_folder",
]

KEPT_DAYS = 90
"""Journals that were not used for this long are removed when another one is opened."""

_VIDEOS = "videos"
"""Folder, beside the journals, for unfinished videos: boxes and time stamps, without any pixel."""

_SECRET_BYTES = 32
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Known:
    """An input that an earlier run has finished.

    Attributes:
        digest: keyed digest of its bytes and, where names are kept, of its name.
        record: the record of its output, with a keyed digest in place of `sha256`.
    """

    digest: str
    record: RedactedRecord

    def confirmed(self, number: int, secret: bytes, sha256: str | None) -> RedactedRecord | None:
        """The record, if the output in place is the recorded one.

        Args:
            number: the input's number in this run.
            secret: the journal's key.
            sha256: of the output in place; None if it is missing.
        """
        if sha256 is None or keyed_digest(secret, "", sha256.encode()) != self.record.sha256:
            return None
        return self.record.model_copy(update={"input": number, "sha256": sha256})


def keyed_digest(secret: bytes, name: str, data: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of an input's name and bytes, hexadecimal.

    Args:
        secret: the journal's key.
        name: the input's name; empty where names are not kept.
        data: the input's bytes.
    """
    digest = hmac.new(secret, name.encode("utf-8", "surrogateescape") + b"\0", hashlib.sha256)
    digest.update(data)
    return digest.hexdigest()


def keyed_digest_of(secret: bytes, name: str, file: BinaryIO) -> str:
    """As `keyed_digest`, of a file that is read piece by piece.

    Args:
        secret: the journal's key.
        name: of the input; empty where names are not kept.
        file: seekable.
    """
    return hmac_of(secret, name.encode("utf-8", "surrogateescape") + b"\0", file)


def state_folder() -> Path:
    """The user's state folder, which contains the journals."""
    return Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "runs"


class Journal:
    """Records of one output folder, stored as they are made; use it in a `with` statement.

    `written` names every file that a run on this machine has begun to write into the folder. Records stay on
    disk; only their positions are in memory, since there may be a million.

    A record is used again only for the same tool, models, settings, known people, output, input name (where
    names are kept) and input bytes.

    Args:
        output: the output folder, on this machine or in an object store.
        config: settings of the run.
        folder: the folder of the journals; by default `state_folder()`.
        references: digest of the known people; empty without any.
        plan: digest of a k-same plan: another plan makes different outputs from the same input.
        shard: which part of which run is written; empty for a whole run.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the file of a `yolo:FILE.onnx` does not exist.
    """

    def __init__(
        self,
        output: Place,
        config: AnonymizeConfig,
        folder: Path | None = None,
        references: str = "",
        plan: str = "",
        shard: str = "",
    ) -> None:
        self._folder = folder or state_folder()
        where = os.fsencode(real(output) if isinstance(output, Path) else str(output))
        self._path = self._folder / (hashlib.sha256(where).hexdigest()[:32] + ".jsonl")
        self.secret = secret_of(self._folder)
        salt = config.digest_salt.get_secret_value() if config.digest_salt else ""
        weights = [card.sha256 for card in config.cards]
        run = [__version__, configuration_of(config), salt, weights, references, plan, shard]
        digest = hmac.new(self.secret, json.dumps(run, sort_keys=True).encode(), hashlib.sha256)
        self._run = digest.hexdigest()[:32]
        self._known = NameTable()
        self._knows_run = False
        self.written = NameSet()
        self._file: FileIO | None = None
        self._reader: BinaryIO | None = None

    @property
    def videos(self) -> Path:
        """Folder for the state of unfinished videos."""
        return self._folder / _VIDEOS

    @property
    def knows_run(self) -> bool:
        """Whether an earlier run with the same tool, models and settings has begun to write here."""
        return self._knows_run

    @property
    def is_kept(self) -> bool:
        """Whether records are written; False if the folder cannot be written to."""
        return self._file is not None

    def __enter__(self) -> Journal:
        """Reads the existing records, removes journals that are too old and opens this one for more."""
        with suppress(OSError):
            _prune(self._folder, time.time())
        with suppress(OSError):
            self._reader = self._path.open("rb")
            self._read_all(self._reader)
        with suppress(OSError):
            self._file = self._path.open("a+b", buffering=0)
            lock_file(self._file.fileno(), is_shared=True)  # so that `clear` leaves it
        self._write(b"")  # ends a line that a kill left incomplete
        return self

    def _read_all(self, lines: BinaryIO) -> None:
        start = 0
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):  # the last line may be incomplete
                self._read(from_json(line), start)
            start += len(line)

    def _read(self, entry: dict[str, str], start: int) -> None:
        is_ours, output = entry["run"] == self._run, entry["output"]
        self.written.add(output)
        if is_ours and "record" in entry:
            self._known[output] = start
        self._knows_run |= is_ours

    def __exit__(self, *_: object) -> None:
        """Closes the file and keeps it, so that running the same command again has nothing to do."""
        for file in (self._file, self._reader):
            if file:
                file.close()
        self._file = self._reader = None

    def find(self, output: str) -> Known | None:
        """An earlier run's record of an output; valid if the input still has the same digest.

        Looks up the output, not the input's number: removing a photo changes the numbers of all later ones.
        """
        start = self._known.get(output)
        if start is None or self._reader is None:
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):  # in a damaged journal
            self._reader.seek(start)
            entry = from_json(self._reader.readline())
            record = RedactedRecord.model_validate_json(entry["record"])
            return Known(entry["digest"], record) if record.output == output else None
        return None

    def reserve(self, *outputs: str) -> None:
        """Stores the names of files that are about to be written."""
        for output in outputs:
            if output not in self.written or not self._knows_run:
                self._write(json.dumps({"run": self._run, "output": output}).encode())
                self.written.add(output)
        self._knows_run = True

    def add(self, digest: str, record: RedactedRecord) -> None:
        """Stores a record whose output is in place."""
        keyed = keyed_digest(self.secret, "", record.sha256.encode())
        text = record.model_copy(update={"sha256": keyed}).model_dump_json()
        entry = {"run": self._run, "output": record.output, "digest": digest, "record": text}
        self._write(json.dumps(entry).encode())

    def _write(self, line: bytes) -> None:
        """Adds a line; a full disk ends the journal, not the run."""
        if self._file is None:
            return
        with suppress(OSError):
            if self._file.write(line + b"\n") == len(line) + 1:
                return
        self._file.close()
        self._file = None


@dataclass(frozen=True)
class Kept:
    """The contents of a folder of journals.

    Attributes:
        folder: the folder.
        journals: number of journals, one for each output folder, or of reviews.
        size_bytes: of all of them, and of the state of unfinished videos.
        oldest_days: days since the least recently used journal was used.
    """

    folder: Path
    journals: int
    size_bytes: int
    oldest_days: float


def kept(folder: Path | None = None) -> Kept:
    """The contents of a folder of journals; by default of `state_folder()`.

    Raises:
        OSError: the folder cannot be read.
    """
    folder = folder or state_folder()
    journals = _journals(folder)
    found = [path.stat() for path in journals]
    oldest = min((status.st_mtime for status in found), default=time.time())
    days = max(0.0, time.time() - oldest) / _DAY_SECONDS
    size_bytes = sum(path.stat().st_size for path in [*journals, *_videos(folder)])
    return Kept(folder, len(found), size_bytes, days)


def clear(folder: Path | None = None) -> int:
    """Removes all journals and their key; interrupted runs then start again.

    Returns:
        The number of removed journals.

    Raises:
        OutputError: a run or a review uses one, and none was removed.
        OSError: one cannot be removed.
    """
    folder = folder or state_folder()
    journals = _journals(folder)
    if not all(map(_is_free, journals)):
        raise OutputError(
            f"a run or a review that is in progress needs its state in {folder}; end it, then clear the state"
        )
    for path in [*journals, *_videos(folder), folder / "key"]:
        path.unlink(missing_ok=True)
    return len(journals)


def _is_free(path: Path) -> bool:
    with path.open("r+b") as file:
        return lock_file(file.fileno())


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _videos(folder: Path) -> list[Path]:
    return sorted((folder / _VIDEOS).glob("*.*"))


def _prune(folder: Path, now: float) -> None:
    """Removes journals that were not used for `KEPT_DAYS`."""
    for path in [*_journals(folder), *_videos(folder)]:
        if now - path.stat().st_mtime > KEPT_DAYS * _DAY_SECONDS:
            path.unlink()


def secret_of(folder: Path) -> bytes:
    """The key of all journals in a folder, created once; if it cannot be stored, one for this run only."""
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
