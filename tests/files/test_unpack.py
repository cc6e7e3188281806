"""Archives from a machine that is not ours: every trick is refused, and leaves nothing behind."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from job_archives import archive, folder, good_members, special, tar_of
from unionveil.errors import OutputError, ResultsError
from unionveil.files.unpack import Limits, unpack
from unionveil.verify import verify


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_archive_of_a_node(tmp_path, mode):
    path = archive(tmp_path, folder("outputs/"), *good_members(), mode=mode)
    assert unpack(path, tmp_path / "out") == ("a", "b", "manifest.json")
    assert verify(tmp_path / "out").counts.inputs == 3
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
        (("outputs/" + "d/" * 9 + "x", b"x"), "lies too deep"),
        (special("outputs/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
        (special("outputs/hard", tarfile.LNKTYPE, "outputs/a"), "is a link or a device"),
        (special("outputs/null", tarfile.CHRTYPE), "is a link or a device"),
        (special("outputs/disk", tarfile.BLKTYPE), "is a link or a device"),
        (special("outputs/pipe", tarfile.FIFOTYPE), "is a link or a device"),
        (("outputs/A", b"x"), "which clash"),
        (("outputs/a", b"x"), "which clash"),
    ],
)
def test_what_no_job_makes_is_refused_and_leaves_nothing(tmp_path, member, sentence):
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


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="is there already"):
        unpack(archive(tmp_path, *good_members()), tmp_path / "out")
