"""Images for the page: a photo as the detector sees it, with or without its covers, as a JPEG."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config import AnonymizeConfig
from ..content import BytesContent, Content
from ..errors import ImageError, cannot_be_read
from ..models.cards import ModelCard
from ..outcomes import Rejected

if TYPE_CHECKING:
    from ..detections import Kind, RgbImage
    from ..images import Frame, Picture
    from ..redact import Redactor

__all__ = ["FULL_PX", "SCREEN_PX", "THUMBNAIL_PX", "View", "ViewTask", "thumbnail"]

THUMBNAIL_PX = 240
"""Longest side of a thumbnail: 120 px in the page, sharp on dense screens."""

SCREEN_PX = 2048
"""Longest side of a photo that fills the page."""

FULL_PX = 8192
"""Longest side of a zoomed photo; beyond it browsers refuse or stutter."""

_QUALITY = 88
_KEPT_PICTURES = 2


@dataclass(frozen=True)
class ViewTask:
    """An image for the page.

    Attributes:
        content: the photo.
        frame: frame or page, from 0.
        longest_px: longest side of the result.
        covers: boxes to redact, `xyxy` and kind; None shows the photo unchanged.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: Content
    frame: int
    longest_px: int
    covers: tuple[tuple[tuple[float, float, float, float], Kind], ...] | None = None
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return self.content.held_bytes


@dataclass(frozen=True)
class View:
    """The work: decode, redact, shrink, encode. It needs no model.

    Attributes:
        config: how faces are covered.
    """

    config: AnonymizeConfig

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`: none."""
        return ()

    def check(self) -> None:
        """As `Work.check`; the survey checks the settings."""

    def start(self, threads: int) -> Callable[[ViewTask], bytes | Rejected]:
        """As `Work.start`."""
        import cv2

        from ..redact import load_redactor

        cv2.setNumThreads(threads)
        return _Viewer(self.config.max_megapixels * 1e6, load_redactor(self.config))


class _Viewer:
    """The work, with a cache of the latest pictures: the page requests previews again and again."""

    def __init__(self, max_pixels: float, redactor: Redactor) -> None:
        self._max_pixels = max_pixels
        self._redactor = redactor
        self._pictures: OrderedDict[Content, Picture] = OrderedDict()

    def __call__(self, task: ViewTask) -> bytes | Rejected:
        try:
            picture = self._picture(task.content)
            if task.frame >= len(picture.frames):
                return Rejected("unreadable", f"the photo has {len(picture.frames)} pages")
            return self._drawn(picture, task)
        except OSError as error:
            return Rejected("unreadable", cannot_be_read(error))
        except ImageError as error:
            return Rejected(error.reason, str(error))
        except Exception as error:
            return Rejected("failed", f"an unexpected {type(error).__name__} while drawing the photo")

    def _picture(self, content: Content) -> Picture:
        from ..images import decode

        picture = self._pictures.pop(content, None) or decode(content.read(), self._max_pixels)
        if not isinstance(content, BytesContent):
            self._pictures[content] = picture
            while len(self._pictures) > _KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return picture

    def _drawn(self, picture: Picture, task: ViewTask) -> bytes:
        from ..detections import Detections
        from ..redact import redacted

        frame = picture.frames[task.frame]
        if task.covers:
            boxes, kinds = zip(*task.covers, strict=True)
            found = Detections.of(boxes, [1] * len(boxes), kind=[int(kind) for kind in kinds])
            frame = redacted(frame, self._redactor(frame, found))
        return _jpeg(_shown(picture, frame), task.longest_px)


def thumbnail(picture: Picture) -> bytes:
    """The first frame as a small JPEG."""
    return _jpeg(_shown(picture, picture.frames[0]), THUMBNAIL_PX)


def _shown(picture: Picture, frame: Frame) -> RgbImage:
    from ..images import rgb_views

    return next(rgb_views(frame, frame.rendering or picture.rendering))


def _jpeg(image: RgbImage, longest_px: int) -> bytes:
    """8-bit RGB as a JPEG whose longest side is at most `longest_px`."""
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    scale = longest_px / max(width, height)
    if scale < 1:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(encoded).tobytes()
