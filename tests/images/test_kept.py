"""Metadata that a user asked to keep: parsed, written anew, and nothing else beside it."""

import io

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import samples
from unionveil.formats import ImageFormat, sniff
from unionveil.given import find_nothing
from unionveil.images import decode
from unionveil.images.exif import Metadata, Position, parse_exif, write_exif
from unionveil.images.kept import is_our_own, read_metadata, with_metadata
from unionveil.outcomes import Anonymized
from unionveil.outputs import METADATA, OutputOptions
from unionveil.pipeline import Anonymizer
from unionveil.select import every_face

KNOWN = Metadata("2024:01:02 03:04:05", "+02:00", Position(-337654321, 1512345678, -1234), "© Jane; 2024")
SAMPLES = samples.all_samples()
MARKABLE = [name for name in SAMPLES if not name.startswith(("gif", "bmp", "avif-animated"))]


def anonymized(data: bytes, options: OutputOptions) -> Anonymized:
    line = Anonymizer(find_nothing, every_face, lambda *_: (), max_pixels=1e9, options=options)
    outcome = line(data)
    assert isinstance(outcome, Anonymized), outcome
    return outcome


def marked(name: str) -> tuple[bytes, ImageFormat]:
    """An output of ours that holds the known values."""
    out = anonymized(SAMPLES[name], OutputOptions())
    data = with_metadata(out.data, out.format, KNOWN)
    assert data is not None
    return data, out.format


@pytest.mark.parametrize("name", MARKABLE)
def test_written_metadata_is_read_back_and_nothing_else_is_there(name):
    data, form = marked(name)
    assert read_metadata(data, form) == KNOWN
    assert is_our_own(data, form)
    picture = decode(data, 1e9)
    clean = picture.write([()] * len(picture.frames)).data
    assert with_metadata(clean, form, KNOWN) == data
    assert samples.SECRET not in data


@pytest.mark.parametrize(
    "name", ["jpeg-420", "png-rgb", "webp", "webp-lossless", "tiff-pages", "heic", "avif"]
)
def test_other_readers_find_it(name):
    data, form = marked(name)
    if form is ImageFormat.HEIC:
        exif = Image.Exif()
        exif.load(pillow_heif.open_heif(io.BytesIO(data)).info["exif"])
    else:
        image = Image.open(io.BytesIO(data))
        image.load()
        exif = image.getexif()
    assert exif[0x8298].encode("latin-1").decode() == KNOWN.copyright
    assert exif.get_ifd(0x8769)[0x9003] == KNOWN.taken
    gps = exif.get_ifd(0x8825)
    degrees = [float(part) for part in gps[2]]
    assert gps[1] == "S"
    assert degrees[0] + degrees[1] / 60 + degrees[2] / 3600 == pytest.approx(33.7654321, abs=1e-8)


@pytest.mark.parametrize("name", MARKABLE)
def test_an_output_keeps_the_allowed_metadata(name):
    data, form = marked(name)
    assert anonymized(data, OutputOptions()).metadata == ()
    assert read_metadata(anonymized(data, OutputOptions()).data, form) == Metadata()
    for kept in METADATA:
        out = anonymized(data, OutputOptions(keep=(kept,)))
        assert out.metadata == (kept,)
        assert read_metadata(out.data, form) == KNOWN.allowed(OutputOptions(keep=(kept,)))


@pytest.mark.parametrize("name", ["gif", "bmp-rgb"])
def test_formats_without_exif_keep_nothing_and_record_it(name):
    assert with_metadata(SAMPLES[name], sniff(SAMPLES[name]), KNOWN) is None
    assert anonymized(SAMPLES[name], OutputOptions(keep=METADATA)).metadata == ()


def test_a_position_is_rounded_and_loses_its_altitude():
    position = Position(-337654321, 1512345678, 900)
    assert position.rounded(2) == Position(-337700000, 1512300000)
    assert position.rounded(0) == Position(-340000000, 1510000000)
    assert position.rounded(7) == Position(-337654321, 1512345678)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_parser_and_its_values_survive_a_round_trip(tail):
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        metadata = parse_exif(head + tail)
        assert parse_exif(write_exif(metadata)) == metadata


@given(
    st.integers(-(9 * 10**8), 9 * 10**8), st.integers(-(18 * 10**8), 18 * 10**8), st.integers(-1000, 900_000)
)
def test_every_position_survives_a_round_trip(latitude, longitude, altitude_cm):
    metadata = Metadata(position=Position(latitude, longitude, altitude_cm))
    assert parse_exif(write_exif(metadata)) == metadata


@pytest.mark.parametrize(
    ("tag", "value"),
    [(0x9003, "2024:13:01 00:00:00"), (0x9003, "yesterday"), (0x9003, "    :  :     :  :  ")],
)
def test_a_broken_date_is_not_kept(tag, value):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[tag] = value
    assert parse_exif(exif.tobytes()) == Metadata()


def test_more_than_the_values_is_not_our_own():
    data, form = marked("jpeg-420")
    other = data.replace(b"0232", b"0231")
    assert other != data
    assert not is_our_own(other, form)
    xmp = b"\xff\xe1" + (2 + 29 + 4).to_bytes(2, "big") + b"http://ns.adobe.com/xap/1.0/\x00<x/>"
    assert not is_our_own(data[:2] + xmp + data[2:], form)
