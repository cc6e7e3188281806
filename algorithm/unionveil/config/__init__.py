"""All settings, defined once."""

from .anonymize import (
    COVERS,
    H264_MOST_CRF,
    VIDEO_SETTINGS,
    AnonymizeConfig,
    AudioHandling,
    VideoCodec,
    check_one_by_one,
    parameters,
)
from .redactions import EMOJI, Average, Bilateral, Fill, Gaussian, KSame, Median, Overlay, Pixelate, Redaction
from .selections import EveryFace, Keep, Only, Selection, cosine_of, distance_of

__all__ = [
    "COVERS",
    "EMOJI",
    "H264_MOST_CRF",
    "VIDEO_SETTINGS",
    "AnonymizeConfig",
    "AudioHandling",
    "Average",
    "Bilateral",
    "EveryFace",
    "Fill",
    "Gaussian",
    "KSame",
    "Keep",
    "Median",
    "Only",
    "Overlay",
    "Pixelate",
    "Redaction",
    "Selection",
    "VideoCodec",
    "check_one_by_one",
    "cosine_of",
    "distance_of",
    "parameters",
]
