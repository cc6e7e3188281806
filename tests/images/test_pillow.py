"""Pillow's readers, without its settings, which belong to the whole process."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import samples
from unionveil.errors import UnsupportedImage
from unionveil.images.pillow import opened

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
GREY = Image.fromarray(np.full((60, 50, 3), 128, np.uint8))


@pytest.mark.parametrize("name", FORMATS)
def test_the_limit_of_the_process_is_neither_changed_nor_needed(name, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1600)  # half the picture: `Image.open` would warn of it
    with opened(samples.save(GREY, name), name) as image:
        assert Image.MAX_IMAGE_PIXELS == 1600
        image.load()
        assert image.size == (50, 60)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_format_is_not_opened(name):
    other = samples.save(GREY, "PNG" if name != "PNG" else "GIF")
    with pytest.raises(UnidentifiedImageError), opened(other, name):
        pass


def test_what_pillow_itself_refuses_is_one_sentence(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = samples.save(GREY, "TIFF")
    with (
        pytest.raises(UnsupportedImage, match="does not read a TIFF of this size"),
        opened(data, "TIFF") as image,
    ):
        image.load()
