"""Archives from a machine that is not ours: every trick is refused, and leaves nothing behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil.config import AnonymizeConfig
from unionveil.errors import OutputError
from unionveil.manifest import ManifestBuilder, RedactedRecord, RejectedRecord
from unionveil_ocean.errors import ResultsError
from unionveil_ocean.jobs.results import Limits, log_text, unpack, verify


def tar_of(*members: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder(name: str) -> tarfile.TarInfo:
    return special(name, tarfile.DIRTYPE)


def record(number: int, name: str, data: bytes) -> RedactedRecord:
    return RedactedRecord(
        input=number,
        output=name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        format="jpeg",
        size_wh=(1, 1),
        frames=1,
        faces=(),
    )


def outputs(**files: bytes) -> dict[str, bytes]:
    builder = ManifestBuilder(AnonymizeConfig(), ())
    for number, (name, data) in enumerate(files.items(), 1):
        builder.add(record(number, name, data))
    builder.add(RejectedRecord(input=len(files) + 1, reason="unreadable", detail="It is cut off."))
    return {**files, "manifest.json": builder.to_bytes()}


GOOD = outputs(a=b"one", b=b"two")


def archive(tmp_path, *members, **options):
    path = tmp_path / "outputs.tar"
    path.write_bytes(tar_of(*members, **options))
    return path


def good_members(**changed: bytes | None):
    files = {**GOOD, **changed}
    return [(f"outputs/{name}", data) for name, data in files.items() if data is not None]


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


def unpacked(tmp_path, **changed):
    unpack(archive(tmp_path, *good_members(**changed)), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"a": b"eno"}, "'a' was altered"),
        ({"a": b"one!"}, "'a' has 4 bytes"),
        ({"a": None}, "'a' is missing"),
        ({"extra": b"hello"}, "'extra' is there but not in manifest.json"),
        ({"manifest.json": None}, "the job did not finish"),
        ({"manifest.json": b"{}"}, "is none of UnionVeil's"),
        ({"manifest.json": GOOD["manifest.json"].replace(b'"inputs": 3', b'"inputs": 4')}, "totals"),
        ({"manifest.json": GOOD["manifest.json"].replace(b'"output":"a"', b'"output":"../a"')}, "leads out"),
    ],
)
def test_everything_that_does_not_fit_the_manifest_is_named(tmp_path, changed, sentence):
    with pytest.raises(ResultsError, match=sentence):
        verify(unpacked(tmp_path, **changed))


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    with pytest.raises(ResultsError) as caught:
        verify(unpacked(tmp_path, a=b"eno", b=None, extra=b"x"))
    assert len(caught.value.issues) == 3


def frames(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in parts)


def test_a_log_loses_its_frame_headers_and_terminal_commands():
    data = frames((1, b"first\nsec"), (2, b"ond\n\x1b[2Jwarning\r\n"))
    assert log_text(data) == "first\nsecond\n[2Jwarning\n"
    assert log_text(b"no frames\n") == "no frames\n"
    assert log_text(data[:-4]) == "first\nsecond\n[2Jwarni"
    assert log_text(b"") == ""


@given(st.lists(st.tuples(st.integers(0, 2), st.text("abc\nä", min_size=1).map(str.encode)), max_size=5))
def test_framed_text_comes_back(parts):
    assert log_text(frames(*parts)) == b"".join(data for _, data in parts).decode()


@given(st.binary(max_size=60))
def test_no_log_is_too_odd(data):
    assert all(char in "\n\t" or char.isprintable() or char.isspace() for char in log_text(data))
