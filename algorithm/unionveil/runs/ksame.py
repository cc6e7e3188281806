"""k-same: every face is replaced by one that at least k people of the data set share.

Two passes over the same inputs. The survey finds faces, compares them and describes each by a code; the
plan puts people into groups; the second pass redacts without detecting again. Newton, Sweeney and Malin
described the method: "Preserving privacy by de-identifying face images", IEEE TKDE 2005.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ..config import AnonymizeConfig, Fill, KSame
from ..content import BytesContent, Content, PictureSource, content_of
from ..detections import Detections, Kind, RgbImage
from ..engines.base import Engine
from ..engines.resources import usable_cores
from ..engines.serial import SerialEngine
from ..errors import cannot_be_read
from ..files.sources import Skipped, SourceItem
from ..identity.references import References
from ..models.cards import ModelCard, embedder_card
from ..models.store import find
from ..outcomes import Outcome, Rejected
from .needs import finding_bytes, look_at
from .plan import Plan, PlannedPicture, Rows, Surveyed, Table, misfit, row_type
from .work import Task

if TYPE_CHECKING:
    from ..identity.embeddings import Embedder
    from ..pipeline import Anonymizer, Inspection
    from ..surrogate.generators import Generator
    from ..surrogate.linear import LinearGenerator

Planned: TypeAlias = PlannedPicture | Rejected | None

__all__ = ["Survey", "anonymize_set", "codes_of_groups", "face_rows", "planned", "redact_planned"]


@dataclass(frozen=True)
class Survey:
    """The work of the first pass.

    Attributes:
        config: all settings, with method ksame.
        references: known people, where they decide who is covered.
    """

    config: AnonymizeConfig
    references: References | None = None

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return self.config.cards

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind not in ("yolo", "onnx"):  # a user's own file has no digest to compare with
                find(card)
        _generator(self.config, 1)

    def start(self, threads: int) -> Callable[[Task], Surveyed | Rejected]:
        """As `Work.start`."""
        import cv2

        from ..identity.embedders import load_embedder
        from ..pipeline import load
        from ..surrogate.linear import LinearGenerator

        cv2.setNumThreads(threads)
        # The redaction of a face does not matter here.
        fill = self.config.model_copy(update={"redaction": Fill()})
        anonymizer = load(fill, threads=threads, references=self.references)
        generator = _generator(self.config, 1)
        encoder = generator if isinstance(generator, LinearGenerator) else None
        # One thread: a different order of additions would give different vectors.
        return _Surveyor(anonymizer, load_embedder(self.config.embedder, 1), encoder)


class _Surveyor:
    """The first pass with its models loaded."""

    def __init__(self, anonymizer: Anonymizer, embed: Embedder, encoder: LinearGenerator | None) -> None:
        self._anonymizer = anonymizer
        self._embed = embed
        self._encoder = encoder
        self._type = row_type(embed.card.dimensions, encoder.dimensions if encoder else 0)

    def __call__(self, task: Task) -> Surveyed | Rejected:
        if isinstance(task.content, Rejected):
            return task.content
        data = _read(task.content)
        if isinstance(data, Rejected):
            return data
        inspection = self._anonymizer.inspect(BytesContent(data))
        if isinstance(inspection, Rejected):
            return inspection
        rows = [self._rows(inspection, frame) for frame in range(len(inspection.faces))]
        return Surveyed(hashlib.sha256(data).digest(), len(rows), inspection.kept, np.concatenate(rows))

    def _rows(self, inspection: Inspection, number: int) -> Rows:
        from ..images import rgb_views

        frame, faces = inspection.picture.frames[number], inspection.faces[number]
        if not len(faces):
            return np.zeros(0, self._type)
        view = next(rgb_views(frame, frame.rendering or inspection.picture.rendering))
        return face_rows(view, faces, self._embed, self._encoder, frame=number)


def face_rows(
    view: RgbImage, faces: Detections, embed: Embedder, encoder: LinearGenerator | None, *, frame: int = 0
) -> Rows:
    """Faces of one frame as rows of a `Table`.

    Args:
        view: `(H, W, 3)` uint8, RGB.
        faces: in pixels of the view.
        embed: turns them into vectors.
        encoder: turns them into codes; None leaves codes out.
        frame: number of the frame.
    """
    from ..surrogate import template

    rows = np.zeros(len(faces), row_type(embed.card.dimensions, encoder.dimensions if encoder else 0))
    found = embed(view, faces)
    matrices = template.to_frame(faces.landmarks)
    usable = (
        found.usable
        & faces.of_kind(Kind.FACE)
        & (template.covered_share(matrices, faces.xyxy) >= _LEAST_COVERED)
    )
    rows["frame"], rows["usable"], rows["vector"] = frame, usable, found.vectors
    rows["xyxy"], rows["score"], rows["landmarks"] = faces.xyxy, faces.score, faces.landmarks
    rows["kind"] = faces.kind
    if encoder and usable.any():
        rows["code"][usable] = encoder.encode(template.chips(view, matrices[usable]))
    return rows


_LEAST_COVERED = 0.9
"""If the oval covers less of a face than this share, its landmarks do not fit its box, and it is filled."""


def _read(content: Content) -> bytes | Rejected:
    try:
        return content.read()
    except OSError as error:
        return Rejected("unreadable", cannot_be_read(error))


def _generator(config: AnonymizeConfig, threads: int) -> Generator:
    from ..surrogate.generators import load_generator

    return load_generator(_redaction(config), threads)


def _redaction(config: AnonymizeConfig) -> KSame:
    if not isinstance(config.redaction, KSame):
        raise TypeError(f"method {config.redaction.method} has no plan")
    return config.redaction


@contextmanager
def planned(
    items: Iterable[SourceItem],
    config: AnonymizeConfig,
    engine: Engine,
    references: References | None = None,
    *,
    on_done: Callable[[], None] = lambda: None,
) -> Iterator[Plan | None]:
    """Surveys all inputs and assigns a face to everybody, before anything is written.

    Args:
        items: inputs, in the order of their numbers; they are read again in the second pass.
        config: settings of the run.
        engine: does the work.
        references: known people, where they decide who is covered.
        on_done: called for every input.

    Yields:
        The plan, which can be used inside the `with`; None if the method does not need one.

    Raises:
        TooFewPeople: the inputs show fewer than k people.
        OutputError: the disk of temporary files is full.
        ModelError: a model is missing, altered or failed.
        ConfigError: the card of a user's generator is missing or wrong.
        WorkerError: no worker can be started.
    """
    if not config.redaction.needs_whole_set:
        yield None
        return
    redaction = _redaction(config)
    survey = Survey(config, references)
    survey.check()
    generator = _generator(config, 1)
    read_codes = generator.dimensions if redaction.is_own_surrogate else 0
    with Table(row_type(embedder_card(config.embedder).dimensions, read_codes)) as table:
        for _, found in engine.map(survey, _tasks(items, config)):
            table.add(found)
            on_done()
        yield table.plan(redaction.k, partial(codes_of_groups, redaction, generator.dimensions))


def codes_of_groups(
    redaction: KSame, dimensions: int, means: npt.NDArray[np.float32], seeds: list[bytes]
) -> npt.NDArray[np.float16]:
    """`(G, C)` codes of the groups' faces.

    Args:
        redaction: its surrogate is the kind of face.
        dimensions: C, length of the generator's codes.
        means: `(G, C)` mean codes of the groups; `(G, 0)` for a user's generator.
        seeds: one for each group.
    """
    from ..surrogate.generators import synthetic_codes

    if redaction.surrogate == "mean":
        return means.astype(np.float16)
    return synthetic_codes(means if redaction.is_own_surrogate else None, seeds, dimensions)


def _tasks(items: Iterable[SourceItem], config: AnonymizeConfig) -> Iterator[tuple[None, Task]]:
    inputs = (item for item in items if not isinstance(item.content, Skipped))
    for number, item in enumerate(inputs, 1):
        if not isinstance(item.content, Skipped):
            yield (
                None,
                Task(
                    number,
                    item.name,
                    item.content,
                    None,
                    None,
                    look_at(item.content)[1] + finding_bytes(config),
                ),
            )


def redact_planned(config: AnonymizeConfig, threads: int) -> Callable[[Planned, Content], Outcome]:
    """The second pass with its generator loaded: a function from a picture and its plan to the outcome.

    Args:
        config: settings of the run.
        threads: threads for one picture.

    Raises:
        ModelError: the generator is missing or damaged.
        ConfigError: the card of a user's generator is missing or wrong.
    """
    from ..pipeline import Anonymizer
    from ..redact.surrogate import surrogate_redactor
    from ..select import every_face

    generator = _generator(config, threads)

    def redact(plan: Planned, content: Content) -> Outcome:
        if not isinstance(plan, PlannedPicture):
            return plan or Rejected("failed", "the run has no plan for this picture")
        anonymizer = Anonymizer(
            lambda _: Detections.empty(),
            every_face,
            surrogate_redactor(config, generator, plan.codes),
            max_pixels=config.max_megapixels * 1e6,
            check_outputs=config.check_outputs == "yes",
            options=config.outputs,
        )
        return anonymizer.redact_faces(content, plan.faces, plan.kept)

    return redact


def anonymize_set(
    sources: Sequence[PictureSource],
    config: AnonymizeConfig,
    *,
    references: References | None = None,
    engine: Engine | None = None,
) -> Iterator[Outcome]:
    """Anonymizes a whole data set by any method; k-same needs all pictures at once.

    Args:
        sources: pictures as `Anonymizer` accepts them, except open files, which cannot be read twice.
        config: all settings.
        references: known people, where they decide who is covered.
        engine: surveys the pictures; by default this process.

    Yields:
        The outcome of each source, in order.

    Raises:
        TooFewPeople: the pictures show fewer than k people.
        ModelError: a model is missing, altered or failed.
        ConfigError: a file that the settings name cannot be used.
        TypeError: a source is of another type.
    """
    contents = [content_of(source) for source in sources]
    items = [SourceItem(str(number), content) for number, content in enumerate(contents, 1)]
    with planned(items, config, engine or SerialEngine(), references) as plan:
        if plan is None:
            from ..pipeline import load

            yield from map(load(config, references=references), contents)
            return
        redact = redact_planned(config, usable_cores())
        for number, content in enumerate(contents, 1):
            data = _read(content)
            if isinstance(data, Rejected):
                yield data
            else:
                mine = plan.of(number)
                yield misfit(mine, data) or redact(mine, BytesContent(data))
