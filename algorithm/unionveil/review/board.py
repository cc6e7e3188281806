"""All photos of a review, and their edits, in one history that can be undone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

from ..errors import ReviewConflict, ReviewError
from .model import Box, Edit, PhotoState, Sighting, apply, untouched, with_boxes, with_file_boxes
from .renew import news

__all__ = ["Board", "Change"]

_UNSEEN = "the detector has not looked at this photo yet; wait a moment"

_Step: TypeAlias = Edit | tuple[Box, ...]
"""An edit by hand, or boxes that the program added after one."""


@dataclass(frozen=True)
class Change:
    """One edit of one photo, not applied yet.

    Attributes:
        id: of the edit, chosen by the page that made it.
        photo: key of the photo's content.
        edit: the edit.
        after: the photo after it.
    """

    id: str
    photo: str
    edit: Edit
    after: PhotoState


@dataclass(frozen=True)
class _Edited:
    """A photo with edits.

    Attributes:
        base: the detector's result that the first edit changed; later edits name its boxes.
        steps: since then.
        state: after them.
    """

    base: Sighting
    steps: tuple[_Step, ...]
    state: PhotoState

    def with_step(self, edit: Edit, state: PhotoState) -> _Edited:
        return _Edited(self.base, (*self.steps, edit), state)

    def with_boxes(self, boxes: tuple[Box, ...]) -> _Edited:
        """With boxes that nobody has approved: undo and redo lead to no approval without them."""
        return _edited(self.base, (*map(_not_approved, self.steps), boxes))

    def undone(self) -> tuple[_Edited | None, Edit]:
        """Without the last edit, and that edit; boxes that the program added stay. None: no edit is left."""
        at, edit = next((n, step) for n, step in reversed([*enumerate(self.steps)]) if isinstance(step, Edit))
        steps = self.steps[:at] + self.steps[at + 1 :]
        is_edited = any(isinstance(step, Edit) for step in steps)
        return (_edited(self.base, steps) if is_edited else None), edit


def _edited(base: Sighting, steps: tuple[_Step, ...]) -> _Edited:
    def after(state: PhotoState, step: _Step) -> PhotoState:
        return apply(state, step, base) if isinstance(step, Edit) else with_boxes(state, step)

    return _Edited(base, steps, reduce(after, steps, untouched(base)))


def _not_approved(step: _Step) -> _Step:
    if isinstance(step, Edit) and step.verdict == "approved":
        return step.model_copy(update={"verdict": "unreviewed"})
    return step


@dataclass
class Board:
    """States of photos by the key of their content; no file, no clock.

    Attributes:
        revision: counts every change, including undo and redo. Two tabs cannot overwrite each other, because
            each change names the revision that it is based on.
        run: sightings with other settings do not count; None accepts all.
    """

    revision: int = 0
    run: str | None = None
    _sightings: dict[str, Sighting] = field(default_factory=dict)
    _edits: dict[str, _Edited] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _undone: list[tuple[str, Edit]] = field(default_factory=list)
    _last_id: str | None = None

    def news(self, photo: str, sighting: Sighting) -> tuple[Box, ...]:
        """The boxes that a result of the detector would add to an edited photo; see `renew.news`."""
        edited, before = self._edits.get(photo), self._sightings.get(photo)
        if edited is None or before is None or before.run == sighting.run:
            return ()
        return news(edited.state, before, sighting)

    def see(self, photo: str, sighting: Sighting, added: tuple[Box, ...] = ()) -> None:
        """Stores the detector's result, which keeps boxes that an earlier one had from a file.

        An edited photo keeps its boxes, and a second result with the same settings changes nothing in it.

        Args:
            photo: key of its content.
            sighting: the result.
            added: its `news`.
        """
        before = self._sightings.get(photo)
        if before is None:
            self._sightings[photo] = sighting
            return
        if before.run == sighting.run and photo in self._edits:
            return
        self._sightings[photo] = with_file_boxes(sighting, before.boxes)
        if self._sightings[photo] != before:
            self._forget_undone(photo)
        self._grow(photo, added)

    def missing(self, photo: str, boxes: tuple[Box, ...]) -> tuple[Box, ...]:
        """The boxes from a file that the photo never had; one that was removed by hand stays removed."""
        state, sighting = self.state(photo), self.sighting(photo)
        known = {box.id for part in (state, sighting) if part for box in part.boxes}
        return tuple(box for box in boxes if box.id not in known)

    def add(self, photo: str, boxes: tuple[Box, ...]) -> None:
        """Adds boxes from a file; an approval of fewer is withdrawn.

        Raises:
            ReviewError: the detector has not seen the photo yet.
        """
        if photo not in self._sightings:
            raise ReviewError(_UNSEEN)
        self._sightings[photo] = with_file_boxes(self._sightings[photo], boxes)
        self._grow(photo, boxes)

    def _grow(self, photo: str, boxes: tuple[Box, ...]) -> None:
        if not boxes:
            return
        self._forget_undone(photo)
        if photo in self._edits:
            self._edits[photo] = self._edits[photo].with_boxes(boxes)

    def _forget_undone(self, photo: str) -> None:
        """Redoing an edit must neither name boxes of another result, nor approve boxes that it did not."""
        self._undone = [(other, edit) for other, edit in self._undone if other != photo]

    def sighting(self, photo: str) -> Sighting | None:
        """The detector's result; None before it has seen the photo with these settings."""
        sighting = self._sightings.get(photo)
        return sighting if sighting is None or self.run in (None, sighting.run) else None

    def state(self, photo: str) -> PhotoState | None:
        """The photo's current state; None before the detector has seen it with these settings."""
        sighting = self.sighting(photo)
        if sighting is None:
            return None
        return self._edits[photo].state if photo in self._edits else untouched(sighting)

    def is_approved(self, photo: str) -> bool:
        """Whether a photo is approved, whatever the settings of detection were."""
        return photo in self._edits and self._edits[photo].state.verdict == "approved"

    def plan(self, revision: int, id: str, photo: str, edit: Edit) -> Change | None:  # noqa: A002
        """Checks an edit without applying it.

        Returns:
            The change to store and then apply; None if it was already applied and only its answer was lost.

        Raises:
            ReviewConflict: it is based on another revision.
            ReviewError: the detector has not seen the photo yet, or the edit does not fit it.
        """
        if id == self._last_id:
            return None
        self._check(revision)
        sighting, state = self.sighting(photo), self.state(photo)
        if sighting is None or state is None:
            raise ReviewError(_UNSEEN)
        return Change(id, photo, edit, apply(state, edit, sighting))

    def make(self, change: Change) -> None:
        """Applies a change returned by `plan`."""
        self._apply(change.photo, change.edit, change.after)
        self._undone.clear()
        self._step(change.id)

    def last(self, revision: int, id: str, *, redo: bool = False) -> str | None:  # noqa: A002
        """The photo to undo or redo; None if no change is left, or if only the answer was lost.

        Raises:
            ReviewConflict: the request is based on another revision.
        """
        if id == self._last_id:
            return None
        self._check(revision)
        if redo:
            return self._undone[-1][0] if self._undone else None
        return self._done[-1] if self._done else None

    def undo(self, id: str) -> None:  # noqa: A002
        """Undoes the last change. Without any, a photo is as the detector saw it last."""
        photo = self._done.pop()
        edited = self._edits.pop(photo)
        left, edit = edited.undone()
        self._undone.append((photo, edit))
        if left:
            self._edits[photo] = left
        elif edited.base.run != self._sightings[photo].run:
            self._forget_undone(photo)
        self._step(id)

    def redo(self, id: str) -> None:  # noqa: A002
        """Redoes the last undone change."""
        photo, edit = self._undone.pop()
        edited = self._edits.get(photo)
        base = edited.base if edited else self._sightings[photo]
        self._apply(photo, edit, apply(edited.state if edited else untouched(base), edit, base))
        self._step(id)

    def _apply(self, photo: str, edit: Edit, after: PhotoState) -> None:
        edited = self._edits.get(photo)
        if edited is None:
            base = self._sightings[photo]
            edited = _Edited(base, (), untouched(base))
        self._edits[photo] = edited.with_step(edit, after)
        self._done.append(photo)

    def _check(self, revision: int) -> None:
        if revision != self.revision:
            raise ReviewConflict(revision, self.revision)

    def _step(self, id: str) -> None:  # noqa: A002
        self.revision += 1
        self._last_id = id
