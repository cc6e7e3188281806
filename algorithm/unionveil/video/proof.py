"""Compares an output with small sketches of the frames that were encoded."""

from __future__ import annotations

from array import array
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from ..boxes import cover_pixels
from ..detections import Detections
from ..errors import OutputDiffers
from .parts import Contents
from .plan import Plan
from .planes import planes_of
from .reader import Reader, reading
from .shape import Shape

if TYPE_CHECKING:
    import av

__all__ = ["Proof", "check_output"]

_SKETCH_WH = (16, 9)
_SKETCH_BYTES = 16 * 9
_MOST_LEVELS, _MOST_COARSE_LEVELS = 12.0, 48.0
_COARSE_CRF = 24
"""Tolerances for the mean luma of a cell of the sketch, in levels of 255, up to this rate factor and above;
for boxes the first one always holds. Cells of a small, quick pan differed by 19 at a rate factor of 40 and by
39 at 51, boxes by 2."""


class Proof:
    """Sketches of the frames passed to an encoder: 144 bytes each, and 4 bytes for the mean of every box.

    Args:
        plan: boxes and time stamps of all frames.
        time_base: seconds per unit of a time stamp.
        crf: the constant rate factor; None is a default one.
    """

    def __init__(self, plan: Plan, time_base: Fraction, crf: int | None = None) -> None:
        self._most_levels = _MOST_COARSE_LEVELS if (crf or 0) > _COARSE_CRF else _MOST_LEVELS
        self._plan = plan
        self._time_base = time_base
        self._count = 0
        self._sketches = bytearray()
        self._faces = array("f")

    def add(self, frame: av.VideoFrame, faces: Detections) -> None:
        """Stores the sketch of a frame with its covers."""
        self._count += 1
        self._sketches += _sketch(frame).tobytes()
        self._faces.extend(_means(frame, faces))

    def check(self, output: Reader) -> None:
        """Compares all frames of an output.

        Raises:
            OutputDiffers: it shows something else.
            UnreadableImage: it cannot be decoded.
        """
        plan = self._plan.faces()
        number = place = 0
        for frame in output.frames():
            if number == self._count:
                raise OutputDiffers("the encoded video has more frames than its input")
            faces = next(plan, Detections.empty())
            self._compare(number, frame, faces, self._faces[place : place + len(faces)])
            number, place = number + 1, place + len(faces)
        if number != self._count:
            raise OutputDiffers("the encoded video has fewer frames than its input")

    def _compare(self, number: int, frame: av.VideoFrame, faces: Detections, wanted: array[float]) -> None:
        second = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
        if second != int(self._plan.pts[number]) * self._time_base:
            raise OutputDiffers("a frame of the encoded video and of its input differ in their time stamps")
        first = number * _SKETCH_BYTES
        sketch = np.frombuffer(self._sketches[first : first + _SKETCH_BYTES], np.uint8)
        levels = np.abs(_sketch(frame).reshape(-1).astype(np.float32) - sketch).max()
        boxes = np.abs(_means(frame, faces) - np.asarray(wanted, np.float32)).max(initial=0)
        if levels > self._most_levels or boxes > _MOST_LEVELS:
            raise OutputDiffers("the encoded video does not show what its encoder got")


def check_output(contents: Contents, shape: Shape, file: BinaryIO, proof: Proof, *, is_decoded: bool) -> None:
    """Checks that an output contains its streams and nothing else, and shows the encoded frames.

    Args:
        contents: of the output.
        shape: of the input's pictures.
        file: the output, seekable.
        proof: of what the encoder got.
        is_decoded: whether the output is decoded and its frames are compared.

    Raises:
        OutputDiffers: it contains or shows something else.
        UnreadableImage: it cannot be decoded.
    """
    if contents.extra or contents.streams.count("video") != 1:
        what = ", ".join(contents.extra[:3]) or "a different number of video streams"
        raise OutputDiffers(f"the encoded video contains more than its streams: {what}")
    if is_decoded:
        with reading(file, float("inf")) as output:
            if output.shape.size_wh != shape.size_wh:
                raise OutputDiffers("the encoded video and its input differ in size")
            proof.check(output)


def _luma(frame: av.VideoFrame) -> npt.NDArray[Any]:
    return planes_of(frame)[0]


def _shift(frame: av.VideoFrame) -> int:
    return max(0, frame.format.components[0].bits - 8)


def _sketch(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    small: Any = cv2.resize(_luma(frame), _SKETCH_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(small >> _shift(frame), np.uint8)


def _means(frame: av.VideoFrame, faces: Detections) -> npt.NDArray[np.float32]:
    """`(N,)`: the mean luma of each box."""
    luma = _luma(frame)
    means = []
    for x0, y0, x1, y1 in cover_pixels(faces.xyxy, (frame.width, frame.height)).tolist():
        part = luma[y0:y1, x0:x1]
        means.append(float(part.mean()) / (1 << _shift(frame)) if part.size else 0.0)
    return np.asarray(means, np.float32)
