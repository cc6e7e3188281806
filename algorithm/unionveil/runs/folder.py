"""The output folder is its manifest: what lies there and is not listed is named and refused, or removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

from ..compact import NameSet
from ..errors import InputError, OutputError
from ..files.sinks import Sink
from ..text import printable
from .journal import Journal
from .manifest import MANIFEST, PREVIEWS, RedactedRecord, is_manifest
from .reading import read_manifest

__all__ = ["OutputFolder"]

_MOST_NAMED = 5


class OutputFolder:
    """One run's output folder. Names of files are compared one at a time; there may be millions.

    Args:
        sink: writes into the folder.
        journal: knows what runs on this machine wrote there.
        manifest: name of the run's manifest.
        overwrite: whether what other runs left is removed.
        prune: whether outputs of inputs that are gone are removed.
    """

    def __init__(
        self,
        sink: Sink,
        journal: Journal | None,
        manifest: str = MANIFEST,
        *,
        overwrite: bool,
        prune: bool,
    ) -> None:
        self._sink = sink
        self._manifest = manifest
        self._goes_on = overwrite or bool(journal and journal.knows_run)
        self._may_remove = overwrite or prune
        self._made = journal.written if journal else NameSet()

    def prepare(self, expected: Callable[[], NameSet]) -> None:
        """Makes sure that everything in the folder is what this run makes, before the run begins.

        Args:
            expected: names of all files that the run may write; asked for only if the folder holds files.

        Raises:
            OutputError: another run's outputs or other files are there; nothing was changed then.
        """
        self._sink.sweep()
        is_empty = True
        for name in self._sink.files():
            is_empty = False
            if not self._goes_on and (is_manifest(name) or name in self._made):
                raise OutputError(
                    f"{self._sink.folder} already holds the outputs of another run; choose an empty folder "
                    "or --overwrite"
                )
        if not is_empty:
            wanted = expected()
            unlisted = [name for name in self._sink.files() if name not in wanted and name != self._manifest]
            self._refuse_or_remove(unlisted)

    def settle(self, listed: NameSet, names: Callable[[], Iterable[str]]) -> None:
        """Makes sure that the folder holds what the manifest is going to list, and nothing else.

        Args:
            listed: names of all files of the manifest.
            names: the same names, one by one; asked for only if some are missing.

        Raises:
            OutputError: something is missing, or lies there and is not listed.
        """
        unlisted, found = [], 0
        for name in self._sink.files():
            if name in listed:
                found += 1
            elif name != self._manifest:
                unlisted.append(name)
        if found < len(listed):
            missing = [name for name in names() if not self._sink.has(name)]
            raise OutputError(
                f"outputs were removed from {self._sink.folder} during the run: {_named(missing)}; the same "
                "command makes them again"
            )
        # Previews of an earlier run follow from its outputs and can be made again.
        previews = [name for name in unlisted if name.startswith(f"{PREVIEWS}/") and name in self._made]
        self._remove(previews)
        gone = set(previews)
        self._refuse_or_remove([name for name in unlisted if name not in gone])

    def _refuse_or_remove(self, unlisted: Sequence[str]) -> None:
        folder = self._sink.folder
        foreign = [name for name in unlisted if name not in self._made and not is_manifest(name)]
        if foreign:  # a large manifest is read only if it may explain something
            earlier = self._listed()
            foreign = [name for name in foreign if name not in earlier]
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

    def _listed(self) -> NameSet:
        """Names that the manifests in the folder list, as far as those can be read."""
        found = NameSet()
        for name in filter(is_manifest, list(self._sink.files())):
            with suppress(InputError, OutputError), self._sink.fetched(name) as path:
                for record in read_manifest(path).records():
                    if isinstance(record, RedactedRecord):
                        found.update(*record.files)
        return found

    def _remove(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            self._sink.remove(name)


def _named(names: Collection[str]) -> str:
    """The first few of many names."""
    shown = ", ".join(printable(name) for name in sorted(names)[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
