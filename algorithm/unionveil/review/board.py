"""All photos of a review, and their edits, in one history that can be undone."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ReviewConflict, ReviewError
from .model import Edit, PhotoState, Sighting, apply, untouched, with_file_boxes

__all__ = ["Board", "Change"]


@dataclass(frozen=True)
class Change:
    """One edit of one photo, with the photo before and after it.

    Attributes:
        id: of the edit, chosen by the page that made it.
        photo: key of the photo's content.
    """

    id: str
    photo: str
    before: PhotoState
    after: PhotoState


@dataclass
class Board:
    """States of photos by the key of their content; no file, no clock.

    Attributes:
        revision: counts every change, including undo and redo. Two tabs cannot overwrite each other, because
            each change names the revision that it is based on.
        run: sightings with other settings count only for photos edited by hand; None accepts all.
    """

    revision: int = 0
    run: str | None = None
    _sightings: dict[str, Sighting] = field(default_factory=dict)
    _states: dict[str, PhotoState] = field(default_factory=dict)
    _done: list[Change] = field(default_factory=list)
    _undone: list[Change] = field(default_factory=list)
    _last_id: str | None = None

    def see(self, photo: str, sighting: Sighting) -> bool:
        """Stores the detector's result, unless the photo has been edited by hand since an earlier one.

        Boxes that an earlier result had from a file are kept.

        Returns:
            Whether it was stored.
        """
        if photo in self._states:
            return False
        before = self._sightings.get(photo)
        self._sightings[photo] = sighting if before is None else with_file_boxes(sighting, before.boxes)
        return True

    def sighting(self, photo: str) -> Sighting | None:
        """The detector's result; None before it has seen the photo."""
        sighting = self._sightings.get(photo)
        if sighting is None or self.run is None or photo in self._states:
            return sighting
        return sighting if sighting.run == self.run else None

    def state(self, photo: str) -> PhotoState | None:
        """The photo's current state; None before the detector has seen it."""
        if photo in self._states:
            return self._states[photo]
        sighting = self.sighting(photo)
        return untouched(sighting) if sighting else None

    def is_touched(self, photo: str) -> bool:
        """Whether a photo has been edited by hand."""
        return photo in self._states

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
            raise ReviewError("the detector has not looked at this photo yet; wait a moment")
        return Change(id, photo, state, apply(state, edit, sighting))

    def make(self, change: Change) -> None:
        """Applies a change returned by `plan`."""
        self._states[change.photo] = change.after
        self._done.append(change)
        self._undone.clear()
        self._step(change.id)

    def last(self, revision: int, id: str, *, redo: bool = False) -> Change | None:  # noqa: A002
        """The change to undo or redo; None if no change is left, or if only the answer was lost.

        Raises:
            ReviewConflict: the request is based on another revision.
        """
        if id == self._last_id:
            return None
        self._check(revision)
        line = self._undone if redo else self._done
        return line[-1] if line else None

    def undo(self, id: str) -> Change:  # noqa: A002
        """Undoes the last change."""
        change = self._done.pop()
        self._states[change.photo] = change.before
        self._undone.append(change)
        self._step(id)
        return change

    def redo(self, id: str) -> Change:  # noqa: A002
        """Redoes the last undone change."""
        change = self._undone.pop()
        self._states[change.photo] = change.after
        self._done.append(change)
        self._step(id)
        return change

    def _check(self, revision: int) -> None:
        if revision != self.revision:
            raise ReviewConflict(revision, self.revision)

    def _step(self, id: str) -> None:  # noqa: A002
        self.revision += 1
        self._last_id = id
