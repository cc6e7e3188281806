"""`unionveil check`: one line for every file that reveals somebody, and the exit code."""

import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

import samples
from unionveil import ConfigError
from unionveil.cli.check import command
from unionveil.config import AnonymizeConfig
from unionveil.content import FileContent
from unionveil.errors import InputError
from unionveil.outcomes import Rejected
from unionveil.runs.check import Check, CheckTask


@pytest.fixture
def photos(tmp_path):
    """One photo with faces, one with a place, one clean, one broken, and a text."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder / "face.jpg")
    exif = Image.Exif()
    exif[0x013B] = "Jane"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)})
    Image.new("RGB", (64, 64)).save(folder / "place.png", exif=exif)
    Image.new("RGB", (64, 64)).save(folder / "clean.jpg")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("a text that is no picture at all\n")
    return folder


def check(*arguments):
    return CliRunner().invoke(command, list(map(str, arguments)), standalone_mode=False)


def test_checking_only_metadata_loads_no_model(photos):
    done = check(photos, "--look-for", "gps,owner", "--jobs", 1)
    lines = sorted(done.stdout.splitlines())
    assert lines == [f"{photos / 'place.png'}: GPS position, owner's name"]
    assert done.return_value == 1
    assert Check(AnonymizeConfig(), ("gps", "owner")).cards == ()


def test_faces_are_counted_and_unreadable_files_are_named(photos):
    worker = Check(AnonymizeConfig(detail="fast")).start(1)
    found = {path.name: worker(CheckTask(FileContent(path))) for path in photos.iterdir()}
    assert found["face.jpg"] == ("1 face",)
    assert found["clean.jpg"] == ()
    assert found["place.png"] == ("GPS position", "owner's name")
    assert isinstance(found["broken.png"], Rejected)


def test_a_clean_file_is_exit_code_0(photos):
    done = check(photos / "clean.jpg", "--look-for", "gps,serial,owner", "--jobs", 1)
    assert (done.return_value, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1].split()[:3] == ["not", "clean", "0"]


def test_a_file_that_cannot_be_read_is_not_clean(photos):
    done = check(photos / "gone.jpg")
    assert isinstance(done.exception, InputError)
    text = check(photos / "notes.txt", "--look-for", "gps", "--jobs", 1)
    assert text.return_value == 1
    assert "notes.txt: cannot be checked: the file is a text, not a picture" in text.stdout


@pytest.mark.parametrize("names", ["", "faces", "gps,place"])
def test_unknown_names_are_refused(photos, names):
    done = check(photos, "--look-for", names)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith("--look-for: ")
