"""Anonymizes one video: a pass that finds faces, a pass that covers them, and a check of the output."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import cv2
import numpy as np

from ..boxes import as_heads
from ..config import AnonymizeConfig
from ..detections import Detections, Kind
from ..engines.base import Report, Step
from ..files.digests import pieces
from ..formats import VideoFormat
from ..heap import return_free_memory
from ..outcomes import AnonymizedVideo
from ..pipeline import Anonymizer
from .codecs import check_encoder, encoder_of
from .log import Log
from .parts import check_input, contents_of
from .plan import Plan
from .planes import seen
from .proof import Proof, check_output
from .reader import damage, reading
from .shape import Colours, Shape
from .state import State
from .summary import kept_of, tracks_of
from .survey import survey
from .tracks import Found
from .write import Target, write

if TYPE_CHECKING:
    import av

__all__ = ["FAINT", "Videos"]

_Result = TypeVar("_Result")

FAINT = 0.5
"""Share of the detectors' thresholds above which a detection continues a chain."""


@dataclass(frozen=True)
class Videos:
    """Anonymizes videos.

    Attributes:
        config: all settings.
        anonymizer: finds faces that reach `FAINT` of the threshold, and covers them.
        sure: least score of a sure detection of each kind.
    """

    config: AnonymizeConfig
    anonymizer: Anonymizer
    sure: Mapping[Kind, float]

    def __call__(
        self,
        source: BinaryIO,
        forms: tuple[VideoFormat, VideoFormat],
        state: State,
        created: AbstractContextManager[BinaryIO],
        report: Report,
    ) -> AnonymizedVideo:
        """Anonymizes one video.

        Args:
            source: the whole file, seekable.
            forms: containers of the input and of the output.
            state: what an earlier run stored.
            created: the output, which gets its name when the block ends.
            report: called with the current step and the finished seconds of the video.

        Returns:
            What was written.

        Raises:
            ImageError: the video is damaged, not handled or cannot be read; nothing was written then.
            OutputError: the output cannot be written.
            ModelError: a model failed.
        """
        with damage():
            check_input(source, forms[0])
        with _one_thread():
            plan = self._planned(source, forms[1], state, report)
            return_free_memory()
            with created as file:
                return self._written(source, plan, forms[1], file, report)

    def _planned(self, source: BinaryIO, form: VideoFormat, state: State, report: Report) -> Plan:
        """The plan of an earlier run, or of a new first pass."""
        known = state.plan()
        if known is not None:
            return known
        with reading(source, self._max_pixels) as reader, Log(state.log) as log:
            check_encoder(encoder_of(form, self.config.codec), reader.shape, self.config.crf)
            look = partial(self._look, colours=reader.shape.colours)
            steps = survey(reader.frames(), reader.shape, look, log, sure=self.sure, every=self.config.every)
            plan = _finished("finding", steps, reader.shape, report)
        state.keep(plan)
        return plan

    def _written(
        self, source: BinaryIO, plan: Plan, form: VideoFormat, file: BinaryIO, report: Report
    ) -> AnonymizedVideo:
        """Covers, encodes and checks."""
        config = self.config
        target = Target(form, config.codec, config.crf, config.audio)
        with reading(source, self._max_pixels) as reader:
            shape = reader.shape
            proof = Proof(plan, shape.time_base, config.crf)
            steps = write(reader, plan, self.anonymizer.patches_of, target, file, proof)
            _finished("covering", steps, shape, report)
        contents = contents_of(file, form)
        check_output(contents, shape, file, proof, is_decoded=config.check_outputs == "yes")
        size_bytes = file.seek(0, 2)
        file.seek(0)
        digest = hashlib.sha256()
        for piece in pieces(file):
            digest.update(piece)
        return AnonymizedVideo(
            form,
            shape.size_wh,
            len(plan.pts),
            float((plan.pts[-1] - plan.pts[0]) * shape.time_base),
            encoder_of(form, config.codec).codec,
            "sound" in contents.streams,
            digest.hexdigest(),
            size_bytes,
            tracks_of(plan, shape.time_base),
            kept_of(plan),
        )

    @property
    def _max_pixels(self) -> float:
        return self.config.max_megapixels * 1e6

    def _look(self, frame: av.VideoFrame, colours: Colours) -> Found:
        """Faces in one upright frame, united over all views of it."""
        covered, kept = self.anonymizer.faces_of(*seen(frame, colours))
        faces = Detections.concat([covered, kept])
        if self.config.covers_heads:
            faces = as_heads(
                faces
            )  # before they are followed: landmarks of a turned head are known only here
        return Found(faces, np.arange(len(faces)) < len(covered))


def _finished(what: str, seconds: Generator[float, None, _Result], shape: Shape, report: Report) -> _Result:
    """Runs a pass, reports its finished seconds, and returns its result."""
    start: float | None = None
    while True:
        try:
            second = next(seconds)
        except StopIteration as end:
            result: _Result = end.value
            return result
        start = second if start is None else start
        report(Step(what, second - start, shape.seconds))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Runs OpenCV with one thread, because its optical flow depends on their number."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
