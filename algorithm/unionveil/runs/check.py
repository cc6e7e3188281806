"""Checks whether pictures reveal people, by their faces or their metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..config import AnonymizeConfig
from ..content import BytesContent, Content
from ..errors import ImageError, cannot_be_read
from ..formats import sniff
from ..models.cards import ModelCard
from ..models.store import find
from ..outcomes import Rejected

if TYPE_CHECKING:
    from ..pipeline import Anonymizer

__all__ = ["SUBJECTS", "Check", "CheckTask", "Subject"]

Subject: TypeAlias = Literal["face", "gps", "serial", "owner"]

SUBJECTS: tuple[Subject, ...] = ("face", "gps", "serial", "owner")
"""Everything that a check can look for."""

_NAMES = {"gps": "GPS position", "serial": "serial number or maker's notes", "owner": "owner's name"}


@dataclass(frozen=True)
class CheckTask:
    """One picture.

    Attributes:
        content: its bytes, or why they cannot be read.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: Content | Rejected
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return 0 if isinstance(self.content, Rejected) else self.content.held_bytes


@dataclass(frozen=True)
class Check:
    """The work: takes a picture, returns the names of what it reveals, or why that is unknown.

    Attributes:
        config: how faces are detected.
        subjects: what to look for; without faces no model is loaded.
    """

    config: AnonymizeConfig
    subjects: tuple[Subject, ...] = SUBJECTS

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return self.config.detector_cards if "face" in self.subjects else ()

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind != "yolo":  # a user's own file has no digest to compare with
                find(card)

    def start(self, threads: int) -> Callable[[CheckTask], tuple[str, ...] | Rejected]:
        """As `Work.start`."""
        import cv2

        from ..pipeline import load

        cv2.setNumThreads(threads)
        anonymizer = load(self.config, threads=threads) if "face" in self.subjects else None
        return _Worker(self.subjects, anonymizer)


class _Worker:
    """The work with its models loaded."""

    def __init__(self, subjects: tuple[Subject, ...], anonymizer: Anonymizer | None) -> None:
        self._subjects = subjects
        self._anonymizer = anonymizer

    def __call__(self, task: CheckTask) -> tuple[str, ...] | Rejected:
        if isinstance(task.content, Rejected):
            return task.content
        try:
            data = task.content.read()
        except OSError as error:
            return Rejected("unreadable", cannot_be_read(error))
        faces = self._faces(data)
        if isinstance(faces, Rejected):
            return faces
        try:
            return (*faces, *self._traces(data))
        except ImageError as error:
            return Rejected(error.reason, str(error))
        except ValueError as error:
            return Rejected("unreadable", f"its metadata cannot be read: {error}")

    def _faces(self, data: bytes) -> tuple[str, ...] | Rejected:
        if self._anonymizer is None:
            return ()
        inspection = self._anonymizer.inspect(BytesContent(data))
        if isinstance(inspection, Rejected):
            return inspection
        count = sum(map(len, inspection.faces))
        return (f"{count} face{'s' if count > 1 else ''}",) if count else ()

    def _traces(self, data: bytes) -> Iterator[str]:
        from ..images.blocks import metadata_blocks
        from ..images.traces import traces_in

        for trace in traces_in(metadata_blocks(data, sniff(data))):
            if trace in self._subjects:
                yield _NAMES[trace]
