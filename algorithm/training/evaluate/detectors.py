"""The detectors to compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unionveil.detect import Detector
from unionveil.detect.centerface import CenterFace
from unionveil.detect.detector import Network
from unionveil.detect.retinaface import RetinaFace
from unionveil.detect.support import Supported
from unionveil.detect.yunet import YuNet
from unionveil.models.cards import CARDS, DetectorCard
from unionveil.models.inference import Inference
from unionveil.models.session import Opener, open_session
from unionveil.models.store import sha256_of

from ..data.files import DataError

__all__ = ["Candidate", "candidates", "own_weights"]

_THREE_LEVELS = {"strides": (8, 16, 32), "priors_px": ((16, 32), (64, 128), (256, 512))}
"""Priors of the project's first weights."""


@dataclass(frozen=True)
class Candidate:
    """A detector to compare.

    Attributes:
        name: its name in the tables.
        card: its weights.
        network: loads its network.
    """

    name: str
    card: DetectorCard
    network: Callable[[DetectorCard, Opener], Network]

    def load(self, threads: int, inference: Inference) -> Detector:
        """Loads it, its candidates ranked as the product ranks them."""
        return Supported(self.network(self.card, partial(open_session, threads=threads, inference=inference)))


def candidates(weights: Path, models: Path, baseline: Path | None, only: list[str] | None) -> list[Candidate]:
    """Our own weights, then the published detectors.

    Args:
        weights: folder of the weights to evaluate, with their card.
        models: folder of the published models; those that are missing are reported and left out.
        baseline: the project's first weights; None leaves them out.
        only: names of the detectors to keep; None keeps all.

    Raises:
        DataError: weights are missing, or `only` has an unknown name.
    """
    known = list(_all(weights, models, baseline))
    unknown = set(only or []) - {candidate.name for candidate in known}
    if unknown:
        names = ", ".join(candidate.name for candidate in known)
        raise DataError(f"--only: no detector {', '.join(sorted(unknown))} here; available are {names}")
    return [candidate for candidate in known if not only or candidate.name in only]


def own_weights(weights: Path) -> Candidate:
    """The project's own weights.

    Args:
        weights: their folder, with their card.

    Raises:
        DataError: the card is missing or invalid.
    """
    return Candidate("these weights", _own_card(weights), RetinaFace)


def _all(weights: Path, models: Path, baseline: Path | None) -> Iterator[Candidate]:
    ours = own_weights(weights)
    own = ours.card
    yield ours
    if baseline:
        if not baseline.is_file():
            raise DataError(f"--baseline: {baseline} is missing")
        update = {"file": str(baseline.resolve()), "sha256": sha256_of(baseline), "threshold": 0.5}
        yield Candidate("first weights", own.model_copy(update=update | _THREE_LEVELS), RetinaFace)
    published = models / "retinaface_mnet025_dynamic.onnx"
    if _present(published):
        update = {"file": str(published.resolve()), "sha256": sha256_of(published)}
        free = {"input_wh": None, "outputs": ("loc", "conf", "landms")}
        card = CARDS["retinaface-mnet025"].model_copy(update=update | free)
        yield Candidate("RetinaFace-MNet0.25", card, RetinaFace)
    yunet = models / CARDS["yunet"].file
    if _present(yunet):
        card = CARDS["yunet"].model_copy(update={"file": str(yunet.resolve())})
        yield Candidate("YuNet", card, YuNet)
    yield Candidate("CenterFace", CARDS["centerface"], CenterFace)


def _present(path: Path) -> bool:
    if path.is_file():
        return True
    print(f"{path} is missing: this detector is left out", flush=True)
    return False


def _own_card(weights: Path) -> DetectorCard:
    """The card of exported weights, as the detector reads it."""
    path = weights / "retinaface.json"
    try:
        exported = json.loads(path.read_text("utf-8"))
        return CARDS["retinaface"].model_copy(
            update={
                "file": str((weights / exported["file"]).resolve()),
                "sha256": exported["sha256"],
                "threshold": exported["threshold"],
                "strides": tuple(exported["strides"]),
                "priors_px": tuple(tuple(sides) for sides in exported["priors_px"]),
            }
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"--weights: {path} cannot be read ({error!r}): name a folder of exported weights"
        ) from error
