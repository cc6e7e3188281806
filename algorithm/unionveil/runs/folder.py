"""Keeps the output folder identical to its manifest: an unlisted file is named and refused, or removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

from ..compact import NameSet
from ..errors import InputError, OutputError, OutputLeft, OutputTaken
from ..files.outputs import LocalOutputs
from ..files.sinks import Sink
from ..text import printable
from .journal import Journal
from .reading import read_manifest
from .schema import MANIFEST, PREVIEWS, RedactedRecord, is_manifest

__all__ = ["OutputFolder"]

_MOST_NAMED = 5


class OutputFolder:
    """The output folder of one run. Names of files are compared one at a time; there may be millions.

    Args:
        sink: writes into the folder.
        journal: knows what runs on this machine have written there.
        manifest: name of the run's manifest.
        overwrite: whether other runs' outputs are removed.
        prune: whether outputs of inputs that no longer exist are removed.
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
        """Makes sure, before the run begins, that everything in the folder is an output of this run.

        Args:
            expected: returns the names of all files that the run may write; called only if the folder
                contains files.

        Raises:
            OutputError: the folder contains another run's outputs or other files; nothing has changed then.
        """
        self._sink.sweep()
        is_empty = True
        for name in self._sink.files():
            is_empty = False
            if not self._goes_on and (is_manifest(name) or name in self._made):
                raise OutputTaken(
                    f"{self._sink.folder} already contains the outputs of another run; choose an empty folder"
                )
        if not is_empty:
            wanted = expected()
            unlisted = [name for name in self._sink.files() if name not in wanted and name != self._manifest]
            self._refuse_or_remove(unlisted)

    def settle(self, listed: NameSet, names: Callable[[], Iterable[str]]) -> None:
        """Makes sure that the folder contains exactly the files that the manifest will list.

        Args:
            listed: names of all files of the manifest.
            names: returns the same names, one by one; called only if some are missing.

        Raises:
            OutputError: something is missing, or is there but not listed.
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
        # Previews of an earlier run derive from its outputs and can be made again.
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
                f"{folder} contains files that are not outputs of this run: {_named(foreign)}; choose an "
                "empty folder, or move them away"
            )
        if unlisted and not self._may_remove:
            raise OutputLeft(
                f"{folder} contains outputs of inputs that no longer exist or were not named this time: "
                f"{_named(unlisted)}; move them away"
            )
        self._remove(unlisted)

    def _listed(self) -> NameSet:
        """The names in all readable manifests in the folder."""
        found = NameSet()
        for name in filter(is_manifest, list(self._sink.files())):
            with suppress(InputError, OutputError), self._sink.fetched(name) as path:
                for record in read_manifest(LocalOutputs(path.parent), path.name).records():
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
