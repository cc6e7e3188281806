"""Compares photos before and after a run: what was covered, what is still visible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..boxes import area, cover_boxes, cover_pixels, covered, expand, iou, shorter_sides, unite_faces
from ..content import Content
from ..detections import BoolArray, Detections, FloatArray, Kind, RgbImage
from ..errors import ImageError, cannot_be_read
from ..models.cards import EmbedderCard, ModelCard, cards_of, embedder_card
from ..models.store import find
from ..outcomes import Rejected
from .drawn import SAME_FACE_IOU
from .exempt import Exempt
from .residual import UNDER_COVER
from .second import detect_near
from .twice import detect_twice

if TYPE_CHECKING:
    from ..detect.detector import Detail
    from ..identity.embedders import OnnxEmbedder

__all__ = ["CROP_PX", "ComparePairs", "Comparison", "Pair", "VisibleFace"]

CROP_PX = 48
"""Side of the crops for attackers on pixels."""

_VISIBLE = 0.25
"""A face of which more than this share shows is still visible."""

_CHANGED, _FLAT = 8, 0.75
"""Least difference of a changed pixel in levels, above that of encoding; largest spread of a flat colour."""

_DOUBTED = 0.2
"""Least score of the run's own detectors where Haar cascades, which see faces everywhere, are run too."""

_FACE_IN_HEAD = 0.8
"""Least share of a face that lies in the box of its head."""

_EDGE_PX = 16
"""Width of the rim around covers in which a JPEG's blocks may change."""

Crops: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pair:
    """A photo and its output, as a task.

    Attributes:
        number: of the input.
        before: the input.
        after: the output.
        found: what the manifest lists for the first frame, including heads and text.
        kept: faces that were left visible on purpose, in all frames together.
    """

    number: int
    before: Content
    after: Content
    found: Detections
    kept: int = 0
    held_bytes: int = 0
    needed_bytes: int = 0


@dataclass(frozen=True)
class VisibleFace:
    """A face that is still visible.

    Attributes:
        xyxy: its box.
        seen_by: the detector that found it.
        score: the detector's score.
        jpeg: the region around it, with the face covered unless faces are to be shown.
        may_stay: whether the run may have left it on purpose.
    """

    xyxy: tuple[float, float, float, float]
    seen_by: str
    score: float
    jpeg: bytes
    may_stay: bool = False


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of comparing a pair.

    Attributes:
        number: of the input.
        side_px: `(N,)` shorter sides of the covered faces.
        linking: `(N, D)` vectors of the original faces, for linking people; zeros where unusable.
        usable: `(N,)` whether landmarks are known, and the face is large enough to be linked.
        crops: `(N, 3, 2, CROP_PX, CROP_PX, 3)` uint8: before, after, filled; aligned and region.
        vectors: `(N, 3, 2, E)` the attacker's vectors of the crops, of length 1.
        found: `(N,)` whether the run's detector still finds a face in the cover.
        moved: `(N,)` mean error of that face's landmarks in eye distances; NaN where no face is found.
        left: faces that are still visible, including those that the run may have left on purpose.
        inside: number of faces that another detector finds where nothing of the input is visible: false
            positives or surrogates.
        psnr: PSNR outside covers in dB, at most 99.
    """

    number: int
    side_px: FloatArray
    linking: FloatArray
    usable: BoolArray
    crops: Crops
    vectors: FloatArray
    found: BoolArray
    moved: FloatArray
    left: tuple[VisibleFace, ...]
    inside: int
    psnr: float


@dataclass(frozen=True)
class ComparePairs:
    """The comparison of pairs, as work for an engine.

    Attributes:
        own: detectors of the run.
        threshold: of the run; None for each detector's own.
        other: a detector that the run did not use.
        linker: embedder that links faces to people.
        attacker: embedder of the attackers.
        margin: margin of the covers of faces and heads.
        text_margin: margin of all other covers.
        max_pixels: larger pictures are not compared.
        exempt: settings by which the run leaves faces visible.
        detail: of the search with the run's detectors.
        show_faces: whether pictures in reports show faces.
    """

    own: tuple[str, ...]
    threshold: float | None
    other: str
    linker: str
    attacker: str
    margin: float
    text_margin: float
    max_pixels: float
    exempt: Exempt
    detail: Detail
    show_faces: bool = False

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        detectors: tuple[ModelCard, ...] = tuple(
            c for name in (*self.own, self.other) for c in cards_of(name)
        )
        return (*detectors, embedder_card(self.linker), embedder_card(self.attacker))

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind not in ("yolo", "onnx"):
                find(card)

    def start(self, threads: int) -> Callable[[Pair], Comparison | Rejected]:
        """As `Work.start`."""
        import cv2

        cv2.setNumThreads(threads)
        return _Worker(self, threads)


class _Worker:
    """The work with its models loaded."""

    def __init__(self, work: ComparePairs, threads: int) -> None:
        from ..config import AnonymizeConfig
        from ..detect import load_detector
        from ..identity.embedders import load_embedder
        from ..models.inference import choose

        self._work = work
        self._config = AnonymizeConfig(detector=work.own, threshold=work.threshold)
        inference = choose(self._config.engine)
        self._own = [load_detector(name, threads, inference) for name in work.own]
        self._other = load_detector(work.other, threads, inference)
        self._link = load_embedder(work.linker, threads)
        self._attack = load_embedder(work.attacker, threads)

    def __call__(self, pair: Pair) -> Comparison | Rejected:
        try:
            before, after = (self._pixels(content) for content in (pair.before, pair.after))
        except OSError as error:
            return Rejected("unreadable", cannot_be_read(error, "it"))
        except ImageError as error:
            return Rejected(error.reason, str(error))
        if before.shape != after.shape:
            return Rejected("differs", "input and output have different sizes")
        return self._compared(pair, before, after)

    def _pixels(self, content: Content) -> RgbImage:
        from ..images import decode, rgb_views

        picture = decode(content.read(), self._work.max_pixels)
        frame = picture.frames[0]
        return next(iter(rgb_views(frame, frame.rendering or picture.rendering)))

    def _compared(self, pair: Pair, before: RgbImage, after: RgbImage) -> Comparison:
        boxes = cover_boxes(pair.found, self._work.margin, self._work.text_margin)
        all_covers = cover_pixels(boxes, (before.shape[1], before.shape[0]))
        filled = before.copy()
        for x0, y0, x1, y1 in all_covers:
            filled[y0:y1, x0:x1] = 0
        (faint, own_before), (faint_after, own_after) = self._find(before), self._find(after)
        is_person = pair.found.is_person
        covers = all_covers[is_person]
        faces = _with_landmarks(_faces_in(pair.found[is_person], own_before), own_before)
        linking, own = self._link(before, faces), ", ".join(self._work.own)
        crops, vectors = self._seen((before, after, filled), faces, covers)
        found, moved = _still_found(faces, own_after)
        finds = ((own_before, own), (self._second(before, faint), self._work.other))
        left = self._left(pair, before, after, finds)
        other_after = self._second(after, faint_after).xyxy
        inside = int((visible_share(other_after, before, after) < _VISIBLE).sum())
        return Comparison(
            pair.number,
            shorter_sides(faces.xyxy),
            linking.vectors,
            linking.usable,
            crops,
            vectors,
            found,
            moved,
            left,
            inside,
            _psnr_outside(before, after, all_covers),
        )

    def _seen(
        self, states: Sequence[RgbImage], faces: Detections, covers: npt.NDArray[np.int64]
    ) -> tuple[Crops, FloatArray]:
        """Crops and vectors of all faces in all states and views; zeros where a face has no landmarks."""
        import cv2

        card = self._attack.card
        crops = np.zeros((len(faces), 3, 2, CROP_PX, CROP_PX, 3), np.uint8)
        vectors = np.zeros((len(faces), 3, 2, card.dimensions), np.float32)
        for state, image in enumerate(states):
            large = np.zeros((len(faces), 2, card.size_px, card.size_px, 3), np.uint8)
            good = _align(image, faces, card, large[:, 0])
            for number, (x0, y0, x1, y1) in enumerate(covers):
                if x1 > x0 and y1 > y0:
                    side = (card.size_px, card.size_px)
                    large[number, 1] = cv2.resize(image[y0:y1, x0:x1], side, interpolation=cv2.INTER_AREA)
            for view in (0, 1):
                vectors[good, state, view] = _unit(self._attack, large[good, view])
                for face in np.flatnonzero(good):
                    crops[face, state, view] = cv2.resize(
                        large[face, view], (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA
                    )
        return crops, vectors

    def _find(self, image: RgbImage) -> tuple[Detections, Detections]:
        """What the run's detectors find at a low score, and at the run's threshold."""
        mirror = self._config.mirror == "auto"
        results = []
        for detector in self._own:
            threshold = self._work.threshold or detector.card.threshold
            low = min(_DOUBTED, threshold)
            detail = self._work.detail
            results.append(detect_twice([image], detector, low, threshold, detail=detail, mirror=mirror))
        faint, faces = zip(*results, strict=True)
        return unite_faces(faint), unite_faces(faces)

    def _second(self, image: RgbImage, faint: Detections) -> Detections:
        """What the other detector finds; Haar cascades run only where `faint` has boxes."""
        from ..detect.tiles import find_faces

        detector = self._other
        if self._work.other != "haar":
            mirror = self._config.mirror == "auto"
            return find_faces(image, detector, detector.card.threshold, "standard", mirror=mirror)
        near = detect_near(image, faint.xyxy, detector)
        return near[np.asarray((iou(near.xyxy, faint.xyxy) > SAME_FACE_IOU).any(axis=1))]

    def _left(
        self, pair: Pair, before: RgbImage, after: RgbImage, finds: Sequence[tuple[Detections, str]]
    ) -> tuple[VisibleFace, ...]:
        """Faces of the input that are still visible in the output.

        They are searched for in the input, because beside black boxes, collars and fists look like faces.
        `finds` are the detections of the run's detectors and of the other one, each with a name.
        """
        seen: list[tuple[FloatArray, str, float]] = []
        for faces, by in finds:
            hidden = visible_share(faces.xyxy, before, after) < _VISIBLE
            for box, score in zip(faces.xyxy[~hidden], faces.score[~hidden], strict=True):
                if not any(iou(box[None], one[None])[0, 0] > SAME_FACE_IOU for one, _, _ in seen):
                    seen.append((box, by, float(score)))
        xyxy = np.array([box for box, _, _ in seen], np.float32).reshape(-1, 4)
        is_found = np.array([by == finds[0][1] for _, by, _ in seen], bool)
        is_listed = covered(xyxy, pair.found.xyxy, UNDER_COVER).any(axis=1)
        stays = self._work.exempt.may_stay(xyxy, is_found & ~is_listed, pair.kept) & ~is_listed
        return tuple(
            VisibleFace(_box(box), by, round(score, 3), _jpeg(after, box, show=self._work.show_faces), stay)
            for (box, by, score), stay in zip(seen, stays.tolist(), strict=True)
        )


def _align(image: RgbImage, faces: Detections, card: EmbedderCard, crops: Crops) -> BoolArray:
    """Fills `(N, S, S, 3)` with aligned crops; True where there was one."""
    from ..identity.align import aligned, similarity

    matrices = similarity(faces.landmarks, np.asarray(card.template))
    good = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    crops[good] = aligned(image, matrices[good], card.size_px)
    return good


def _unit(embed: OnnxEmbedder, crops: Crops) -> FloatArray:
    from ..identity.embeddings import Embeddings

    return Embeddings.of(embed.embed_crops(crops), np.ones(len(crops), bool)).vectors


def _faces_in(people: Detections, found: Detections) -> FloatArray:
    """Boxes of faces; a head is replaced by the largest face that a detector finds in it, if any."""
    xyxy = people.xyxy.copy()
    if len(found):
        inside = covered(found.xyxy, people.xyxy, _FACE_IN_HEAD).T * area(found.xyxy)
        has_face = people.of_kind(Kind.HEAD) & (inside.max(axis=1) > 0)
        xyxy[has_face] = found.xyxy[inside.argmax(axis=1)[has_face]]
    return xyxy


def _with_landmarks(xyxy: FloatArray, found: Detections) -> Detections:
    """Covered faces with the landmarks that a detector finds at the same place, or NaN."""
    landmarks = np.full((len(xyxy), 5, 2), np.nan, np.float32)
    if len(found) and len(xyxy):
        overlap = iou(xyxy, found.xyxy)
        best = overlap.argmax(axis=1)
        same = overlap.max(axis=1) > 0.5
        landmarks[same] = found.landmarks[best[same]]
    return Detections.of(xyxy, np.ones(len(xyxy)), landmarks)


def _still_found(faces: Detections, after: Detections) -> tuple[BoolArray, FloatArray]:
    moved = np.full(len(faces), np.nan, np.float32)
    if not len(after) or not len(faces):
        return np.zeros(len(faces), bool), moved
    overlap = iou(faces.xyxy, after.xyxy)
    found = np.asarray(overlap.max(axis=1) > 0.4)
    there = after.landmarks[overlap.argmax(axis=1)]
    eyes = np.linalg.norm(faces.landmarks[:, 0] - faces.landmarks[:, 1], axis=1)
    error = np.linalg.norm(there - faces.landmarks, axis=2).mean(axis=1) / np.maximum(eyes, 1e-6)
    moved[found] = error[found]
    return found, moved


def visible_share(xyxy: FloatArray, before: RgbImage, after: RgbImage) -> FloatArray:
    """How much of each face is still visible, whatever the manifest states about covers.

    A pixel is visible if it is unchanged and its surroundings are not of one colour. Unchanged holes of up to
    a quarter of the face count as changed, because a blur leaves flat parts as they were.

    Args:
        xyxy: `(N, 4)` boxes in pixels.
        before: `(H, W, 3)` uint8.
        after: the same.

    Returns:
        `(N,)` in [0, 1].
    """
    import cv2

    shares = np.zeros(len(xyxy), np.float32)
    for number, (x0, y0, x1, y1) in enumerate(cover_pixels(xyxy, (before.shape[1], before.shape[0]))):
        if x1 <= x0 or y1 <= y0:
            continue
        old, new = before[y0:y1, x0:x1], after[y0:y1, x0:x1]
        changed = (cv2.absdiff(old, new).max(axis=2) > _CHANGED).astype(np.uint8)
        hole = max(3, min(x1 - x0, y1 - y0) // 4)
        # Closing must not invent changes at the crop's edge.
        padded = cv2.copyMakeBorder(changed, hole, hole, hole, hole, cv2.BORDER_CONSTANT, value=0)
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((hole, hole), np.uint8))
        grey = cv2.cvtColor(new, cv2.COLOR_RGB2GRAY).astype(np.float32)
        variance = cv2.blur(grey * grey, (5, 5)) - cv2.blur(grey, (5, 5)) ** 2
        visible = (closed[hole:-hole, hole:-hole] == 0) & (variance > _FLAT**2)
        shares[number] = visible.mean()
    return shares


def _psnr_outside(before: RgbImage, after: RgbImage, covers: npt.NDArray[np.int64]) -> float:
    kept = np.ones(before.shape[:2], bool)
    for x0, y0, x1, y1 in covers:
        kept[max(y0 - _EDGE_PX, 0) : y1 + _EDGE_PX, max(x0 - _EDGE_PX, 0) : x1 + _EDGE_PX] = False
    if not kept.any():
        return 99.0
    error = float(((before[kept].astype(np.float32) - after[kept]) ** 2).mean())
    return min(99.0, 10 * np.log10(255**2 / error)) if error else 99.0


def _box(box: FloatArray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(float(value), 1) for value in box)
    return x0, y0, x1, y1


def _jpeg(image: RgbImage, box: FloatArray, *, show: bool) -> bytes:
    """The surroundings of a visible face, outlined; the face is covered unless it is to be shown."""
    import cv2

    ((x0, y0, x1, y1),) = cover_pixels(expand(box[None], 1.0), (image.shape[1], image.shape[0]))
    scale = 160 / max(1, x1 - x0, y1 - y0)
    part: npt.NDArray[Any] = image[y0:y1, x0:x1, ::-1].copy()
    corner = np.asarray([x0, y0, x0, y0])
    a, b, c, d = (int(v) for v in np.round(box - corner))
    if not show:
        cv2.rectangle(part, (a, b), (c, d), (0, 0, 0), -1)
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    a, b, c, d = (int(v) for v in np.round((box - corner) * scale))
    cv2.rectangle(part, (a, b), (c, d), (0, 0, 255), 2)
    return bytes(cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
