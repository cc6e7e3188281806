"""Anonymizes one picture, from bytes to bytes, with no files, no clock and no global state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from .boxes import as_heads, overlapping, unite_faces
from .config import AnonymizeConfig, EveryFace, Keep, check_one_by_one
from .content import Content, PictureSource, content_of
from .detect import OwnFinder, load_finder
from .detections import BoolArray, Detections, Kind, RgbImage
from .engines.resources import usable_cores
from .errors import ConfigError, ImageError, UnionVeilError, UnreadableImage, cannot_be_read
from .identity.embedders import load_embedder
from .identity.references import References
from .images import (
    Frame,
    Patch,
    Picture,
    Rendering,
    check_output,
    converted,
    decode,
    rgb_views,
)
from .images.scaled import Reduction
from .outcomes import Anonymized, Outcome, Rejected
from .outputs import OutputOptions
from .redact import Redactor, load_redactor
from .select import AllBut, JustThese, OfSize, Selector, every_face

__all__ = ["Anonymizer", "Finder", "Inspection", "anonymize", "load"]

Finder: TypeAlias = Callable[[RgbImage], Detections]
"""Finds faces, and other kinds, in `(H, W, 3)` uint8 RGB, in its pixels, best first."""

_Result = TypeVar("_Result")


class ScalingFinder(Protocol):
    """Finds faces in pictures that were decoded at a fraction of their size."""

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """The factor, 1, 2, 4 or 8, by which a picture of this width and height may be reduced."""

    def __call__(self, image: RgbImage, size_wh: tuple[int, int]) -> Detections:
        """Finds faces in a reduced `(H, W, 3)` picture, in pixels of the full size, `size_wh`; best first."""


@dataclass(frozen=True)
class Inspection:
    """A decoded picture and the faces to cover in it: the result of the first half of the pipeline.

    Attributes:
        picture: all frames, upright.
        faces: for each frame the detections to cover, in its pixels. A caller may replace them before the
            picture is redacted.
        kept: number of faces found but left visible, in all frames together.
    """

    picture: Picture
    faces: tuple[Detections, ...]
    kept: int = 0


class Anonymizer:
    """The pipeline from bytes to bytes, in two halves; `load` builds it from settings.

    Args:
        find: finds faces, and other kinds, in an array of pixels.
        select: chooses which of the faces are covered; other kinds always are.
        redact: returns the new pixels of a frame.
        max_pixels: a picture with more, all frames together, is refused.
        check_outputs: whether to decode and compare every output before it is accepted.
        scaling: `find`, if it accepts pictures decoded at a fraction of their size. The selector must then
            not use pixels.
        options: format, quality and metadata of the outputs.
        heads: whether the covered faces become heads.
    """

    def __init__(
        self,
        find: Finder,
        select: Selector,
        redact: Redactor,
        *,
        max_pixels: float,
        check_outputs: bool = True,
        scaling: ScalingFinder | None = None,
        options: OutputOptions | None = None,
        heads: bool = False,
    ) -> None:
        self._find = find
        self._select = select
        self._redact = redact
        self._max_pixels = max_pixels
        self._check_outputs = check_outputs
        self._scaling = scaling
        self._options = options or OutputOptions()
        self._heads = heads

    def __call__(self, source: PictureSource) -> Outcome:
        """Anonymizes one picture: `inspect`, then `redact`.

        Args:
            source: a whole file of any supported format: its bytes, its path, a file opened for reading
                bytes, or a `Content`.

        Returns:
            The anonymized picture, or the reason for its rejection.

        Raises:
            ModelError: a model failed; that is not the picture's fault.
            TypeError: `source` is of another type, or the selector does not return `(N,)` bool.
        """
        inspection = self.inspect(content_of(source))
        return inspection if isinstance(inspection, Rejected) else self.redact(inspection)

    def inspect(self, content: Content) -> Inspection | Rejected:
        """Decodes a picture and finds the faces to cover.

        Args:
            content: a whole file of any supported format.

        Returns:
            The picture with its faces, or the reason for its rejection.

        Raises:
            ModelError: a model failed; that is not the picture's fault.
            TypeError: the selector does not return `(N,)` bool.
        """
        return _guarded(lambda: self._inspect(content))

    def redact(self, inspection: Inspection) -> Outcome:
        """Covers the faces of an inspected picture and encodes it in its own format.

        Args:
            inspection: as returned by `inspect`, or with other faces.

        Returns:
            The anonymized picture, or the reason for its rejection.
        """
        return _guarded(lambda: self._written(inspection))

    def redact_faces(self, content: Content, faces: tuple[Detections, ...], kept: int = 0) -> Outcome:
        """Covers faces that were found before, without running the detector and the selector.

        Args:
            content: a whole file of any supported format.
            faces: of each frame, in its pixels.
            kept: number of faces that stay visible.

        Returns:
            The anonymized picture, or the reason for its rejection, such as a different number of frames.
        """
        return _guarded(lambda: self._written(Inspection(self._decoded(content), faces, kept)))

    def _inspect(self, content: Content) -> Inspection:
        picture = self._decoded(content, self._scaling.reduction if self._scaling else None)
        found = [self.faces_of(frame, frame.rendering or picture.rendering) for frame in picture.frames]
        for frame in picture.frames:
            frame.slim()
        faces = tuple(as_heads(covered) if self._heads else covered for covered, _ in found)
        return Inspection(picture, faces, sum(len(kept) for _, kept in found))

    def _decoded(self, content: Content, reduction: Reduction | None = None) -> Picture:
        try:
            data = content.read()
        except OSError as error:
            raise UnreadableImage(cannot_be_read(error)) from error
        picture = decode(data, self._max_pixels, reduction)
        if not self._options.keep:
            return picture
        from .images.kept import read_metadata  # knows every format

        return replace(picture, metadata=read_metadata(data, picture.format).allowed(self._options))

    def _written(self, inspection: Inspection) -> Outcome:
        picture, faces = converted(inspection.picture, self._options), inspection.faces
        patches = [self.patches_of(*part) for part in zip(picture.frames, faces, strict=True)]
        written = picture.write(patches)
        data, kept, marked = written.data, inspection.picture.metadata, None
        if kept.names:
            from .images.kept import with_metadata

            marked = with_metadata(data, picture.format, kept)
        if self._check_outputs:
            check_output(marked or data, picture, patches)
        size_wh, names = picture.frames[0].size_wh, kept.names if marked else ()
        return Anonymized(
            marked or data, picture.format, size_wh, faces, written.encoding, inspection.kept, names
        )

    def patches_of(self, frame: Frame, faces: Detections) -> Sequence[Patch]:
        """The patches that cover the faces of one frame, in drawing order."""
        return tuple(self._redact(frame, faces))

    def faces_of(self, frame: Frame, rendering: Rendering) -> tuple[Detections, Detections]:
        """Faces of one frame, merged over all its views.

        Args:
            frame: upright.
            rendering: how its samples are to be shown.

        Returns:
            The faces to cover, and those to keep.

        Raises:
            ModelError: a model failed.
            TypeError: the selector does not return `(N,)` bool.
        """
        covered, kept = [], []
        for view in rgb_views(frame.look, rendering):
            faces = self._scaling(view, frame.size_wh) if self._scaling else self._find(view)
            chosen = self._chosen(view, faces)
            covered.append(faces[chosen])
            kept.append(faces[~chosen])
            del view  # before computing the next: they are as large as the frame
        if len(covered) == 1:
            return covered[0], kept[0]
        left = unite_faces(kept)
        return self._agreed(rgb_views(frame, rendering) if len(left) else (), covered, left)

    def _agreed(
        self, views: Iterable[RgbImage], covered: list[Detections], kept: Detections
    ) -> tuple[Detections, Detections]:
        """Keeps a face visible only if every view would, together with all others that would stay visible."""
        for view in views:
            chosen = self._chosen(view, kept)
            covered.append(kept[chosen])
            kept = kept[~chosen]
        united = unite_faces(covered)
        faces = united[united.of_kind(Kind.FACE)]
        return united, kept[~overlapping(kept.xyxy, faces.xyxy)]

    def _chosen(self, view: RgbImage, found: Detections) -> BoolArray:
        """`(N,)`: which detections are covered. The selector decides only about faces."""
        chosen = np.ones(len(found), bool)
        is_face = found.of_kind(Kind.FACE)
        faces = found[is_face]
        chosen[is_face] = _checked(self._select(view, faces), len(faces))
        return chosen


def _checked(chosen: BoolArray, count: int) -> BoolArray:
    """A selector's result; anything but `(N,)` bool would be read as indices and cover fewer faces.

    Raises:
        TypeError: the result has another type or shape.
    """
    if not isinstance(chosen, np.ndarray) or chosen.dtype != np.bool_ or chosen.shape != (count,):
        what = f"{chosen.dtype} {chosen.shape}" if isinstance(chosen, np.ndarray) else type(chosen).__name__
        raise _WrongSelection(f"a selector must give a bool array of shape ({count},), got {what}")
    return chosen


class _WrongSelection(TypeError):
    """A mistake in the caller's selector, which must not be reported as a failed picture."""


def _guarded(act: Callable[[], _Result]) -> _Result | Rejected:
    """The result of an operation on one picture. If anything fails, no part of the picture is written."""
    try:
        return act()
    except ImageError as error:
        return Rejected(error.reason, str(error))
    except (UnionVeilError, _WrongSelection):
        raise
    except MemoryError:
        return Rejected("memory", "there was not enough memory for the picture")
    except Exception as error:
        return Rejected("failed", f"an unexpected {type(error).__name__} while anonymizing the picture")


def load(
    config: AnonymizeConfig | None = None,
    *,
    threads: int = 0,
    references: References | None = None,
    selector: Selector | None = None,
    redactor: Redactor | None = None,
    finder: Finder | None = None,
) -> Anonymizer:
    """Builds an anonymizer; every file that it needs is read now, before the first picture.

    Args:
        config: all settings; the defaults cover every face with an opaque box.
        threads: threads for one picture's detection; 0 uses all cores that this process may use.
        references: the known people of the settings `keep` and `only`, as read by `load_references`.
        selector: chooses the faces to cover, in place of the settings' choice: `(H, W, 3)` uint8 RGB and its
            `Detections` to `(N,)` bool. Text and plates are always covered.
        redactor: returns the new pixels, in place of the configured redaction: a `Frame` and its `Detections`
            to `Patch`es. Pixels outside the patches are kept.
        finder: finds what is covered, in place of the configured detectors, which are then not loaded.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
        ConfigError: the overlay's picture cannot be read, the references do not fit the settings, or the
            method needs the whole data set.
    """
    config = config or AnonymizeConfig()
    if redactor is None:
        check_one_by_one(config, "an anonymizer")
    threads = threads or usable_cores()
    chosen = selector or _selector(config, references, threads)
    finder = finder or load_finder(config, threads)
    # Other selectors use pixels, and must see all of them.
    scaling = finder if isinstance(finder, OwnFinder) and chosen is every_face else None
    if (config.min_face, config.max_face) != (None, None):
        chosen = OfSize(chosen, config.min_face or 0, config.max_face or math.inf)
    return Anonymizer(
        finder,
        chosen,
        redactor or load_redactor(config),
        max_pixels=config.max_megapixels * 1e6,
        check_outputs=config.check_outputs == "yes",
        scaling=scaling,
        options=config.outputs,
        heads=config.covers_heads,
    )


def _selector(config: AnonymizeConfig, references: References | None, threads: int) -> Selector:
    """The selector of the settings.

    Raises:
        ConfigError: the references do not fit the settings.
        ModelError: the embedder's weights are missing, altered or cannot be loaded.
    """
    card, selection = config.embedder_card, config.selection
    if isinstance(selection, EveryFace) or card is None:
        if references:
            raise ConfigError("references are given, but every face is covered: choose select keep or only")
        return every_face
    if references is None:
        raise ConfigError(f"select {selection.select} needs references to the people that it covers or keeps")
    if references.embedder != card.sha256:
        raise ConfigError(f"the references were made by another embedder than {card.name!r}; make them again")
    least = selection.least_cosine(card)
    embed = load_embedder(card, threads)
    if isinstance(selection, Keep):
        return AllBut(embed, references, least)
    return JustThese(embed, references, least, selection.only_strict == "yes")


def anonymize(source: PictureSource, config: AnonymizeConfig | None = None) -> Outcome:
    """Anonymizes one picture; `load` keeps the models for many.

    Args:
        source: a whole file of any supported format: its bytes, its path, or a file opened for reading bytes.
        config: settings; the defaults cover every face with an opaque box.

    Returns:
        The anonymized picture, or the reason for its rejection.

    Raises:
        ModelError: weights are missing, altered or cannot be run.
        ConfigError: the overlay's picture cannot be read.
        TypeError: `source` is of another type.
    """
    return load(config)(source)
