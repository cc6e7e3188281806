"""UnionVeil removes faces from photos and videos: a command line, an Ocean compute job and this API.

from unionveil import AnonymizeConfig, Anonymized, load

anonymizer = load(AnonymizeConfig(detail="crowd"))
outcome = anonymizer("photo.jpg")
if isinstance(outcome, Anonymized):
    path.write_bytes(outcome.data)
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import AnonymizeConfig
    from .detections import Detections, Landmark
    from .errors import (
        ConfigError,
        ImageError,
        ImageTooLarge,
        InputError,
        ModelAltered,
        ModelError,
        ModelMissing,
        OutputDiffers,
        OutputError,
        TooFewPeople,
        UnionVeilError,
        UnreadableImage,
        UnsupportedImage,
        WorkerError,
    )
    from .identity.references import References
    from .outcomes import Anonymized, Outcome, Rejected
    from .pipeline import Anonymizer, Inspection, anonymize, load
    from .runs.ksame import anonymize_set
    from .runs.references import load_references

__version__ = (Path(__file__).parent / "VERSION").read_text().strip()

__all__ = [
    "AnonymizeConfig",
    "Anonymized",
    "Anonymizer",
    "ConfigError",
    "Detections",
    "ImageError",
    "ImageTooLarge",
    "InputError",
    "Inspection",
    "Landmark",
    "ModelAltered",
    "ModelError",
    "ModelMissing",
    "Outcome",
    "OutputDiffers",
    "OutputError",
    "References",
    "Rejected",
    "TooFewPeople",
    "UnionVeilError",
    "UnreadableImage",
    "UnsupportedImage",
    "WorkerError",
    "__version__",
    "anonymize",
    "anonymize_set",
    "load",
    "load_references",
]

_HOMES = {
    "config": ("AnonymizeConfig",),
    "detections": ("Detections", "Landmark"),
    "outcomes": ("Anonymized", "Outcome", "Rejected"),
    "runs.ksame": ("anonymize_set",),
    "identity.references": ("References",),
    "runs.references": ("load_references",),
    "pipeline": ("Anonymizer", "Inspection", "anonymize", "load"),
}
"""Modules of the public names; any other name is an error."""


def __getattr__(name: str) -> object:
    """Imports a public name on first use: settings and help need no model."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "errors")
    return getattr(importlib.import_module(f".{home}", __name__), name)
