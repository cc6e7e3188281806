"""Verifies a folder of outputs without their originals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import AnonymizeConfig, parameters
from ..content import FileContent
from ..engines.base import Engine
from ..errors import ConfigError, ResultsError
from ..models.cards import CARDS, EMBEDDERS
from ..models.store import state
from ..outcomes import Rejected
from ..runs.reading import ManifestFile
from ..runs.schema import ManifestHead, RedactedRecord
from ..runs.videos import look_at_video
from ..text import printable
from ..verify import verify
from .examine import Examine, ExamineTask
from .finding import Finding
from .photos import memory_for

__all__ = ["Issue", "Verdict", "verify_outputs"]

_NUMBER = re.compile("[0-9]{1,9}")
"""A part of a version."""

_SECOND_DETECTORS = ("yunet", "haar")
"""Second detectors for residual faces: the first whose weights are on this machine is used; haar always
is."""


@dataclass(frozen=True)
class Issue:
    """A finding with the name of its file, which is empty for the folder as a whole."""

    file: str
    finding: Finding

    @property
    def sentence(self) -> str:
        """The finding, with the file's name made printable."""
        return f"{printable(self.file)}: {self.finding.detail}" if self.file else self.finding.detail


@dataclass(frozen=True)
class Verdict:
    """The result of verifying a folder.

    Attributes:
        head: the manifest's part about all inputs; None if it cannot be read.
        issues: everything that was found.
        detectors: names of the detectors that looked for residual faces.
    """

    head: ManifestHead | None
    issues: tuple[Issue, ...]
    detectors: tuple[str, ...]

    @property
    def sure(self) -> tuple[Issue, ...]:
        """Issues because of which the outputs fail."""
        return tuple(issue for issue in self.issues if issue.finding.is_sure)

    @property
    def unsure(self) -> tuple[Issue, ...]:
        """Issues for a person to look at."""
        return tuple(issue for issue in self.issues if not issue.finding.is_sure)

    def data(self) -> dict[str, Any]:
        """The verdict for JSON."""
        counts = self.head.counts if self.head else None
        return {
            "passed": not self.sure,
            "outputs": counts.redacted + counts.without_face if counts else None,
            "faces": counts.faces if counts else None,
            "detectors": list(self.detectors),
            "issues": [_data(issue) for issue in self.sure],
            "unsure": [_data(issue) for issue in self.unsure],
        }


def _data(issue: Issue) -> dict[str, str]:
    shown = printable(issue.file, quoted=False, most=None)
    return {"file": shown, "check": issue.finding.check, "detail": issue.finding.detail}


def verify_outputs(
    folder: Path,
    engine: Engine,
    on_done: Callable[[], None] = lambda: None,
    detectors: tuple[str, ...] | None = None,
) -> Verdict:
    """Checks everything that can be checked without an original.

    Files are compared with the manifest first. If they do not match it, nothing else is examined, since it
    would concern other pictures.

    Args:
        folder: of outputs, with `manifest.json`.
        engine: examines the outputs.
        on_done: called after each output.
        detectors: names of the detectors that look for residual faces; None means our own and a second one.

    Raises:
        ModelError: weights are altered, or a model failed.
    """
    try:
        manifest = verify(folder)
    except ResultsError as error:
        return Verdict(None, tuple(Issue("", Finding("files", issue)) for issue in error.issues), ())
    config, claims = _claims(manifest.head)
    issues = [Issue("", claim) for claim in claims]
    if config is None:
        return Verdict(manifest.head, tuple(issues), ())
    detectors = (detectors or _detectors()) if config.covers_people else ()
    covers_everyone = manifest.head.configuration.get("select", "every") == "every"
    for name, found in engine.map(Examine(config, detectors, covers_everyone), _tasks(folder, manifest)):
        if isinstance(found, Rejected):
            found = (Finding("picture", f"it cannot be examined: {found.detail}"),)
        issues += [Issue(name, finding) for finding in found]
        on_done()
    return Verdict(manifest.head, tuple(issues), detectors)


def _tasks(folder: Path, manifest: ManifestFile) -> Iterator[tuple[str, ExamineTask]]:
    for item in manifest.records():
        if isinstance(item, RedactedRecord):
            content = FileContent(folder / item.output)
            video = look_at_video(content) if item.video else None
            needed = video[1] if video else memory_for(content)
            yield item.output, ExamineTask(content, item, needed_bytes=needed)
            if item.preview:
                yield item.preview, ExamineTask(FileContent(folder / item.preview), item, is_preview=True)


def _detectors() -> tuple[str, ...]:
    second = next(name for name in _SECOND_DETECTORS if name == "haar" or state(CARDS[name]) == "here")
    return (next(iter(CARDS)), second)


def _claims(head: ManifestHead) -> tuple[AnonymizeConfig | None, list[Finding]]:
    """The settings that a manifest claims, and what is wrong with its claims."""
    found = [*_tool(head), *_weights(head)]
    try:
        return _config(head.configuration), found
    except ConfigError as error:
        return None, [*found, Finding("claims", f"the settings in the manifest are not valid: {error}")]


def _tool(head: ManifestHead) -> Iterator[Finding]:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.split(".")[:3] if _NUMBER.fullmatch(part)]

    version = head.tool.version
    if not numbers(version) or numbers(version) > numbers(__version__):
        yield Finding(
            "claims",
            f"it was written by UnionVeil {printable(version)}, and this is {__version__}; verify it with "
            "that version",
        )


def _weights(head: ManifestHead) -> Iterator[Finding]:
    # Without a detector, boxes came from a file or a person.
    if not head.models and head.configuration.get("boxes") != "instead":
        yield Finding("claims", "the manifest names no weights, so no detector was run")
    for model in head.models:
        card = CARDS.get(model.name) or EMBEDDERS.get(model.name)
        if card is None:
            yield Finding("claims", f"the weights {printable(model.name)} are unknown")
        elif card.sha256 != model.sha256:
            yield Finding("claims", f"the weights of {model.name} differ from those of this version")


def _config(claimed: dict[str, str]) -> AnonymizeConfig:
    """The settings that determine the covers; other settings contain digests instead of files.

    Raises:
        ConfigError: they are not valid.
    """
    if "method" not in claimed:
        raise ConfigError("there is no method")
    wanted = {
        *("cover", "detail", "mirror", "shape", "margin", "max_megapixels", "method"),
        *("min_face", "max_face", "keep_metadata", "gps_decimals", "text_method", "text_margin"),
    }
    wanted |= {one.name for one in parameters() if one.tag == "method"}
    return AnonymizeConfig.from_parameters({name: claimed[name] for name in claimed if name in wanted})
