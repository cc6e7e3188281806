"""AV1 stills: the sequence header and one frame are kept."""

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from containers import only_item, save
from unionveil.images import av1
from unionveil.images.coded import NotAccounted

PLAIN = only_item(save(samples.RGB, "AVIF", quality=80))
UNITS = [unit for unit in av1._units(PLAIN.data) if unit[0] != 2]


def joined(*units):
    return b"".join(av1._write_unit(*unit) for unit in units)


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (samples.RGB, {}, (8, 420)),
        (samples.RGB, {"subsampling": "4:4:4"}, (8, 444)),
        (samples.RGB, {"subsampling": "4:2:2"}, (8, 422)),
        (samples.RGB.convert("L"), {}, (8, 400)),
    ],
    ids=["420", "444", "422", "400"],
)
def test_variants_are_named_and_their_configuration_is_as_libavif_writes_it(image, options, expected):
    item = only_item(save(image, "AVIF", **options))
    coded = av1.account(item.data)
    assert (coded.depth, coded.chroma) == expected
    assert coded.size_wh == image.size
    assert coded.configuration == item.body(b"av1C")
    assert av1.account(coded.data) == coded


@pytest.mark.parametrize("depth", [10, 12])
def test_more_bits_are_named(depth):
    pixels = samples.scene().astype(np.uint16)
    item = only_item(cv2.imencode(".avif", pixels, [cv2.IMWRITE_AVIF_DEPTH, depth])[1].tobytes())
    coded = av1.account(item.data)
    assert coded.depth == depth
    assert coded.configuration == item.body(b"av1C")


def test_tiles_are_seen():
    image = Image.fromarray(samples.scene(256, 256))
    for tiles in (0, 1):
        data = save(image, "AVIF", tile_rows=tiles, tile_cols=0, autotiling=False)
        assert av1.account(only_item(data).data).streams is bool(tiles)


def test_zeros_behind_a_frame_are_gone():
    sequence, (kind, frame) = UNITS
    assert av1.account(joined(sequence, (kind, frame + bytes(9)))).data == joined(*UNITS)


@pytest.mark.parametrize(
    "data",
    [
        joined(*UNITS, *UNITS),
        joined(*UNITS, UNITS[1]),
        joined(UNITS[1]),
        joined((1, UNITS[0][1] + b"SECRET"), UNITS[1]),
        joined(*UNITS)[:-3],
        joined(UNITS[0], (8, b"tile list"), UNITS[1]),
        b"\x0e\x00" + joined(*UNITS),
    ],
    ids=["two", "two-frames", "no-sequence", "longer", "cut", "tile-list", "layer"],
)
def test_other_coded_data_are_not_accounted_for(data):
    with pytest.raises(NotAccounted):
        av1.account(data)


def test_colours_are_replaced_in_place():
    coded = av1.recolour(av1.account(PLAIN.data), 9, 16)
    assert coded.cicp == av1.named_colours(coded.data) == (9, 16, 6, True)
    assert len(coded.data) == len(joined(*UNITS))
    assert av1.recolour(coded, 1, 13) == av1.account(PLAIN.data)


def test_lengths_of_units_are_as_short_as_can_be():
    for size in (0, 1, 127, 128, 20000):
        (unit,) = av1._units(av1._write_unit(6, bytes(size)))
        assert unit == (6, bytes(size))
