import bz2
import gzip
import io
import lzma
import os
import resource
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from permissions import locked
from unionveil import InputError, Rejected
from unionveil.content import FileContent
from unionveil.files.archives import is_archive, members
from unionveil.files.sources import PathSource, Patterns, Skipped

DAMAGED = "the archive is damaged; the rest of it cannot be read"


def listed(paths, **options):
    """Names and contents of the inputs, without skipped files."""
    return [
        (item.name, item.content if isinstance(item.content, Rejected) else item.content.read())
        for item in PathSource(paths, **options)
        if not isinstance(item.content, Skipped)
    ]


def names(paths, **options):
    return [name for name, _ in listed(paths, **options)]


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
    """Members of an archive, without skipped ones."""
    return [part for part in members(io.BytesIO(data), len(data)) if not isinstance(part[1], Skipped)]


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
    content = first[0].content
    assert isinstance(content, FileContent)
    assert content.held_bytes == 0
    assert content.size_bytes == 1


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
    with pytest.raises(InputError, match=r"nothere.* does not exist"):
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
def test_tar_members_are_read_with_every_compression(mode, tmp_path):
    data = tarred({"a.jpg": b"first", "d/b.jpg": b"second"}, mode)
    assert is_archive(data[:512])
    assert unpack(data) == [("a.jpg", b"first"), ("d/b.jpg", b"second")]
    (tmp_path / "named-like-a-photo.jpg").write_bytes(data)
    assert names([tmp_path]) == ["named-like-a-photo.jpg/a.jpg", "named-like-a-photo.jpg/d/b.jpg"]


def test_zip_members_are_read_and_system_files_skipped():
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
        ("b.zip/c.zip", Rejected("archive", "archives are opened to two levels only; this is the third")),
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
        link = zipfile.ZipInfo("soft")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
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


def test_a_dictionary_of_four_gigabytes_takes_no_memory_before_it_is_filled():
    packed = bytearray(tarred({"a": b"first"}, "w:xz"))
    # The .xz format (tukaani.org/xz/xz-file-format.txt), 3.1 and 5.3.1: of the block's header at byte 12, the
    # filter's properties give the size of the dictionary; 40 is the largest.
    size = (packed[12] + 1) * 4
    packed[packed.index(b"\x21\x01", 12) + 2] = 40
    packed[8 + size : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 8 + size]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert unpack(bytes(packed)) in ([("a", b"first")], [("", Rejected("archive", DAMAGED))])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_flat_drawings_below_the_limit_are_not_bombs():
    drawing = bytes(30 << 20)
    assert unpack(zipped({"drawing.bmp": drawing})) == [("drawing.bmp", drawing)]


def test_a_damaged_archive_gives_its_readable_members_and_one_refusal():
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


@pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_a_photo_compressed_by_itself_is_an_input(tmp_path, suffix, module):
    photo = b"\xff\xd8\xff" + b"photo" * 100
    (tmp_path / f"a.jpg{suffix}").write_bytes(module.compress(photo))
    assert listed([tmp_path]) == [("a.jpg", photo)]
    assert unpack(zipped({f"d/a.jpg{suffix}": module.compress(photo)})) == [("d/a.jpg", photo)]


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


DONE = [("a", b"first"), ("b", b"second")]
TWO = {"a": b"first", "b": b"second"}


def reasons(data):
    return [
        (name, content.reason if isinstance(content, Rejected) else content) for name, content in unpack(data)
    ]


def test_reading_continues_after_a_broken_header():
    whole = bytearray(tarred({str(n): bytes([n]) * 700 for n in range(10)}))
    whole[3 * 1536 + 148] ^= 1  # the checksum of the fourth
    found = reasons(bytes(whole))
    assert [name for name, _ in found] == ["0", "1", "2", "", "4", "5", "6", "7", "8", "9"]
    assert found[3] == ("", "archive")


def test_a_header_of_zeros_is_not_the_end():
    whole = bytearray(tarred({str(n): bytes([n + 1]) * 700 for n in range(4)}))
    whole[1536 : 1536 + 512] = bytes(512)
    assert [name for name, _ in reasons(bytes(whole))] == ["0", "", "2", "3"]


def test_a_tar_that_ends_early_is_named():
    whole = tarred(TWO)
    assert reasons(whole[:2048]) == [*DONE, ("", "archive")]  # no end
    assert reasons(whole[:1030]) == [("a", b"first"), ("", "archive")]
    assert reasons(whole[:1537]) == [("a", b"first"), ("b", "archive")]


def test_two_tars_in_one_file_are_both_read():
    assert reasons(tarred({"a": b"first"}) + tarred({"b": b"second"})) == DONE
    assert reasons(gzip.compress(tarred({"a": b"first"})) + gzip.compress(tarred({"b": b"second"}))) == DONE


def test_folders_with_data_are_named_once_and_the_rest_goes_on():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
        folder = tarfile.TarInfo("folder")
        folder.type, folder.size = tarfile.DIRTYPE, 700
        archive.addfile(folder, io.BytesIO(b"x" * 700))
        size_without_data = tarfile.TarInfo("other")
        size_without_data.type, size_without_data.size = tarfile.DIRTYPE, 4096
        archive.addfile(size_without_data)
        archive.addfile(tarfile.TarInfo("b"))
    assert reasons(out.getvalue()) == [("a", b""), ("folder", "archive"), ("b", b"")]
    assert reasons(zipped({"a": b"first", "folder/": b"data", "b": b"second"})) == [
        DONE[0],
        ("folder/", "archive"),
        DONE[1],
    ]


def sparse_header(claimed):
    """An old GNU sparse member without data."""
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = f"{claimed:011o}\0".encode()
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    return bytes(header)


def test_sparse_members_are_done_or_refused_one_by_one():
    small, huge = sparse_header(10_000), sparse_header(1 << 32)
    for data in (small + huge + tarred(TWO), gzip.compress(small + huge + tarred(TWO))):
        assert reasons(data) == [("sparse", bytes(10_000)), ("sparse", "bomb"), *DONE]
    many = reasons(sparse_header(60 << 20) * 3 + tarred(TWO))
    assert [reason for _, reason in many[1:]] == ["bomb"]


def test_bombs_are_counted_over_all_levels():
    """Each level by itself unpacks to less than the allowed ratio."""
    inner = zipped({f"{n}.bmp": bytes(30 << 20) for n in range(2)})
    found = reasons(zipped({f"{n}.zip": inner for n in range(4)}))
    assert sum(isinstance(content, bytes) for _, content in found) <= 2
    assert found[-1] == ("", "bomb")


@pytest.mark.parametrize(("method", "word"), [(9, "Deflate64"), (93, "Zstandard")])
def test_methods_that_python_lacks_are_named(method, word):
    data = bytearray(zipped(TWO))
    for magic, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(magic) + place] = method
    (_, refused), good = unpack(bytes(data))
    assert word in refused.detail
    assert good == DONE[1]


def test_a_header_that_claims_a_huge_extension_uses_no_memory():
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, 1 << 32
    assert reasons(pax.tobuf() + tarred(TWO)) == [("", "archive"), *DONE]


def test_backslashes_are_folders_and_colons_are_no_danger():
    data = zipped({"DCIM\\100\\a.jpg": b"first", "12:30.jpg": b"second"})
    assert unpack(data) == [("DCIM/100/a.jpg", b"first"), ("12:30.jpg", b"second")]


def test_garbage_in_every_place_of_a_tar_never_raises_and_loses_one_member():
    import random

    rng = random.Random(7)
    whole = tarred({str(n): bytes([n]) * 700 for n in range(6)})
    for _ in range(300):
        data = bytearray(whole)
        data[rng.randrange(6 * 1536)] ^= 1 << rng.randrange(8)
        found = unpack(bytes(data))
        assert sum(isinstance(content, bytes) for _, content in found) >= 5


@pytest.fixture
def phone(tmp_path):
    """Files that a phone stores beside its photos."""
    for name, data in {
        "IMG_1.HEIC": b"photo",
        "IMG_1.MOV": b"\0video",
        "IMG_1.AAE": b"<?xml",
        "IMG_1.HEIC.json": b"{}",
        "IMG_2.jpg": b"photo",
        "IMG_2.xmp": b"<x:xmpmeta",
        "IMG_2.THM": b"\xff\xd8\xff",
        "@eaDir/IMG_2.jpg": b"\xff\xd8\xff",
        "Picasa.ini": b"[x]",
        "ehthumbs.db": b"\0",
        ".hidden.jpg": b"\xff\xd8\xff",
        "notes.txt": b"hello",
        "alone.mov": b"\0video",
        "photo.txt": b"\xff\xd8\xff\xe0\0\x10JFIF",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


INPUTS = ["IMG_1.HEIC", "IMG_2.jpg", "alone.mov", "photo.txt"]


def test_sidecars_and_texts_are_skipped(phone, tmp_path_factory):
    assert names([phone]) == INPUTS
    assert sum(isinstance(item.content, Skipped) for item in PathSource([phone])) == 10
    # In a tar, which has no list of members, a photo comes before its sidecars.
    paths = sorted(
        (path for path in phone.rglob("*.*") if path.is_file()), key=lambda path: path.name.lower()
    )
    files = {path.relative_to(phone).as_posix(): path.read_bytes() for path in paths}
    packed = tmp_path_factory.mktemp("packed")
    (packed / "a.zip").write_bytes(zipped(files))
    (packed / "b.tar").write_bytes(tarred(files))
    assert sorted(names([packed])) == [f"{name}/{inner}" for name in ("a.zip", "b.tar") for inner in INPUTS]


def test_a_text_that_the_user_names_is_an_input(phone):
    assert names([phone / "notes.txt"]) == ["notes.txt"]
    assert names([phone / "notes.txt", phone / "IMG_2.jpg"]) == ["IMG_2.jpg"]


def test_patterns_choose_inputs(phone):
    def chosen(**patterns):
        return names_with([phone], Patterns(**patterns))

    def names_with(paths, patterns):
        return [name for name, _ in listed(paths, patterns=patterns)]

    (phone / "raw").mkdir()
    (phone / "raw" / "IMG_3.jpg").write_bytes(b"photo")
    (phone / "z.zip").write_bytes(zipped({"in.jpg": b"x", "in.png": b"y"}))
    assert chosen(include=("*.JPG",)) == ["IMG_2.jpg", "z.zip/in.jpg", "raw/IMG_3.jpg"]
    assert chosen(exclude=("raw", "*.zip", "alone*", "*.txt")) == ["IMG_1.HEIC", "IMG_2.jpg"]
    assert chosen(include=("img_*",), exclude=("raw/*",)) == ["IMG_1.HEIC", "IMG_2.jpg"]


def test_links_are_followed_on_request_and_circles_end(tmp_path):
    store = tmp_path / "store"
    (store / "deep").mkdir(parents=True)
    (store / "deep" / "x.jpg").write_bytes(b"x")
    (store / "deep" / "up").symlink_to(store)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.jpg").symlink_to(store / "deep" / "x.jpg")
    (inside / "linked").symlink_to(store)
    (inside / "again").symlink_to(store)
    (inside / "here").symlink_to(inside)
    (inside / "loop").symlink_to("loop")
    (inside / "annexed.jpg").symlink_to(".git/annex/objects/aa/SHA256E-s1--00.jpg")
    (inside / "out").symlink_to(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000001.jpg").write_bytes(b"x")
    found = {
        name: content if isinstance(content, bytes) else content.detail
        for name, content in listed([inside], follow_links=True, leave_out=[(tmp_path / "out").resolve()])
    }
    assert found == {
        "a.jpg": b"x",
        "again/deep/x.jpg": b"x",
        "loop": "the link leads in a circle",
        "annexed.jpg": "the file's content is not on this machine; fetch it with git annex get or "
        "datalad get",
    }


SIDECARS = ("img.thm", "IMG.MOV", "img.lrv", "d/clip.thm")
PHOTOS_BESIDE = {"img.jpg": b"\xff\xd8\xffphoto", "d/clip.mp4": b"video", "alone.thm": b"\xff\xd8\xffsmall"}


def in_archive(files, how):
    if how == "zip":
        return zipped(files)
    if how == "tar in zip":
        return zipped({"inner.tar": tarred(files)})
    return tarred(files, how)


@pytest.mark.parametrize("how", ["w", "w:gz", "w:bz2", "w:xz", "zip", "tar in zip"])
@pytest.mark.parametrize("first", ["sidecars", "photos"])
def test_a_sidecar_is_one_wherever_its_photo_lies_in_the_archive(how, first):
    sidecars = dict.fromkeys(SIDECARS, b"\xff\xd8\xffsmall")
    files = sidecars | PHOTOS_BESIDE if first == "sidecars" else PHOTOS_BESIDE | sidecars
    data = in_archive(files, how)
    found = {name.removeprefix("inner.tar/") for name, _ in unpack(data)}
    assert found == set(PHOTOS_BESIDE)


def test_the_contents_are_the_same_whether_the_names_are_listed_in_between_or_not():
    files = {f"{n}.jpg": os.urandom(3000) for n in range(40)}
    for how in ("w", "w:gz", "zip"):
        listed = unpack(in_archive({"0.thm": b"x"} | files | {"39.thm": b"y"}, how))
        assert dict(listed) == files


def test_listing_the_names_stops_where_the_archive_does():
    whole = bytearray(tarred({"a.thm": b"s", **{str(n): bytes([n]) * 700 for n in range(6)}, "a.jpg": b"p"}))
    whole[2 * 1536 + 148] ^= 1  # a broken header between the two
    found = reasons(bytes(whole))
    assert "a.thm" not in [name for name, _ in found]
    assert found[-1] == ("a.jpg", b"p")
    cut = reasons(bytes(whole[: 3 * 1536]))
    assert cut[0] == ("a.thm", b"s")  # its photo is lost


def refused(content):
    assert isinstance(content, Rejected)
    return content


@pytest.mark.parametrize("how", ["w", "w:gz", "zip"])
def test_a_member_that_is_larger_than_may_be_held_is_refused_unread(how):
    files = {"small": b"x" * 1000, "large": os.urandom(200_000), "last": b"y"}
    data = in_archive(files, how)
    found = dict(members(io.BytesIO(data), len(data), most_bytes=100_000))
    assert (found["small"], found["last"]) == (files["small"], files["last"])
    large = refused(found["large"])
    assert large.reason == "too-large"
    assert "unpack the archive first" in large.detail
    single = gzip.compress(files["large"])
    ((_, alone),) = members(io.BytesIO(single), len(single), most_bytes=100_000)
    assert refused(alone).reason == "too-large"


def test_an_archive_in_an_archive_is_held_too():
    inner = zipped({"a": os.urandom(150_000)})
    data = tarred({"inner.zip": inner, "b": b"second"})
    found = dict(members(io.BytesIO(data), len(data), most_bytes=100_000))
    assert refused(found["inner.zip"]).reason == "too-large"
    assert found["b"] == b"second"


@pytest.mark.parametrize("follow", [False, True])
def test_what_is_left_out_may_be_named_in_any_way(tmp_path, monkeypatch, follow):
    (tmp_path / "in" / "labels").mkdir(parents=True)
    for name in ("a.jpg", "boxes", "labels/obj.names"):
        (tmp_path / "in" / name).write_bytes(b"\xff\xd8")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "boxes")
    (tmp_path / "also").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    left_out = [Path("also/boxes"), tmp_path / "in" / "link", Path("in") / ".." / "in" / "labels"]
    for folder in (Path("in"), tmp_path / "in", Path("also")):
        assert names([folder], leave_out=left_out, follow_links=follow) == ["a.jpg"]


@pytest.mark.parametrize("follow", [False, True])
def test_a_folder_whose_entries_cannot_be_examined_is_one_sentence(tmp_path, follow):
    (tmp_path / "sub" / "folder").mkdir(parents=True)
    with locked(tmp_path / "sub"), pytest.raises(InputError, match="cannot be read: Permission denied"):
        (tmp_path / "sub").chmod(0o400)
        names([tmp_path], follow_links=follow)
