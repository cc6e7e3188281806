"""Verifies a video: compares the contents of its file, and its frames, with its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from ..config import AnonymizeConfig
from ..content import Content
from ..engines.base import Report
from ..files.digests import pieces
from ..formats import HEAD_BYTES, video_format
from ..runs.schema import RedactedRecord, VideoRecord
from ..video.extra import MISSING, has_video
from ..video.parts import contents_of, size_of
from .finding import Finding
from .residual import Residual

__all__ = ["ExamineVideo"]


class ExamineVideo:
    """Examines videos.

    Args:
        config: the settings that the manifest claims.
        residual: finds uncovered faces.
        report: called with the finished seconds.
        is_installed: whether PyAV is installed; found out by default.
    """

    def __init__(
        self,
        config: AnonymizeConfig,
        residual: Residual,
        report: Report = lambda _: None,
        *,
        is_installed: bool | None = None,
    ) -> None:
        self._config = config
        self._residual = residual
        self._report = report
        self._is_installed = has_video() if is_installed is None else is_installed

    def __call__(self, content: Content, record: RedactedRecord, video: VideoRecord) -> Iterator[Finding]:
        """Reports everything that is not as claimed.

        Args:
            content: the file.
            record: its record in the manifest.
            video: the part of the record about the video.

        Raises:
            OSError: it cannot be read.
        """
        with content.open() as file:
            found = [*_file(file, record, video), *_tracks(record, video, self._config)]
            yield from found
            if any(finding.check in ("files", "picture") for finding in found):
                return
            if not self._is_installed:
                yield Finding("picture", f"its frames were not examined: {MISSING}")
                return
            from .examine_frames import examine_frames

            yield from examine_frames(file, record, video, self._config, self._residual, self._report)


def _file(file: BinaryIO, record: RedactedRecord, video: VideoRecord) -> Iterator[Finding]:
    """The contents of a file against its record, without any codec."""
    form = video_format(file.read(HEAD_BYTES))
    if form is None or form.name.lower() != record.format:
        has = form.name.lower() if form else "not a video"
        yield Finding("picture", f"it is {has}, the manifest says {record.format}")
        return
    contents = contents_of(file, form)
    if contents.extra:
        shown = ", ".join(contents.extra[:5])
        yield Finding("metadata", f"it contains more than its streams: {shown}")
    wanted = sorted(["video", *(["sound"] if video.sound else [])])
    if sorted(set(contents.streams)) != wanted or contents.streams.count("video") != 1:
        has = ", ".join(contents.streams) or "nothing"
        yield Finding("metadata", f"its streams are {has}; the manifest says {', '.join(wanted)}")
    size_wh = size_of(file, form)
    if size_wh != record.size_wh:
        has = f"{size_wh[0]} x {size_wh[1]} pixels" if size_wh else "no size"
        yield Finding("picture", f"it has {has}, the manifest says {record.size_wh[0]} x {record.size_wh[1]}")
    file.seek(0)
    digest = hashlib.sha256()
    for piece in pieces(file):
        digest.update(piece)
    if digest.hexdigest() != record.sha256:
        yield Finding("files", "it changed while it was examined")


def _tracks(record: RedactedRecord, video: VideoRecord, config: AnonymizeConfig) -> Iterator[Finding]:
    """Whether the tracks lie in the video and fit the faces beside them."""
    frames = [frame for track in video.tracks for frame, *_ in track.boxes]
    ends = [frame for track in video.tracks for frame in (track.first_frame, track.last_frame)]
    if max([*frames, *ends], default=0) >= record.frames or len(video.tracks) != len(record.faces):
        yield Finding("claims", "the tracks in the manifest are not those of its faces")
    for face in record.faces:
        method = config.method_of(face.detected)
        if face.method != method:
            yield Finding("method", f"a box says {face.method}, the settings say {method}")
