"""The output folder is its manifest: what lies there and is not listed is named and refused, or removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from pydantic import ValidationError

from ..errors import OutputError
from ..files.sinks import FolderSink
from ..text import printable
from .journal import Journal
from .manifest import MANIFEST, PREVIEWS, Manifest, RedactedRecord

__all__ = ["OutputFolder"]

_MOST_NAMED = 5


class OutputFolder:
    """One run's output folder.

    Args:
        sink: writes into the folder.
        journal: knows what runs on this machine wrote there.
        overwrite: whether what other runs left is removed.
        prune: whether outputs of inputs that are gone are removed.
    """

    def __init__(self, sink: FolderSink, journal: Journal | None, *, overwrite: bool, prune: bool) -> None:
        self._sink = sink
        self._goes_on = overwrite or bool(journal and journal.knows_run)
        self._may_remove = overwrite or prune
        self._made = set(journal.written) if journal else set()

    def prepare(self, expected: Callable[[], Collection[str]]) -> None:
        """Makes sure that everything in the folder is what this run makes, before the run begins.

        Args:
            expected: names of all files that the run may write; asked for only if the folder holds files.

        Raises:
            OutputError: another run's outputs or other files are there; nothing was changed then.
        """
        self._sink.sweep()
        there = set(self._sink.files())
        if not there:
            return
        if not self._goes_on and (MANIFEST in there or self._made & there):
            raise OutputError(
                f"{self._sink.folder} already holds the outputs of another run; choose an empty folder or "
                "--overwrite"
            )
        self._refuse_or_remove(there - set(expected()) - {MANIFEST})

    def settle(self, listed: Collection[str]) -> None:
        """Makes sure that the folder holds what the manifest is going to list, and nothing else.

        Args:
            listed: names of all files of the manifest.

        Raises:
            OutputError: something is missing, or lies there and is not listed.
        """
        there = set(self._sink.files()) - {MANIFEST}
        missing = set(listed) - there
        if missing:
            raise OutputError(
                f"outputs were removed from {self._sink.folder} during the run: {_named(missing)}; the same "
                "command makes them again"
            )
        unlisted = there - set(listed)
        # Previews of an earlier run follow from its outputs and can be made again.
        previews = {name for name in unlisted & self._made if name.startswith(f"{PREVIEWS}/")}
        self._remove(previews)
        self._refuse_or_remove(unlisted - previews)

    def _refuse_or_remove(self, unlisted: set[str]) -> None:
        folder = self._sink.folder
        if not unlisted <= self._made:  # a large manifest is read only if it may explain something
            self._made |= _listed(self._sink)
        foreign = unlisted - self._made
        if foreign:
            raise OutputError(
                f"{folder} holds files that are not outputs of this run: {_named(foreign)}; choose an empty "
                "folder, or move them away"
            )
        if unlisted and not self._may_remove:
            raise OutputError(
                f"{folder} holds outputs of inputs that are gone or were not named this time: "
                f"{_named(unlisted)}; --prune removes them"
            )
        self._remove(unlisted)

    def _remove(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            self._sink.remove(name)


def _listed(sink: FolderSink) -> set[str]:
    """Names that the manifest in a folder lists; empty if it is missing or cannot be read."""
    with suppress(ValidationError, OutputError):
        items = Manifest.model_validate_json(sink.read(MANIFEST)).items
        return {name for item in items if isinstance(item, RedactedRecord) for name in item.files}
    return set()


def _named(names: Collection[str]) -> str:
    """The first few of many names."""
    shown = ", ".join(printable(name) for name in sorted(names)[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
