"""File types by their first bytes, and the messages about those that are not pictures."""

import io
import struct
import tarfile

import pytest

import samples
from checked import present
from unionveil import ImageTooLarge, UnreadableImage, UnsupportedImage
from unionveil.formats import Kind, VideoFormat, file_type, sniff, video_format


def tiff(*entries, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(order + "HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return mark + struct.pack(order + "IH", 8, len(entries)) + body + bytes(4)


def ftyp(*brands):
    return struct.pack(">I", 8 + 4 * len(brands) + 4) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])


def transport_stream(offset):
    return b"".join(bytes(offset) + b"\x47" + bytes(187) for _ in range(4))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(20), r"camera raw files \(Canon CR2\) are not handled; export"),
        (ftyp(b"crx ", b"isom"), "Canon CR3"),
        (tiff((254, 4, 1), (271, 2, 200), (330, 4, 300)), "camera raw files .NEF, ARW"),
        (tiff((254, 4, 1), (271, 2, 200), (330, 4, 300), order=">"), "camera raw files .NEF, ARW"),
        (tiff((50706, 1, 0x0401)), "camera raw files .DNG"),
        (tiff((262, 4, 32803)), "camera raw"),
        (tiff((259, 4, 34713)), "camera raw"),
        (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAF"),
        (b"IIRO\x08\0\0\0", "Olympus ORF"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI videos are not handled; convert the video to MP4"),
        (transport_stream(0), "MPEG transport stream videos are not handled"),
        (transport_stream(4), "AVCHD videos are not handled"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "Windows Media"),
        (ftyp(b"isom", b"mp42"), "videos .MP4. are handled by `unionveil anonymize` alone"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "videos .WebM."),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "videos .Matroska."),
        (ftyp(b"qt  "), "QuickTime"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "QuickTime"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip archives are not opened; unpack it and name the folder"),
        (b"Rar!\x1a\x07\1\0", "RAR archives"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL files are not handled; export the picture as JPEG, PNG or TIFF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7\n", "PDF documents are not handled"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"/annex/objects/SHA256E-s1--0.jpg\n", "git-annex pointer"),
        (b"\n<!DOCTYPE html>\n<html><body>404", "web page, not a picture; download"),
        (b"<html>", "web page"),
        (b"<?xml version='1.0'?><svg xmlns='x'>", "SVG"),
    ],
)
def test_files_are_named_by_their_type(data, sentence):
    with pytest.raises(UnsupportedImage, match=sentence):
        sniff(data)


@pytest.mark.parametrize(
    "data", [b"The wide river and more\n", "Grüße aus Köln".encode(), b"BMW and other cars, a list"]
)
def test_texts_are_called_texts(data):
    with pytest.raises(UnreadableImage, match="the file is a text, not a picture"):
        sniff(data)


def test_pictures_are_pictures():
    for name, data in samples.all_samples().items():
        assert sniff(data[:512]) is sniff(data)
        assert sniff(data).name.lower()[:3] == name.partition("-")[0].replace("apng", "png")[:3]


def test_a_tar_is_recognized_whatever_its_first_member_is_called():
    for name in ("GIF89a.gif", "BM.bmp", "free.jpg"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        assert present(file_type(out.getvalue()[:512])).kind is Kind.PACKED


@pytest.mark.parametrize(
    ("pixels", "limit", "sentence"),
    [
        (300_000_000, 200_000_000, "has 300 megapixels, the limit is 200 megapixels"),
        (100, 10, "has 100 pixels, the limit is 10;"),
        (200_000_001, 200_000_000, "has 200000001 pixels, the limit is 200000000"),
        (10**12, 10**8, "has 1000000 megapixels, the limit is 100 megapixels"),
    ],
)
def test_sizes_are_never_rounded_to_the_limit(pixels, limit, sentence):
    assert sentence in str(ImageTooLarge(pixels, limit))


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (ftyp(b"isom", b"mp42"), VideoFormat.MP4),
        (ftyp(b"qt  "), VideoFormat.MOV),
        (b"\0\0\0\x08wide\0\0\0\0mdat", VideoFormat.MOV),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", VideoFormat.WEBM),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", VideoFormat.MKV),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"", None),
    ],
)
def test_containers_of_videos_are_known_by_their_first_bytes(data, form):
    assert video_format(data) is form
