"""UnionVeil removes faces from photos: a command line, an Ocean compute job and this API.

from unionveil import AnonymizeConfig, Anonymizer, Redacted

anonymizer = Anonymizer(AnonymizeConfig(detail="crowd"))
outcome = anonymizer(photo_bytes)
if isinstance(outcome, Redacted):
    path.write_bytes(outcome.data)
"""

__version__ = "0.1.0"

from .config import AnonymizeConfig
from .errors import (
    ConfigError,
    ImageError,
    ImageTooLarge,
    InputError,
    ModelError,
    OutputError,
    UnionVeilError,
    UnreadableImage,
    UnsupportedImage,
)
from .faces import Faces, Landmark
from .pipeline import Anonymizer, Outcome, Redacted, Rejected, anonymize

__all__ = [
    "AnonymizeConfig",
    "Anonymizer",
    "ConfigError",
    "Faces",
    "ImageError",
    "ImageTooLarge",
    "InputError",
    "Landmark",
    "ModelError",
    "Outcome",
    "OutputError",
    "Redacted",
    "Rejected",
    "UnionVeilError",
    "UnreadableImage",
    "UnsupportedImage",
    "__version__",
    "anonymize",
]
