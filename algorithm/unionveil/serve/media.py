"""Media types of pictures."""

from __future__ import annotations

from ..formats import ImageFormat

__all__ = ["MEDIA_TYPES"]

MEDIA_TYPES = {
    ImageFormat.JPEG: "image/jpeg",
    ImageFormat.PNG: "image/png",
    ImageFormat.WEBP: "image/webp",
    ImageFormat.TIFF: "image/tiff",
    ImageFormat.BMP: "image/bmp",
    ImageFormat.GIF: "image/gif",
    ImageFormat.HEIC: "image/heic",
    ImageFormat.AVIF: "image/avif",
}
"""As registered with IANA."""
