import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from checked import present
from profiles import (
    CURVE_TAGS,
    MARKER,
    MATRIX_TAGS,
    SRGB_CURVE,
    cube,
    gamma,
    lut8,
    lut16,
    matrix_profile,
    modern,
    parametric,
    profile,
    sampled,
    texts,
    xyz,
)
from unionveil.images.icc import clean_profile, models, profile_cicp

LAB = b"Lab "
CHAD = b"sf32\0\0\0\0" + struct.pack(">9i", *(round(v * 65536) for v in (1.05, 0, 0, 0, 1, 0, 0, 0, 0.8)))
S_SHAPED = [round(65535 * (1 - np.cos(np.pi * i / 255)) / 2) for i in range(256)]

RGB = {
    "parametric": matrix_profile(),
    "gamma": matrix_profile(curve=gamma(1.8), major=2),
    "sampled": matrix_profile(curve=sampled(S_SHAPED)),
    "identity": matrix_profile(curve=sampled([])),
    **{
        f"parametric-{kind}": matrix_profile(curve=parametric(kind, *values))
        for kind, values in enumerate(
            [
                (2.0,),
                (2.0, 0.9, 0.1),
                (2.0, 0.9, 0.1, 0.05),
                (2.4, 0.948, 0.052, 0.077, 0.04),
                (2.4, 0.948, 0.052, 0.077, 0.04, 0.01, 0.01),
            ]
        )
    },
    "adapted": matrix_profile(more={b"chad": CHAD, b"bkpt": xyz(0.01, 0.01, 0.01)}),
    "lut8": profile(texts() | {b"A2B0": lut8(3, 3, cube(3, 5, 255), 5)}, connection=LAB, major=2),
    "lut16": profile(texts() | {b"A2B0": lut16(3, 3, cube(3, 5, 65535), 5)}, connection=LAB, kind=b"scnr"),
    "mAB": profile(
        texts()
        | {
            b"A2B0": modern(b"mAB ", 3, 3, cube(3, 5, 65535), 5, MARKER),
            b"B2A0": modern(b"mBA ", 3, 3, cube(3, 5, 65535), 5, MARKER),
        },
        connection=LAB,
    ),
}
INKS = {
    "lut8": profile(
        texts()
        | {
            b"A2B0": lut8(4, 3, cube(3, 3, 255, 4), 3),
            b"B2A0": lut8(3, 4, cube(4, 3, 255), 3),
            b"gamt": lut8(3, 1, cube(1, 3, 255), 3),
        },
        connection=LAB,
        space=b"CMYK",
        kind=b"prtr",
        major=2,
    ),
    "mAB": profile(
        texts() | {b"A2B0": modern(b"mAB ", 4, 3, cube(3, 3, 65535, 4), 3)},
        connection=LAB,
        space=b"CMYK",
        kind=b"prtr",
    ),
}
GREY = {"gamma": profile(texts() | {b"kTRC": gamma(1.4), b"wtpt": xyz(0.9642, 1, 0.8249)}, space=b"GRAY")}
ALL = [(3, data) for data in RGB.values()] + [(4, data) for data in INKS.values()] + [(1, GREY["gamma"])]
IDS = [f"{space}-{name}" for space, group in (("rgb", RGB), ("cmyk", INKS), ("grey", GREY)) for name in group]
MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def shown(data, channels, intent):
    """Random samples converted by lcms through a profile, `(64, 64, 3)`."""
    samples = np.random.default_rng(0).integers(0, 256, (64, 64, channels), dtype=np.uint8)
    mode = MODES[channels]
    image = Image.fromarray(samples[..., 0] if channels == 1 else samples, mode)
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
    return np.asarray(ImageCms.applyTransform(image, transform))


def tag_names(data):
    (count,) = struct.unpack_from(">I", data, 128)
    return [data[132 + 12 * index :][:4] for index in range(count)]


def cleaned_profile(data: bytes, channels: int) -> bytes:
    """A profile that is not dropped, cleaned."""
    return present(clean_profile(data, channels))


@pytest.mark.parametrize(("channels", "data"), ALL, ids=IDS)
def test_another_reader_shows_the_same_colours(channels, data):
    cleaned = cleaned_profile(data, channels)
    for intent in range(4):
        assert np.array_equal(shown(cleaned, channels, intent), shown(data, channels, intent))


@pytest.mark.parametrize(("channels", "data"), ALL, ids=IDS)
def test_nothing_else_of_the_profile_is_left(channels, data):
    assert MARKER in data
    cleaned = cleaned_profile(data, channels)
    assert MARKER not in cleaned
    assert MARKER[:4] not in cleaned  # header fields of four bytes
    assert MARKER.decode().encode("utf-16-be") not in cleaned
    assert cleaned[24:36] == bytes(12)  # the date
    assert cleaned[84:100] == bytes(16)  # the ID
    assert b"vcgt" not in tag_names(cleaned)
    assert clean_profile(cleaned, channels) == cleaned


def test_pillows_own_profile_keeps_its_colours():
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(shown(clean_profile(data, 3), 3, 0), shown(data, 3, 0))


@pytest.mark.parametrize("place", ["gap", "tail"])
def test_bytes_between_and_behind_the_tags_vanish(place):
    data = matrix_profile(gap=MARKER * 3) if place == "gap" else matrix_profile(tail=MARKER * 3)
    assert MARKER not in cleaned_profile(data, 3)
    assert clean_profile(data, 3) == clean_profile(matrix_profile(), 3)


def test_a_tail_that_the_header_leaves_out_vanishes():
    assert clean_profile(matrix_profile() + MARKER, 3) == clean_profile(matrix_profile(), 3)


def test_long_tags_are_cut_to_their_values():
    long = {name: xyz(0.3, 0.3, 0.3) + MARKER for name in MATRIX_TAGS}
    long |= dict.fromkeys(CURVE_TAGS, SRGB_CURVE + MARKER) | {b"chad": CHAD + MARKER}
    cleaned = cleaned_profile(matrix_profile(more=long), 3)
    assert MARKER not in cleaned


def test_equal_tags_are_stored_once():
    cleaned = cleaned_profile(matrix_profile(curve=sampled(S_SHAPED)), 3)
    assert len(cleaned) < 2 * 512 + 512


def test_a_cicp_tag_is_kept():
    cleaned = cleaned_profile(matrix_profile(more={b"cicp": b"cicp\0\0\0\0\x09\x10\0\1" + MARKER}), 3)
    assert profile_cicp(cleaned) == (9, 16, 0, True)
    assert profile_cicp(cleaned_profile(matrix_profile(), 3)) is None


@pytest.mark.parametrize(
    ("channels", "data"),
    [
        (3, b""),
        (3, b"\xff\xd8\xff\xe0" + bytes(500)),
        (3, matrix_profile()[:200]),
        (1, matrix_profile()),
        (4, matrix_profile()),
        (3, GREY["gamma"]),
        (3, matrix_profile(kind=b"link")),
        (3, matrix_profile(major=5)),
        (3, matrix_profile(connection=b"Lab ")),
        (3, profile(texts())),
        (3, matrix_profile(more={b"gTRC": b"text\0\0\0\0" + MARKER})),
        (3, matrix_profile(more={b"gXYZ": b"XYZ \0\0\0\0"})),
        (3, matrix_profile(curve=b"curv\0\0\0\0" + struct.pack(">I", 4000))),
        (3, matrix_profile(more={b"A2B0": lut16(3, 3, cube(3, 5, 65535), 9)})),
        (3, matrix_profile(more={b"A2B0": lut8(4, 3, cube(3, 3, 255, 4), 3)})),
        (4, profile(texts() | {b"kTRC": gamma(2)}, space=b"CMYK", connection=LAB)),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)}-bytes",
)
def test_invalid_tags_are_dropped(channels, data):
    assert clean_profile(data, channels) is None


def test_a_duplicate_tag_makes_the_profile_invalid():
    data = bytearray(matrix_profile())
    first = 132
    data[first + 12 : first + 16] = data[first : first + 4]
    assert clean_profile(bytes(data), 3) is None


def test_only_a_broken_inverse_is_dropped():
    data = matrix_profile(more={b"B2A0": b"mft1 and no more", b"gamt": MARKER})
    cleaned = cleaned_profile(data, 3)
    assert not {b"B2A0", b"gamt"} & set(tag_names(cleaned))
    assert np.array_equal(shown(cleaned, 3, 1), shown(matrix_profile(), 3, 1))


def test_every_way_to_show_samples_is_listed():
    table = lut16(3, 3, cube(3, 5, 65535), 5)
    data = cleaned_profile(matrix_profile(more={b"A2B0": table, b"A2B2": table}), 3)
    found = models(data, 3)
    assert [(model.intent, model.tables) for model in found] == [(0, True), (2, True), (0, False)]
    assert found[0].profile == data
    assert found[2].profile == clean_profile(matrix_profile(), 3)
    assert [(model.intent, model.tables) for model in models(cleaned_profile(INKS["mAB"], 4), 4)] == [
        (0, True)
    ]


@given(st.sampled_from(ALL), st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6))))
def test_damage_never_raises_and_the_result_is_stable(chosen, changes):
    channels, data = chosen
    damaged = bytearray(data)
    for place, content in changes:
        start = place % len(damaged)
        damaged[start : start + len(content)] = content
    cleaned = clean_profile(bytes(damaged), channels)
    assert cleaned is None or clean_profile(cleaned, channels) == cleaned


SPELLED = b"SECRETNAME12"


@pytest.mark.parametrize(
    "data",
    [
        matrix_profile(more={b"chad": CHAD[:8] + SPELLED + CHAD[20:]}),
        matrix_profile(curve=parametric(0, 2.0)[:-4] + SPELLED[:4]),
        matrix_profile(curve=sampled(list(np.frombuffer(SPELLED, ">u2")) + S_SHAPED)),
    ],
    ids=["matrix", "parameter", "curve"],
)
def test_numbers_that_spell_a_text_are_not_kept(data):
    """A matrix, a parameter and a curve have room for any bytes, but real devices spell no text."""
    assert SPELLED[:4] in data
    assert SPELLED[:4] not in (clean_profile(data, 3) or b"")
