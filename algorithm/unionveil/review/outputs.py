"""Writes the approved photos: the same run as `anonymize`, with the boxes of the review."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..config import AnonymizeConfig
from ..engines.base import Engine
from ..errors import UnionVeilError
from ..files.sinks import FolderSink
from ..files.sources import Source, SourceItem
from ..outcomes import Rejected
from ..runs.batch import run_batch
from ..runs.journal import Journal
from ..runs.schema import Counts, Record
from ..runs.work import Anonymize
from .session import Plan

__all__ = ["Outputs", "Writing"]

_UNLISTED = Rejected("unreviewed", "the photo was added after the review began")


@dataclass(frozen=True)
class Writing:
    """The progress of writing outputs.

    Attributes:
        status: of the latest time that they were written.
        done: number of inputs so far.
        counts: of the manifest, once it is written.
        problem: one sentence, if it failed.
        revision: of the review that was written.
    """

    status: Literal["idle", "writing", "written", "failed"] = "idle"
    done: int = 0
    counts: Counts | None = None
    problem: str = ""
    revision: int = -1


class Outputs:
    """The output folder of a review. Its manifest lists the approved photos, and it holds nothing else.

    Args:
        source: the inputs, in the order of their numbers in the review.
        inputs: the folder under review.
        folder: the output folder.
        config: all settings.
        engine: does the work.
        secret: key of the photos' digests.
    """

    def __init__(
        self,
        source: Source,
        inputs: Path,
        folder: Path,
        config: AnonymizeConfig,
        engine: Engine,
        secret: bytes,
    ) -> None:
        self.folder = folder
        self.writing = Writing()
        self._source = source
        self._config = config
        self._engine = engine
        # Fail now, not after a thousand photos, if the folder is an input or cannot be written to.
        self._sink = FolderSink(folder, overwrite=True, inputs=[inputs])
        self._secret = secret
        self._turn = threading.Lock()

    def write(self, plan: Plan, revision: int, on_change: Callable[[], None]) -> threading.Thread | None:
        """Rewrites all outputs that changed, in a separate thread.

        Args:
            plan: the treatment of each photo.
            revision: of the review.
            on_change: called whenever `writing` has changed.

        Returns:
            The thread; None if outputs are already being written.
        """
        if not self._turn.acquire(blocking=False):
            return None
        self.writing = Writing("writing", revision=revision)
        thread = threading.Thread(target=self._write, args=(plan, on_change), daemon=True)
        thread.start()
        return thread

    def _write(self, plan: Plan, on_change: Callable[[], None]) -> None:
        def on_done(_: SourceItem, __: Record) -> None:
            self.writing = replace(self.writing, done=self.writing.done + 1)
            on_change()

        try:
            counts = self.run(plan, on_done)
            self.writing = replace(self.writing, status="written", counts=counts)
        except Exception as error:
            problem = (
                str(error) if isinstance(error, UnionVeilError) else f"an unexpected {type(error).__name__}"
            )
            self.writing = replace(self.writing, status="failed", problem=problem)
        finally:
            self._turn.release()
            on_change()

    def run(self, plan: Plan, on_done: Callable[[SourceItem, Record], None] = lambda *_: None) -> Counts:
        """Writes all outputs that changed, and the manifest last.

        Raises:
            UnionVeilError: as `run_batch`.
        """
        with Journal(self._sink.folder, self._config) as journal:
            work = Anonymize(
                self._config,
                self._sink,
                secret=journal.secret,
                boxes="instead",
                photo_secret=self._secret,
            )
            return run_batch(
                self._source,
                work,
                self._engine,
                journal=journal,
                prune=True,
                boxes=lambda number, _: plan.get(number, _UNLISTED),
                on_done=on_done,
            ).counts
