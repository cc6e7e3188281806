"""Bodies for Schemathesis: small pictures, intact and broken."""

import schemathesis
from hypothesis import strategies as st

import samples

_PICTURES = {
    "image/jpeg": samples.save(samples.RGB, "JPEG"),
    "image/png": samples.png(samples.RGB),
    "image/webp": samples.save(samples.RGB, "WEBP"),
    "image/tiff": samples.tiff(samples.RGB),
    "image/bmp": samples.save(samples.RGB, "BMP"),
    "image/gif": samples.save(samples.RGB, "GIF"),
    "image/heic": samples.heic(samples.RGB),
    "image/avif": samples.save(samples.RGB, "AVIF"),
}

for media_type, data in _PICTURES.items():
    schemathesis.openapi.media_type(media_type, st.sampled_from([data, data[: len(data) // 2], b""]))
