import os
from pathlib import Path

import pytest

import full_disk
from unionveil import OutputError
from unionveil.errors import OutputTaken
from unionveil.files.sinks import FolderSink


def test_writes_whole_files_into_folders_that_it_makes(tmp_path):
    sink = FolderSink(tmp_path / "deep" / "out")
    sink.write("a/b.jpg", b"content")
    assert (tmp_path / "deep" / "out" / "a" / "b.jpg").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "deep" / "out").rglob("*")] == ["a", "b.jpg"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    sink = FolderSink(tmp_path / "out", overwrite=True)
    for content in (b"1", b"2"):  # made, then replaced
        sink.write("x", content)
        assert (tmp_path / "out" / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_same_content_again_is_fine_and_other_content_is_not(tmp_path):
    sink = FolderSink(tmp_path)
    sink.write("x.jpg", b"one")
    sink.write("x.jpg", b"one")
    with pytest.raises(OutputTaken, match=r"already exists with other content; choose an empty folder$"):
        sink.write("x.jpg", b"two")
    assert (tmp_path / "x.jpg").read_bytes() == b"one"
    FolderSink(tmp_path, overwrite=True).write("x.jpg", b"two")
    assert (tmp_path / "x.jpg").read_bytes() == b"two"


def test_inputs_are_never_written_over(tmp_path):
    (tmp_path / "in").mkdir()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"original")
    sink = FolderSink(tmp_path, overwrite=True, inputs=[photo, tmp_path / "in"])
    for name in ("photo.jpg", "in/new.jpg"):
        with pytest.raises(OutputError, match="is an input"):
            sink.write(name, b"redacted")
    assert photo.read_bytes() == b"original"


@pytest.mark.parametrize("inside", ["", "sub", "sub/deeper"])
def test_an_output_folder_in_an_input_folder_is_refused(tmp_path, inside):
    with pytest.raises(OutputError, match="is in the input folder"):
        FolderSink(tmp_path / inside, inputs=[tmp_path])
    assert not list(tmp_path.iterdir())


def test_a_link_into_the_input_folder_is_recognized(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="is in the input folder"):
        FolderSink(tmp_path / "out", inputs=[tmp_path / "in"])


def test_names_that_lead_out_are_refused(tmp_path):
    sink = FolderSink(tmp_path / "out")
    for name in ("../up.jpg", "/tmp/absolute.jpg", "a/../../up.jpg"):  # noqa: S108
        with pytest.raises(OutputError, match="leads out of"):
            sink.write(name, b"x")


def test_a_link_in_the_output_folder_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_bytes(b"untouched")
    sink = FolderSink(tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "x.jpg").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="leads out of"):
        sink.write("x.jpg", b"redacted")
    assert (tmp_path / "victim").read_bytes() == b"untouched"


def test_a_file_as_output_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written to"):
        FolderSink(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written to: Permission denied"):
        FolderSink(tmp_path)


@pytest.mark.parametrize("nameless", [True, False])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, nameless):
    printed = full_disk.print_of(f"""
import os
if not {nameless}: del os.O_TMPFILE
from pathlib import Path
from unionveil import OutputError
from unionveil.files.sinks import FolderSink
sink = FolderSink(Path({str(tmp_path)!r}))
sink.write("small.jpg", bytes(5_000))
try:
    sink.write("large.jpg", bytes(50_000))
except OutputError as error:
    print(error)
""")
    assert "nothing of it was kept" in printed
    assert [path.name for path in Path(tmp_path).iterdir()] == ["small.jpg"]


@pytest.mark.parametrize("exists", [True, False])
def test_an_error_of_the_block_is_not_one_of_the_output(tmp_path, exists):
    sink = FolderSink(tmp_path)
    if exists:
        sink.write("x.mp4", b"before")
    with pytest.raises(ConnectionResetError), sink.created("x.mp4") as file:
        file.write(b"half")
        raise ConnectionResetError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == (
        [("x.mp4", b"before")] if exists else []
    )


def test_added_files_replace_no_other_content(tmp_path):
    sink = FolderSink(tmp_path)
    sink.write("x.mp4", b"one")
    with pytest.raises(OutputError, match="already exists"), sink.added("x.mp4") as file:
        file.write(b"two")
    assert sink.read("x.mp4") == b"one"
    with sink.added("x.mp4") as file:
        file.write(b"one")


def test_inputs_are_never_removed(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"original")
    sink = FolderSink(tmp_path, overwrite=True, inputs=[tmp_path / "photo.jpg"])
    with pytest.raises(OutputError, match="is an input"):
        sink.remove("photo.jpg")
    assert (tmp_path / "photo.jpg").read_bytes() == b"original"


def test_removing_a_link_leaves_what_it_leads_to(tmp_path):
    sink = FolderSink(tmp_path / "out")
    (tmp_path / "other").write_bytes(b"untouched")
    (tmp_path / "out" / "link").symlink_to(tmp_path / "other")
    sink.remove("link")
    assert not list((tmp_path / "out").iterdir())
    assert (tmp_path / "other").exists()


def test_without_nameless_files_the_result_is_the_same(tmp_path, monkeypatch):
    sink = FolderSink(tmp_path)
    monkeypatch.delattr(os, "O_TMPFILE")
    sink.write("a/x.jpg", b"content")
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["a", "x.jpg"]
