"""The first pass: finds faces in frames and carries their boxes between frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..detections import Kind
from .flow import Field, Motion, Sketch, looks_like, sketch
from .log import Log
from .plan import Plan
from .planes import Grey, grey_of
from .tracks import Found, Tracker

if TYPE_CHECKING:
    import av

    from .shape import Shape

__all__ = ["LOOKS_PER_SECOND", "Look", "survey"]

LOOKS_PER_SECOND = 4
"""Least number of looks per second: two chances to see a face before its box is given up."""

Look = Callable[["av.VideoFrame"], Found]
"""Finds faces in an upright frame."""


@dataclass(frozen=True)
class _Step:
    """A frame, and how it follows from the one before it.

    Attributes:
        frame: upright.
        grey: its luma, reduced.
        looks: its sketch.
        is_new: whether it looks like neither of the two frames before it: a cut, or a flash.
        is_cut: whether a scene begins with it.
        is_steady: whether flow from the previous frame is reliable.
        is_last: whether the video ends with it.
    """

    frame: av.VideoFrame
    grey: Grey
    looks: Sketch
    is_new: bool = True
    is_cut: bool = True
    is_steady: bool = False
    is_last: bool = False


def survey(
    frames: Iterable[av.VideoFrame],
    shape: Shape,
    look: Look,
    log: Log,
    *,
    sure: Mapping[Kind, float],
    every: int,
) -> Generator[float, None, Plan]:
    """Finds the boxes of all frames.

    Args:
        frames: upright, in order.
        shape: of the video.
        look: finds faces.
        log: has the findings from before an interruption, and stores new ones.
        sure: least score of a sure detection of each kind.
        every: faces are looked for in every Nth frame, in the first frame of each scene, even if it lasts for
            one frame, in the last of the video, and at least `LOOKS_PER_SECOND` times per second.

    Yields:
        Finished seconds of the video.

    Returns:
        The boxes and time stamps.
    """
    tracker: Tracker | None = None
    motion = Motion()
    pts: list[int] = []
    durations: list[int] = []
    before: Grey | None = None
    looked = -math.inf
    for number, step in enumerate(_steps(frames)):
        stamp = step.frame.pts or 0
        second = float(stamp * shape.time_base)
        tracker = tracker or Tracker(sure, shape.size_wh, step.grey.shape[1] / shape.size_wh[0])
        found = None
        if step.is_new or step.is_last or number % every == 0 or second - looked >= 1 / LOOKS_PER_SECOND:
            looked = second
            found = log.find(number, stamp) or log.add(number, stamp, look(step.frame))
        tracker.add(number, second, found, _fields(motion, before, step))
        before = step.grey
        pts.append(stamp)
        durations.append(step.frame.duration or 0)
        yield second
    rows = tracker.finish() if tracker else Tracker(sure, shape.size_wh, 1.0).finish()
    return Plan(rows, np.asarray(pts, np.int64), np.asarray(durations, np.int64))


def _fields(motion: Motion, before: Grey | None, step: _Step) -> tuple[Field, Field] | None:
    """Flow from the previous frame and back: zero across a flash, None across a cut."""
    if before is None or step.is_cut:
        return None
    if not step.is_steady:
        still = np.zeros((*step.grey.shape, 2), np.float16)
        return still, still
    return motion(before, step.grey), motion(step.grey, before)


def _steps(frames: Iterable[av.VideoFrame]) -> Iterator[_Step]:
    """Frames with their relation to their neighbours; a cut is recognized only with the frame after it.

    A flash is not a cut: the frame after it looks like the one before it.
    """
    earlier: Sketch | None = None
    last: Sketch | None = None
    held: tuple[av.VideoFrame, Grey, Sketch] | None = None
    for frame in frames:
        grey = grey_of(frame)
        now = (frame, grey, sketch(grey))
        if held:
            step = _step(held, earlier, last, now[2])
            yield step
            earlier, last = last, step.looks
        held = now
    if held:
        yield _step(held, earlier, last, None)


def _step(
    held: tuple[av.VideoFrame, Grey, Sketch],
    earlier: Sketch | None,
    last: Sketch | None,
    behind: Sketch | None,
) -> _Step:
    if last is None:
        return _Step(*held, is_last=behind is None)
    looks = held[2]
    steady = looks_like(last, looks)
    is_new = not steady and not (earlier is not None and looks_like(earlier, looks))
    is_flash = is_new and behind is not None and looks_like(last, behind)
    return _Step(*held, is_new, is_new and not is_flash, steady, behind is None)
