"""Every error that UnionVeil raises on purpose.

    UnionVeilError
    ├── ConfigError              a setting is wrong                        (say which, and what is allowed)
    ├── ModelError               weights are missing, altered or unusable
    ├── ImageError               one picture cannot be anonymized          (becomes `Rejected`)
    │   ├── UnreadableImage      the bytes are not a whole picture
    │   ├── UnsupportedImage     a format or a variant that is not handled
    │   ├── ImageTooLarge        more pixels than the limit
    │   └── OutputDiffers        the encoded output is not the redacted picture
    ├── InputError               a folder, file or archive cannot be read
    └── OutputError              an output cannot be written               (stops the job)

They carry their facts as attributes, survive pickling (workers send them across processes) and read as
one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "ImageError",
    "ImageTooLarge",
    "InputError",
    "ModelError",
    "OutputDiffers",
    "OutputError",
    "UnionVeilError",
    "UnreadableImage",
    "UnsupportedImage",
]


class UnionVeilError(Exception):
    """Root of the tree; its text is one clear sentence for a person."""


class ConfigError(UnionVeilError):
    """A setting is unknown or has a value that is not allowed."""


class ModelError(UnionVeilError):
    """A detector's weights are missing, altered or cannot be run."""


class ImageError(UnionVeilError):
    """One picture cannot be anonymized; `reason` is the word that the manifest records."""

    reason = "error"


class UnreadableImage(ImageError):
    """The bytes are no picture, or a picture that is damaged or cut off."""

    reason = "unreadable"


class UnsupportedImage(ImageError):
    """A format, or a variant of one, that cannot be anonymized without loss of safety."""

    reason = "unsupported"


class ImageTooLarge(ImageError):
    """More pixels than the limit.

    Attributes:
        pixels: pixels of all frames together, as the header claims them.
        limit: pixels allowed.
    """

    reason = "too-large"

    def __init__(self, pixels: int, limit: int) -> None:
        super().__init__(pixels, limit)
        self.pixels = pixels
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"the picture has {self.pixels / 1e6:.0f} megapixels, the limit is {self.limit / 1e6:.0f}; "
            "raise it with max_megapixels if you trust the file"
        )


class OutputDiffers(ImageError):
    """What was encoded does not decode to the redacted picture, so it must not be written."""

    reason = "output-differs"


class InputError(UnionVeilError):
    """A folder, file or archive that was named cannot be read."""


class OutputError(UnionVeilError):
    """An output cannot be written; the job stops, and nothing half-written stays behind."""
