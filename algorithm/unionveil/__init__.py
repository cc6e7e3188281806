"""UnionVeil removes faces from photos: a command line, an Ocean compute job and this API.

from unionveil import AnonymizeConfig, Anonymizer, Anonymized

anonymizer = Anonymizer(AnonymizeConfig(detail="crowd"))
outcome = anonymizer(photo_bytes)
if isinstance(outcome, Anonymized):
    path.write_bytes(outcome.data)
"""

__version__ = "0.1.0"

from .config import AnonymizeConfig
from .detections import Detections, Landmark
from .errors import (
    ConfigError,
    ImageError,
    ImageTooLarge,
    InputError,
    ModelError,
    OutputDiffers,
    OutputError,
    UnionVeilError,
    UnreadableImage,
    UnsupportedImage,
)
from .outcomes import Anonymized, Outcome, Rejected
from .pipeline import Anonymizer, anonymize

__all__ = [
    "AnonymizeConfig",
    "Anonymized",
    "Anonymizer",
    "ConfigError",
    "Detections",
    "ImageError",
    "ImageTooLarge",
    "InputError",
    "Landmark",
    "ModelError",
    "Outcome",
    "OutputDiffers",
    "OutputError",
    "Rejected",
    "UnionVeilError",
    "UnreadableImage",
    "UnsupportedImage",
    "__version__",
    "anonymize",
]
