"""Videos in a run: what is read before the work starts, and the work."""

from __future__ import annotations

import hmac
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import __version__
from ..config import AnonymizeConfig
from ..content import Content
from ..engines.base import Report
from ..errors import ImageError, UnionVeilError
from ..files.stores import StoreContent
from ..formats import HEAD_BYTES, VideoFormat, video_format
from ..identity.references import References
from ..outcomes import AnonymizedVideo, Rejected
from ..video.extra import MISSING, has_video
from ..video.parts import size_of
from .records import configuration_of

if TYPE_CHECKING:
    from ..video.act import Videos

__all__ = ["Form", "VideoWorker", "look_at_video", "nowhere", "opened", "refusal", "state_name"]

_CONSTANT_BYTES = 160 << 20
_PER_PIXEL_BYTES = 150
"""Memory for decoder, encoder with its lookahead, and half a second of flow; measured in tests/benchmarks."""

_UNKNOWN_PIXELS = 3840 * 2160

Form = tuple[VideoFormat, VideoFormat]
"""Containers of a video and of its output."""


def look_at_video(content: Content | Rejected) -> tuple[VideoFormat, int] | None:
    """The container of an input and the memory that it will need; None if it is not a video."""
    if isinstance(content, Rejected):
        return None
    with suppress(OSError), content.open() as file:
        form = video_format(file.read(HEAD_BYTES))
        if form is not None:
            width, height = size_of(file, form) or (_UNKNOWN_PIXELS, 1)
            return form, _CONSTANT_BYTES + _PER_PIXEL_BYTES * width * height
    return None


def refusal(config: AnonymizeConfig, *, has_boxes: bool, is_installed: bool | None = None) -> Rejected | None:
    """The reason why a run rejects videos; None if it accepts them.

    Args:
        config: all settings.
        has_boxes: whether boxes from elsewhere were given for the video, or for every input.
        is_installed: whether PyAV is installed; None checks it.
    """
    if config.redaction.needs_whole_set:
        method = config.redaction.method
        return Rejected("unsupported", f"method {method} is not offered for videos; choose another method")
    if has_boxes:
        return Rejected("unsupported", "boxes from elsewhere are not offered for videos; leave --boxes out")
    if not (has_video() if is_installed is None else is_installed):
        return Rejected("unsupported", str(MISSING))
    return None


def state_name(secret: bytes, digest: str, output: str, config: AnonymizeConfig, people: str) -> str:
    """The name of a video's state; it depends on everything that affects the boxes.

    Args:
        secret: the journal's key.
        digest: keyed digest of the video.
        output: name of its output.
        config: all settings.
        people: digest of the known people; empty without them.
    """
    weights = [card.sha256 for card in config.cards]
    parts = [__version__, digest, output, configuration_of(config), weights, people]
    return hmac.new(secret, json.dumps(parts, sort_keys=True).encode(), sha256).hexdigest()[:32]


class VideoWorker:
    """Anonymizes videos in a worker; models are loaded with the first.

    Args:
        config: all settings.
        threads: threads for one frame's detection.
        references: the known people; None without them.
        report: receives progress reports.
    """

    def __init__(
        self, config: AnonymizeConfig, threads: int, references: References | None, report: Report
    ) -> None:
        self._config = config
        self._report = report
        self._threads = threads
        self._references = references
        self._videos: Videos | None = None

    def __call__(
        self,
        source: BinaryIO,
        forms: Form,
        stem: Path | None,
        created: AbstractContextManager[BinaryIO],
    ) -> AnonymizedVideo | Rejected:
        """Anonymizes one video; arguments as for `Videos`, with `stem` as `State.stem`.

        If anything fails, nothing of the video is written.
        """
        from ..video.state import State

        state = State(stem)
        try:
            videos = self._videos = self._videos or self._loaded()
            outcome = videos(source, forms, state, created, self._report)
        except ImageError as error:
            state.clear()
            return Rejected(error.reason, str(error))
        except UnionVeilError:
            raise
        except MemoryError:
            return Rejected("memory", "there was not enough memory for the video")
        except Exception as error:
            return Rejected("failed", f"an unexpected {type(error).__name__} while anonymizing the video")
        state.clear()
        return outcome

    def _loaded(self) -> Videos:
        from ..detect import load_finder
        from ..pipeline import load
        from ..video.act import FAINT, Videos

        finder = load_finder(self._config, self._threads)
        anonymizer = load(
            self._config, threads=self._threads, references=self._references, finder=finder.faint(FAINT)
        )
        return Videos(self._config, anonymizer, finder.sure)


@contextmanager
def opened(content: Content) -> Iterator[BinaryIO]:
    """Opens a content for reading several times and in any order; an object in a store is fetched first.

    Raises:
        OSError: it cannot be read.
    """
    with ExitStack() as stack:
        file = stack.enter_context(content.open())
        if isinstance(content, StoreContent):
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy, _FETCH_BYTES)
            file = copy
        yield file


_FETCH_BYTES = 8 << 20


@contextmanager
def nowhere() -> Iterator[BinaryIO]:
    """An output that is discarded."""
    with tempfile.TemporaryFile() as file:
        yield file
