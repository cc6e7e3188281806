"""Archives from untrusted machines: every trick is refused, and leaves nothing behind."""

from __future__ import annotations

import gzip
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from job_archives import archive, folder, good_members, special, tar_of, zip_of
from unionveil.errors import OutputError, ResultsError
from unionveil.files.unpack import Limits, unpack
from unionveil.verify import verify


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_archive_of_a_node(tmp_path, mode):
    path = archive(tmp_path, folder("outputs/"), *good_members(), mode=mode)
    assert unpack(path, tmp_path / "out") == ("a", "b", "manifest.json")
    assert verify(tmp_path / "out").head.counts.inputs == 3
    assert (tmp_path / "out" / "a").read_bytes() == b"one"


def test_an_archive_without_the_folder(tmp_path):
    path = archive(tmp_path, folder("."), ("./a", b"one"), ("./sub/b", b"two"))
    assert unpack(path, tmp_path / "out") == ("a", "sub/b")


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        (("../evil", b"x"), "is not allowed"),
        (("outputs/../../evil", b"x"), "is not allowed"),
        (("/etc/evil", b"x"), "is not allowed"),
        (("outputs\\..\\evil", b"x"), "is not allowed"),
        (("C:evil", b"x"), "is not allowed"),
        (("outputs/a\x1b[2Jb", b"x"), "is not allowed"),
        (("outputs/a\nb", b"x"), "is not allowed"),
        (("outputs/dot.", b"x"), "is not allowed"),
        (("outputs/" + "n" * 256, b"x"), "is not allowed"),
        (("outputs/" + "d/" * 9 + "x", b"x"), "nested too deeply"),
        (special("outputs/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
        (special("outputs/hard", tarfile.LNKTYPE, "outputs/a"), "is a link or a device"),
        (special("outputs/null", tarfile.CHRTYPE), "is a link or a device"),
        (special("outputs/disk", tarfile.BLKTYPE), "is a link or a device"),
        (special("outputs/pipe", tarfile.FIFOTYPE), "is a link or a device"),
        (("outputs/A", b"x"), "which clash"),
        (("outputs/a", b"x"), "which clash"),
    ],
)
def test_archives_that_no_job_makes_are_refused_and_leave_nothing(tmp_path, member, sentence):
    path = archive(tmp_path, *good_members(), member)
    with pytest.raises(ResultsError, match=sentence) as caught:
        unpack(path, tmp_path / "place" / "out")
    assert "\x1b" not in str(caught.value)
    assert list((tmp_path / "place").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_file_where_a_folder_was_is_refused(tmp_path):
    path = archive(tmp_path, ("outputs/x/y", b"1"), ("outputs/x", b"2"))
    with pytest.raises(OutputError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bombs_are_refused_by_size_and_by_number(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(tar_of(("outputs/zeros", bytes(3_000_000)))))
    with pytest.raises(ResultsError, match="unpacks to more than 1000000 bytes"):
        unpack(path, tmp_path / "out", Limits(total_bytes=1_000_000))
    many = archive(tmp_path, *[(f"outputs/{number}", b"") for number in range(11)])
    with pytest.raises(ResultsError, match="more than 10 files"):
        unpack(many, tmp_path / "out", Limits(files=10))


def test_a_sparse_bomb_is_refused(tmp_path):
    """An old GNU sparse header of 1.5 KiB that claims a terabyte."""
    info = tarfile.TarInfo("outputs/sparse")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"20000000000\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    path = tmp_path / "sparse.tar"
    path.write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ResultsError):
        unpack(path, tmp_path / "out", Limits(total_bytes=1_000_000))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cut", [1, 511, 700, 1100])
def test_an_archive_that_is_cut_off_is_refused(tmp_path, cut):
    path = tmp_path / "cut.tar"
    path.write_bytes(tar_of(("outputs/a", b"x" * 600))[:cut])
    with pytest.raises(ResultsError, match="cut off or damaged"):
        unpack(path, tmp_path / "out")


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        unpack(archive(tmp_path, *good_members()), tmp_path / "out")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_archive_that_is_damaged_is_refused(tmp_path, mode):
    path = archive(tmp_path, *good_members(), mode=mode)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(ResultsError, match="cut off or damaged"):
        unpack(path, tmp_path / "out")


HEADERS = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_of_gibibytes_uses_no_memory(tmp_path, kind):
    """A node could send a header of 6 GiB in a few kilobytes."""
    info = special("outputs/long", kind)
    info.size = 6 << 30
    path = tmp_path / "long.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"9" * (64 << 20), 1))
    tracemalloc.start()
    with pytest.raises(ResultsError, match="a header in the archive is too long"):
        unpack(path, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert not (tmp_path / "out").exists()


def test_headers_that_announce_each_other_are_refused(tmp_path):
    header = special("outputs/long", tarfile.XGLTYPE)
    record = b"11 a=bcdef\n"
    header.size = len(record)
    block = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    path = tmp_path / "deep.tar"
    path.write_bytes(block * 1500)
    with pytest.raises(ResultsError):
        unpack(path, tmp_path / "out")


# -- zip -------------------------------------------------------------------------------------------------


def zipped(tmp_path, *members):
    path = tmp_path / "outputs.zip"
    path.write_bytes(zip_of(*members))
    return path


def entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("top", ["outputs/", ""])
def test_the_results_as_zip(tmp_path, top):
    members = [(name.replace("outputs/", top), data) for name, data in good_members()]
    path = zipped(tmp_path, *([(top, b"")] if top else []), *members)
    assert unpack(path, tmp_path / "out") == ("a", "b", "manifest.json")
    assert verify(tmp_path / "out").head.counts.inputs == 3


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        (("../evil", b"x"), "is not allowed"),
        (("/etc/evil", b"x"), "is not allowed"),
        (("outputs\\..\\evil", b"x"), "is not allowed"),
        (("outputs/a\x1b[2Jb", b"x"), "is not allowed"),
        (("outputs/" + "d/" * 9 + "x", b"x"), "nested too deeply"),
        ((entry("outputs/link", 0o120777), b"/etc/passwd"), "is a link or a device"),
        ((entry("outputs/pipe", 0o010644), b""), "is a link or a device"),
        (("outputs/A", b"x"), "which clash"),
    ],
)
def test_a_zip_that_no_job_makes_is_refused_and_leaves_nothing(tmp_path, member, sentence):
    path = zipped(tmp_path, *good_members(), member)
    with pytest.raises(ResultsError, match=sentence) as caught:
        unpack(path, tmp_path / "place" / "out")
    assert "\x1b" not in str(caught.value)
    assert list((tmp_path / "place").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_zip_bombs_are_refused_by_size_and_by_number(tmp_path):
    path = zipped(tmp_path, ("outputs/zeros", bytes(3_000_000)))
    with pytest.raises(ResultsError, match="unpacks to more than 1000000 bytes"):
        unpack(path, tmp_path / "out", Limits(total_bytes=1_000_000))
    many = zipped(tmp_path, *[(f"outputs/{number}", b"") for number in range(11)])
    with pytest.raises(ResultsError, match="more than 10 files"):
        unpack(many, tmp_path / "out", Limits(files=10))


def test_a_zip_with_a_password_or_a_lie_is_refused(tmp_path):
    data = bytearray(zip_of(*good_members()))
    place = data.index(b"PK\x01\x02")
    locked = bytearray(data)
    locked[place + 8] |= 1
    path = tmp_path / "outputs.zip"
    path.write_bytes(locked)
    with pytest.raises(ResultsError, match="needs a password"):
        unpack(path, tmp_path / "out")
    # Another size, or another checksum, than the content's.
    for offset in (16, 24):
        lying = bytearray(data)
        lying[place + offset] ^= 1
        path.write_bytes(lying)
        with pytest.raises(ResultsError, match="cut off or damaged"):
            unpack(path, tmp_path / "out")


@pytest.mark.parametrize("cut", [10, 60, -1, -30])
def test_a_zip_that_is_cut_off_is_refused(tmp_path, cut):
    path = zipped(tmp_path, *good_members())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ResultsError, match="cut off or damaged"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("is_zip64", [False, True])
def test_a_list_of_names_of_gibibytes_is_not_read(tmp_path, is_zip64):
    path = zipped(tmp_path, *good_members())
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    if is_zip64:
        record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 4, 4, 1 << 32, 0)
        locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
        data[end + 12 : end + 16] = b"\xff" * 4
        data[end:end] = record + locator
    else:
        data[end + 12 : end + 16] = struct.pack("<I", 1 << 31)
    path.write_bytes(data)
    with pytest.raises(ResultsError, match="lists more than 64 MiB of names"):
        unpack(path, tmp_path / "out")
