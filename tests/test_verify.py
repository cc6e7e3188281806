from __future__ import annotations

import pytest

from job_archives import GOOD, archive, good_members, record
from permissions import locked
from unionveil.config import AnonymizeConfig
from unionveil.errors import ResultsError
from unionveil.files.unpack import unpack
from unionveil.runs.manifest import ManifestBuilder
from unionveil.verify import verify


def unpacked(tmp_path, **changed):
    unpack(archive(tmp_path, *good_members(**changed)), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"a": b"eno"}, "'a' was altered"),
        ({"a": b"one!"}, "'a' has 4 bytes"),
        ({"a": None}, "'a' is missing"),
        ({"extra": b"hello"}, "'extra' is in the folder but not in manifest.json"),
        ({"manifest.json": None}, "the run did not finish"),
        ({"manifest.json": b"{}"}, "is not a manifest that this version reads"),
        (
            {"manifest.json": GOOD["manifest.json"].replace(b'"inputs": 3', b'"inputs": 4')},
            "it has 3 of 4 records",
        ),
        (
            {"manifest.json": GOOD["manifest.json"].replace(b'"without_face": 2', b'"without_face": 1')},
            "totals",
        ),
        ({"manifest.json": GOOD["manifest.json"].replace(b'"output":"a"', b'"output":"../a"')}, "leads out"),
        (
            {
                "manifest.json": GOOD["manifest.json"].replace(
                    b'"output":"a"', b'"output":"%s"' % (b"a" * 300)
                )
            },
            "aaa' cannot be read: File name too long",
        ),
    ],
)
def test_everything_that_does_not_fit_the_manifest_is_named(tmp_path, changed, sentence):
    with pytest.raises(ResultsError, match=sentence):
        verify(unpacked(tmp_path, **changed))


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    with pytest.raises(ResultsError) as caught:
        verify(unpacked(tmp_path, a=b"eno", b=None, extra=b"x"))
    assert len(caught.value.issues) == 3


def test_a_linked_folder_of_originals_is_not_listed(tmp_path):
    folder = unpacked(tmp_path)
    (tmp_path / "originals").mkdir()
    (folder / "sub").mkdir()
    (folder / "sub" / "originals").symlink_to(tmp_path / "originals")
    with pytest.raises(ResultsError, match="'sub/originals' is in the folder but not in"):
        verify(folder)


def test_a_folder_that_cannot_be_read_is_not_taken_for_empty(tmp_path):
    folder = unpacked(tmp_path)
    (folder / "locked").mkdir()
    with locked(folder / "locked"), pytest.raises(ResultsError, match="locked cannot be read: Permission"):
        verify(folder)


def test_an_output_that_cannot_be_read_is_named(tmp_path):
    folder = unpacked(tmp_path)
    with locked(folder / "a"), pytest.raises(ResultsError, match="'a' cannot be read: Permission") as caught:
        verify(folder)
    assert len(caught.value.issues) == 1


def test_previews_are_compared_too(tmp_path):
    builder = ManifestBuilder(AnonymizeConfig())
    builder.add(record(1, "a", b"one", preview=b"small"))
    (tmp_path / "preview").mkdir()
    for name, data in {"a": b"one", "preview/a": b"small", "manifest.json": builder.to_bytes()}.items():
        (tmp_path / name).write_bytes(data)
    verify(tmp_path)
    (tmp_path / "preview" / "a").write_bytes(b"small!")
    with pytest.raises(ResultsError, match="'preview/a' was altered"):
        verify(tmp_path)
    (tmp_path / "preview" / "a").unlink()
    with pytest.raises(ResultsError, match="'preview/a' is missing"):
        verify(tmp_path)
