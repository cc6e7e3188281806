"""One training image: views of photos, pasted objects, and photometric changes."""

from __future__ import annotations

from .distractors import add_distractors
from .labels import Labels
from .mixing import copy_paste, mixup
from .occlusion import occlude
from .photometric import photometric
from .photos import Image
from .views import Rng, Sampler, mosaic, random_view, rotate

__all__ = ["scene"]

_MOSAIC, _COPY_PASTE, _OCCLUSION, _DISTRACTORS, _ROTATION, _MIXUP = 0.45, 0.2, 0.5, 0.4, 0.2, 0.25
"""Share of images with each augmentation at full strength."""

_OCCLUDED_FACES = 0.25
_ROTATION_DEGREES = 18.0
"""Standard deviation of the rotation."""


def scene(sampler: Sampler, size_px: int, rng: Rng, augment_strength: float) -> tuple[Image, Labels]:
    """Makes one training image `(size_px, size_px, 3)` and its labels.

    Args:
        sampler: draws the photos.
        size_px: side of the image.
        rng: draws everything.
        augment_strength: factor in [0, 1] on the share of every augmentation but the photometric ones.
    """
    if rng.random() < _MOSAIC * augment_strength:
        image, labels = mosaic(sampler, size_px, rng)
    else:
        image, labels = random_view(sampler, (size_px, size_px), rng, crowd=1.2)
    if rng.random() < _COPY_PASTE * augment_strength:
        image, labels = copy_paste(image, labels, sampler, rng, int(rng.integers(1, 7)))
    if rng.random() < _OCCLUSION * augment_strength:
        image = occlude(image, labels, rng, chance=_OCCLUDED_FACES)
    if rng.random() < _DISTRACTORS * augment_strength:
        image = add_distractors(image, labels, sampler, rng, int(rng.integers(1, 9)))
    if rng.random() < _ROTATION * augment_strength:
        image, labels = rotate(image, labels, float(rng.normal(0, _ROTATION_DEGREES)))
    if rng.random() < _MIXUP * augment_strength:
        image, labels = mixup(image, labels, sampler, rng)
    return photometric(image, rng), labels
