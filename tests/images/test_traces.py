"""Metadata that identifies people, in every format and every place that writers use."""

import io
import struct
from contextlib import suppress

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import samples
from unionveil.formats import ImageFormat, sniff
from unionveil.given import find_nothing
from unionveil.images.blocks import metadata_blocks
from unionveil.images.traces import TRACES, traces_in
from unionveil.outcomes import Anonymized
from unionveil.pipeline import Anonymizer
from unionveil.select import every_face

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="52,31N" aux:SerialNumber="7">'
    b"<dc:creator><rdf:Seq><rdf:li>Jane</rdf:li></rdf:Seq></dc:creator></rdf:Description></x:xmpmeta>"
)


SAMPLES = samples.all_samples()
HEADS = {sniff(data): data[:200] for data in SAMPLES.values()}


def traces(data: bytes) -> tuple[str, ...]:
    return traces_in(metadata_blocks(data, sniff(data)))


def exif(**tags: str) -> Image.Exif:
    data = Image.Exif()
    data[0x010F] = "Maker"  # Pillow takes EXIF without a tag here for empty
    if "artist" in tags:
        data[0x013B] = tags["artist"]
    for name, tag in {"owner": 0xA430, "serial": 0xA431, "lens": 0xA435}.items():
        if name in tags:
            data.get_ifd(0x8769)[tag] = tags[name]
    if "gps" in tags:
        data.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)})
    return data


def saved(form: str, data: Image.Exif, **options: object) -> bytes:
    if form == "HEIF":
        out = io.BytesIO()
        pillow_heif.from_pillow(samples.RGB).save(out, exif=data.tobytes(), **options)
        return out.getvalue()
    return samples.save(samples.RGB, form, exif=data, **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_exif_is_read_in_every_format(form):
    assert traces(saved(form, exif())) == ()
    assert traces(saved(form, exif(gps="yes"))) == ("gps",)
    assert traces(saved(form, exif(serial="A1"))) == ("serial",)
    assert traces(saved(form, exif(lens="A1", owner="Jane"))) == ("serial", "owner")
    assert traces(saved(form, exif(artist="Jane", gps="yes"))) == ("gps", "owner")
    assert traces(saved(form, exif(artist="   "))) == ()


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "HEIF", "AVIF"])
def test_xmp_is_read_in_every_format(form):
    assert traces(saved(form, exif(), xmp=XMP)) == TRACES


def test_xmp_and_texts_of_a_png():
    for name, text in (("XML:com.adobe.xmp", XMP.decode()), ("author", "Jane")):
        info = PngInfo()
        info.add_itxt(name, text, zip=True)
        assert traces(samples.save(samples.RGB, "PNG", pnginfo=info)) == (
            TRACES if text[0] == "<" else ("owner",)
        )
    packed = exif(gps="yes", serial="7").tobytes().hex()
    info = PngInfo()
    info.add_text(
        "Raw profile type exif", f"\nexif\n  {len(packed) // 2}\n{packed[:72]}\n{packed[72:]}\n", zip=True
    )
    assert traces(samples.save(samples.RGB, "PNG", pnginfo=info)) == ("gps", "serial")


def test_iptc_of_a_jpeg_and_a_tiff():
    by_line = b"\x1c\x02\x50\x00\x04Jane"
    resource = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(by_line)) + by_line
    body = b"Photoshop 3.0\x00" + resource
    data = samples.save(samples.RGB, "JPEG")
    segment = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
    assert traces(data[:2] + segment + data[2:]) == ("owner",)
    assert traces(samples.save(samples.RGB, "TIFF", tiffinfo={33723: by_line})) == ("owner",)
    assert traces(samples.save(samples.RGB, "TIFF", tiffinfo={315: "Jane"})) == ("owner",)
    assert traces(samples.save(samples.RGB, "TIFF", tiffinfo={700: XMP})) == TRACES


def test_notes_of_a_maker_count_as_a_serial_number():
    data = Image.Exif()
    data.get_ifd(0x8769)[0x927C] = b"Canon 0123"
    assert traces(samples.save(samples.RGB, "JPEG", exif=data)) == ("serial",)


def test_a_second_block_is_read_too():
    data = saved("JPEG", exif())
    other = exif(gps="yes").tobytes()
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(other)) + other
    assert traces(data[:2] + segment + data[2:]) == ("gps",)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_our_outputs_have_no_traces(name):
    line = Anonymizer(find_nothing, every_face, lambda *_: (), max_pixels=1e9)
    out = line(SAMPLES[name])
    assert isinstance(out, Anonymized)
    assert traces(out.data) == ()


def test_a_broken_block_does_not_count_as_empty():
    data = samples.insert_chunk(samples.save(samples.RGB, "PNG"), b"eXIf", b"II*\0\xff\0\0\0")
    with pytest.raises(ValueError, match="EXIF is broken"):
        traces(data)


@given(st.sampled_from(list(ImageFormat)), st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_search(form, data):
    for whole in (data, HEADS[form] + data):
        with suppress(ValueError):
            traces_in(metadata_blocks(whole, form))
