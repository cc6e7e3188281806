"""Names of outputs: safe on every system and unique, for every name of an input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil import AnonymizeConfig
from unionveil.files.names import is_safe, safe_part, same_file_key
from unionveil.formats import ImageFormat
from unionveil.runs.names import Namer, preview_name


def namer(flat=False):
    return Namer(AnonymizeConfig(names="keep"), flat=flat)


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/b.JPEG", "sub/b.JPEG"),
        ("Screenshot 12:30:05.jpg", "Screenshot 12_30_05.jpg"),
        ("a\\b.jpg", "a_b.jpg"),
        ("caf\udce9.jpg", "caf_.jpg"),
        ("a\x1b[2Jb\n\u202egpj.jpg", "a_[2Jb__gpj.jpg"),
        ("con.jpg", "_con.jpg"),
        ("x/LPT1/y.jpg", "x/_LPT1/y.jpg"),
        ("dots. /y.jpg", "dots__/y.jpg"),
        ("../../etc/passwd", "__/__/etc/passwd.jpg"),
        ("/abs//olute/./x.jpg", "abs/olute/x.jpg"),
        ("manifest.json/x.jpg", "manifest-2.json/x.jpg"),
        ("preview/x.jpg", "preview-2/x.jpg"),
        ("PREVIEW/x.jpg", "PREVIEW-2/x.jpg"),
        ("lost+found/x.jpg", "lost+found_/x.jpg"),
        ("@eaDir/Thumbs.db/x.jpg", "@eaDir_/Thumbs.db_/x.jpg"),
        ("", "_.jpg"),
    ],
)
def test_odd_names_are_made_safe(original, name):
    assert namer().name(1, original, ImageFormat.JPEG) == name
    assert is_safe(name)


def test_a_file_and_a_folder_never_share_a_name():
    first = namer()
    assert first.name(1, "photo", ImageFormat.JPEG) == "photo.jpg"
    assert first.name(2, "photo.jpg/a.jpg", ImageFormat.JPEG) == "photo-2.jpg/a.jpg"
    assert first.name(3, "photo.jpg/b.jpg", ImageFormat.JPEG) == "photo-2.jpg/b.jpg"
    second = namer()
    assert second.name(1, "photo.jpg/a.jpg", ImageFormat.JPEG) == "photo.jpg/a.jpg"
    assert second.name(2, "photo", ImageFormat.JPEG) == "photo-2.jpg"


def test_long_names_are_cut_and_keep_their_suffix():
    name = namer().name(1, "é" * 200 + ".jpg", ImageFormat.JPEG)
    assert len(name.encode()) <= 251
    assert name.endswith("é.jpg")
    assert len(preview_name(name).rpartition("/")[2].encode()) <= 255
    assert namer().name(1, "/".join(["d" * 200] * 20) + "/x.jpg", ImageFormat.JPEG) == "x.jpg"


def test_fifty_thousand_equal_names_take_no_longer_than_others():
    names = namer(flat=True)
    assert len({names.name(n, "IMG.jpg", ImageFormat.JPEG) for n in range(50_000)}) == 50_000


_ODD = st.text(
    st.one_of(
        st.sampled_from("aA/.: \\\x00\x1b\n\u202e\udce9-2"),
        st.characters(exclude_categories=[]),
        st.just("/"),
    ),
    max_size=400,
)


@given(st.lists(_ODD, max_size=8), st.booleans())
def test_every_name_is_safe_and_no_two_are_one_file(originals, flat):
    names = namer(flat)
    given_names = [names.name(n, original, ImageFormat.PNG) for n, original in enumerate(originals, 1)]
    assert all(is_safe(name) and is_safe(preview_name(name)) for name in given_names)
    assert len({same_file_key(name) for name in given_names}) == len(originals)
    folders = {
        same_file_key(name.rsplit("/", count)[0])
        for name in given_names
        for count in range(1, name.count("/") + 1)
    }
    assert not folders & {same_file_key(name) for name in given_names}


@given(_ODD)
def test_a_safe_part_stays_unchanged(text):
    part = safe_part(text.replace("/", "_"))
    assert safe_part(part) == part
    assert part
