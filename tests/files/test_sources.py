import io
import os
import stat
import tarfile
import zipfile

import pytest

from unionveil import InputError, Rejected
from unionveil.files.archives import is_archive, members
from unionveil.files.sources import PathSource


def listed(paths):
    return [
        (item.name, item.content if isinstance(item.content, Rejected) else item.content.read())
        for item in PathSource(paths)
    ]


def names(paths):
    return [name for name, _ in listed(paths)]


def zipped(files, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpack(data):
    return list(members(io.BytesIO(data), len(data)))


def test_folders_are_walked_in_one_order(tmp_path):
    for name in ("b.jpg", "a.jpg", "sub/c.jpg", "sub/deep/d", ".hidden/x.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert names([tmp_path]) == ["a.jpg", "b.jpg", "sub/c.jpg", "sub/deep/d"]
    assert len(PathSource([tmp_path])) == 4


def test_a_source_can_be_read_again_and_reads_no_file_itself(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    source = PathSource([tmp_path])
    first, again = list(source), list(source)
    assert first == again
    assert first[0].content.held_bytes == 0
    assert first[0].content.size_bytes == 1


def test_several_paths_keep_apart(tmp_path):
    for name in ("one/x.jpg", "two/x.jpg", "single.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names([tmp_path / "one", tmp_path / "two", tmp_path / "single.png"]) == [
        "one/x.jpg",
        "two/x.jpg",
        "single.png",
    ]


def test_a_missing_path_stops_before_anything_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"nothere.* is not there"):
        PathSource([tmp_path / "a.jpg", tmp_path / "nothere"])


def test_links_and_pipes_in_folders_are_refused_and_named_links_followed(tmp_path):
    (tmp_path / "real.jpg").write_bytes(b"real")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(tmp_path / "real.jpg")
    (inside / "folder").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe")
    reasons = {name: content.reason for name, content in listed([inside])}
    assert reasons == {"folder": "link", "link.jpg": "link", "pipe": "special"}
    assert listed([inside / "link.jpg"]) == [("link.jpg", b"real")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_rejected_and_the_rest_goes_on(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0)
    (tmp_path / "b").write_bytes(b"y")
    first, second = listed([tmp_path])
    assert first[1].reason == "unreadable"
    assert second[1] == b"y"


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(3 << 30)
    ((_, content),) = listed([tmp_path])
    assert content.reason == "too-large"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_members_come_out_whatever_the_compression(mode, tmp_path):
    data = tarred({"a.jpg": b"first", "d/b.jpg": b"second"}, mode)
    assert is_archive(data[:512])
    assert unpack(data) == [("a.jpg", b"first"), ("d/b.jpg", b"second")]
    (tmp_path / "named-like-a-photo.jpg").write_bytes(data)
    assert names([tmp_path]) == ["named-like-a-photo.jpg/a.jpg", "named-like-a-photo.jpg/d/b.jpg"]


def test_zip_members_and_what_systems_leave_in_zips():
    data = zipped(
        {"a.jpg": b"first", "__MACOSX/._a.jpg": b"x", "d/": b"", "d/.DS_Store": b"x", "d/b": b"second"}
    )
    assert unpack(data) == [("a.jpg", b"first"), ("d/b", b"second")]


def test_archives_are_opened_one_level_deep():
    innermost = zipped({"c.jpg": b"third"})
    inner = zipped({"b.jpg": b"second", "c.zip": innermost})
    assert unpack(zipped({"a.jpg": b"first", "b.zip": inner})) == [
        ("a.jpg", b"first"),
        ("b.zip/b.jpg", b"second"),
        ("b.zip/c.zip", Rejected("archive", "an archive in an archive in an archive is not opened")),
    ]
    assert unpack(tarred({"b.zip": inner}))[0] == ("b.zip/b.jpg", b"second")


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/passwd", "a/../../up", "c:\\windows", "a\\..\\..\\up"])
def test_names_that_lead_out_are_refused(name):
    for data in (zipped({name: b"x", "good": b"y"}), tarred({name: b"x", "good": b"y"})):
        (_, refused), good = unpack(data)
        assert refused.reason == "name"
        assert good == ("good", b"y")


def test_links_devices_and_encryption_in_archives_are_refused():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "soft"), (tarfile.LNKTYPE, "hard"), (tarfile.CHRTYPE, "device")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert [content.reason for _, content in unpack(out.getvalue())] == ["link", "link", "special"]

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("soft")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    ((_, content),) = unpack(out.getvalue())
    assert content.reason == "link"

    locked = bytearray(zipped({"locked.jpg": b"x" * 100}))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(magic) + place] |= 1
    ((_, content),) = unpack(bytes(locked))
    assert content.reason == "encrypted"


def test_bombs_are_refused_by_ratio():
    bomb = zipped({"bomb.bmp": bytes(100 << 20), "good": b"y"})
    assert len(bomb) < 200_000
    (_, refused), good = unpack(bomb)
    assert refused.reason == "bomb"
    assert good == ("good", b"y")


def test_many_small_members_are_a_bomb_too():
    many = zipped({f"{i}.bmp": bytes(20 << 20) for i in range(6)})
    contents = [content for _, content in unpack(many)]
    assert contents[-1] == Rejected(
        "bomb", "the archive unpacks to far more than its size; the rest of it is refused"
    )
    assert sum(isinstance(content, bytes) for content in contents) <= 3


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_bomb_is_stopped_on_the_way(mode):
    contents = unpack(tarred({"a": b"first", "bomb": bytes(100 << 20), "never": b"z"}, mode))
    assert contents[0] == ("a", b"first")
    assert contents[-1][1].reason == "bomb"


def test_flat_drawings_below_the_limit_are_no_bombs():
    drawing = bytes(30 << 20)
    assert unpack(zipped({"drawing.bmp": drawing})) == [("drawing.bmp", drawing)]


def test_a_damaged_archive_gives_what_can_be_read_and_then_one_refusal():
    whole = tarred({"a": b"first" * 400, "b": os.urandom(40_000)}, "w:gz")
    contents = unpack(whole[: len(whole) // 2])
    assert contents[0] == ("a", b"first" * 400)
    assert contents[-1][1].reason == "archive"
    assert unpack(b"PK\x03\x04 and then nothing")[0][1].reason == "archive"
    assert unpack(b"\x1f\x8b garbage")[0][1].reason == "archive"


def test_a_damaged_member_does_not_stop_the_others():
    data = bytearray(zipped({"a": b"A" * 1000, "b": b"second"}))
    start = data.index(b"PK\x03\x04") + 30 + 1
    data[start + 2] ^= 0xFF
    (_, refused), good = unpack(bytes(data))
    assert refused.reason == "archive"
    assert good == ("b", b"second")


def test_a_photo_that_is_compressed_alone_is_no_archive_of_photos():
    import gzip

    ((_, content),) = unpack(gzip.compress(b"\xff\xd8\xff" + b"photo" * 100))
    assert content.reason == "archive"


def test_garbage_in_every_place_of_a_zip_never_raises():
    import random

    rng = random.Random(5)
    whole = zipped({"a.jpg": b"first" * 50, "b.jpg": b"second" * 50})
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for name, content in unpack(bytes(data)):
            assert isinstance(name, str)
            assert isinstance(content, bytes | Rejected)
