"""What an interrupted run had finished, so that the next one does only the rest.

The journal lies in the user's state folder, never beside the outputs: it holds digests of the inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

import platformdirs
from pydantic import TypeAdapter, ValidationError

from . import __version__
from .config import AnonymizeConfig
from .detect import ModelCard
from .manifest import RedactedRecord, RejectedRecord

__all__ = ["Journal"]

_RECORD: TypeAdapter[RedactedRecord | RejectedRecord] = TypeAdapter(RedactedRecord | RejectedRecord)


class Journal:
    """Records of one output folder, kept while they are made; to be entered with `with`.

    A record counts again only for the same tool, models, settings, input number and input bytes.

    Args:
        output: the output folder.
        config: settings of the run.
        cards: weights in use.
        folder: where journals lie; by default the user's state folder.
    """

    def __init__(
        self,
        output: Path,
        config: AnonymizeConfig,
        cards: Iterable[ModelCard],
        folder: Path | None = None,
    ) -> None:
        folder = folder or Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "runs"
        self._path = folder / (hashlib.sha256(bytes(output.resolve())).hexdigest()[:32] + ".jsonl")
        secret = config.digest_salt.get_secret_value() if config.digest_salt else ""
        run = [__version__, config.to_parameters(), secret, [card.sha256 for card in cards]]
        self._run = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:32]
        self._done: dict[str, str] = {}
        self._file: IO[str] | None = None

    @property
    def knows_run(self) -> bool:
        """Whether an earlier run of the same tool, models and settings left records."""
        return any(key.startswith(self._run) for key in self._done)

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
                    self._done[entry["key"]] = entry["record"]
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path.open("a", encoding="utf-8")
            self._file.write("\n")  # ends a line that a kill left half written
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file; it stays, so that the same run again has nothing to do."""
        if self._file:
            self._file.close()
            self._file = None

    def find(self, number: int, content: bytes) -> RedactedRecord | RejectedRecord | None:
        """The record of an input that was finished before."""
        text = self._done.get(self._key(number, content))
        if text is None:
            return None
        with suppress(ValidationError):
            return _RECORD.validate_json(text)
        return None

    def add(self, number: int, content: bytes, record: RedactedRecord | RejectedRecord) -> None:
        """Keeps a record whose output is in its place."""
        if self._file:
            entry = {"key": self._key(number, content), "record": record.model_dump_json()}
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def _key(self, number: int, content: bytes) -> str:
        return f"{self._run}-{number}-{hashlib.sha256(content).hexdigest()[:32]}"
