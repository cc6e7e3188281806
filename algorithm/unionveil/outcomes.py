"""Outcomes: an anonymized picture, or the reason why an input has no output.

Readers, engines and the manifest need these types but no model, so this module imports neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .detections import Detections, Kind, KindCounts
from .formats import Encoding, ImageFormat, VideoFormat
from .outputs import MetadataName

__all__ = ["Anonymized", "AnonymizedVideo", "Outcome", "Rejected", "Track", "TrackBox"]


@dataclass(frozen=True)
class Anonymized:
    """A picture whose faces are covered; it may have had none.

    Attributes:
        data: the file to write.
        format: its format, the same as the input's unless another was asked for.
        size_wh: width and height of the first frame, upright.
        faces: the covered faces of each frame or page.
        encoding: how the coded samples of the file were produced.
        kept: number of faces found but left visible, in all frames together.
        metadata: names of the input's metadata in the file, see `outputs.METADATA`.
    """

    data: bytes
    format: ImageFormat
    size_wh: tuple[int, int]
    faces: tuple[Detections, ...]
    encoding: Encoding = Encoding.PIXELS
    kept: int = 0
    metadata: tuple[MetadataName, ...] = ()

    @property
    def counts(self) -> KindCounts:
        """Numbers of what is covered, in all frames together."""
        return KindCounts.of(kind for found in self.faces for kind in found.kind)


@dataclass(frozen=True)
class TrackBox:
    """A box of a track.

    Attributes:
        frame: number of the frame, from 0.
        xyxy: left, top, right, bottom, in upright pixels.
    """

    frame: int
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Track:
    """A covered face, or a detection of another kind, over time.

    Attributes:
        kind: face, head, text or plate.
        first: frame of its first box.
        last: frame of its last box.
        best: the box with the best score.
        score: its score.
        boxes: some of its boxes, the first and last among them, in order.
    """

    kind: Kind
    first: int
    last: int
    best: TrackBox
    score: float
    boxes: tuple[TrackBox, ...]


@dataclass(frozen=True)
class AnonymizedVideo:
    """A video whose faces are covered; it is already written.

    Attributes:
        format: its container.
        size_wh: width and height of its frames, upright.
        frames: number of its frames.
        seconds: from the first frame to the last.
        codec: its codec.
        has_sound: whether sound was copied into it.
        sha256: digest of the file, hexadecimal.
        size_bytes: length of the file.
        tracks: the covered faces.
        kept: number of faces that were found but are visible in some frame.
    """

    format: VideoFormat
    size_wh: tuple[int, int]
    frames: int
    seconds: float
    codec: str
    has_sound: bool
    sha256: str
    size_bytes: int
    tracks: tuple[Track, ...]
    kept: int


@dataclass(frozen=True)
class Rejected:
    """A picture that could not be anonymized; nothing of it may be written.

    Attributes:
        reason: one word for statistics: unreadable, unsupported, too-large, crashed...
        detail: one sentence without a file name.
    """

    reason: str
    detail: str


Outcome: TypeAlias = Anonymized | Rejected
"""Exactly one of the two."""
