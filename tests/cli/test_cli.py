"""The command line as its users see it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import samples
from refusals import refusal
from unionveil import __version__
from unionveil.cli.console import run_command
from unionveil.runs.records import salted_digest
from unionveil.runs.schema import Manifest


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "unionveil", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(samples.SCENES / "market.jpg", folder)
    shutil.copy(samples.SCENES / "street.jpg", folder)
    return folder


def anonymize(*arguments, **options):
    """In the fewest sizes, on which nothing below depends."""
    return run("anonymize", "--detail", "fast", *arguments, **options)


def test_folder_in_folder_out(photos, tmp_path):
    done = run("anonymize", photos, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "000001.jpg",
        "000002.jpg",
        "manifest.json",
    ]
    assert "faces redacted" in done.stderr
    assert done.stdout == ""


def test_some_rejected_is_exit_code_1_and_named(photos, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = anonymize(photos, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "rejected: broken.png: the PNG is cut off" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name at least one photo"),
        (["{photos}"], "name the output folder"),
        (["{photos}/nothing", "-o", "{tmp}/out"], "does not exist"),
        (["{photos}", "-o", "{photos}/out"], "is in the input folder"),
        (["{photos}", "-o", "{photos}"], "is in the input folder"),
        (["{photos}", "-o", "{photos}/market.jpg"], "is a file"),
        (["{photos}", "-o", "{tmp}/out", "--method", "erase"], "'erase' is not one of"),
        (["{photos}", "-o", "{tmp}/out", "--cells", "4"], "cells: belongs to method pixelate, not to fill"),
        (["{photos}", "-o", "{tmp}/out", "--threshold", "2"], "threshold: Input should be less than 1"),
        (["{photos}", "-o", "{tmp}/out", "--detector", "yunet"], "unionveil models fetch yunet"),
        (["{photos}", "-o", "{tmp}/out", "--detector", "yolo:no.onnx"], "no.onnx does not exist"),
        (["{photos}", "-o", "{tmp}/out", "--method", "overlay", "--picture", "grin"], "neither an emoji"),
        (["{photos}", "-o", "{tmp}/out", "--jobs", "0"], "--jobs"),
        (["{photos}", "-o", "{tmp}/out", "--colour", "#fff"], "No such option"),
        (["{tmp}/empty", "-o", "{tmp}/out"], "your inputs contain no file"),
    ],
)
def test_wrong_use_is_one_clear_sentence_and_exit_code_2(photos, tmp_path, capfd, arguments, sentence):
    (tmp_path / "empty").mkdir()
    filled = [argument.format(photos=photos, tmp=tmp_path) for argument in arguments]
    assert sentence in refusal(capfd, "anonymize", *filled).replace("\n", " ")
    assert not list(tmp_path.glob("out/*"))


LONG, CIRCLE = "x" * 300, "{tmp}/circle"


@pytest.mark.parametrize(
    "arguments",
    [
        ("anonymize", "BAD", "-o", "{tmp}/out"),
        ("anonymize", "{photos}", "-o", "BAD"),
        ("anonymize", "{photos}", "-o", "{tmp}/out", "--keep", "BAD"),
        ("anonymize", "{photos}", "-o", "{tmp}/out", "--detector", "yolo:BAD"),
        ("anonymize", "{photos}", "-o", "{tmp}/out", "--embedder", "onnx:BAD", "--keep", "{photos}"),
        ("anonymize", "{photos}", "-o", "{tmp}/out", "--croissant", "BAD"),
        ("verify", "BAD"),
        ("merge", "BAD", "-o", "{tmp}/out"),
        ("watch", "BAD", "-o", "{tmp}/out"),
        ("audit", "BAD", "{photos}", "-o", "{tmp}/out"),
        ("audit", "{photos}", "BAD", "-o", "{tmp}/out"),
        ("check", "BAD"),
        ("compare", "BAD", "--detector", "haar", "-o", "{tmp}/out"),
        ("compare", "{photos}", "--detector", "haar", "-o", "BAD"),
    ],
)
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (LONG, "File name too long"),
        pytest.param(CIRCLE, "levels of symbolic links", marks=pytest.mark.slow),
    ],
)
def test_a_path_that_cannot_be_read_is_one_sentence(photos, tmp_path, capfd, arguments, bad, why):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    filled = [one.replace("BAD", bad).format(photos=photos, tmp=tmp_path) for one in arguments]
    assert f"cannot be read: {why}" in refusal(capfd, *filled).replace("Too many ", "")
    assert not list(tmp_path.glob("out/*"))


def test_twice_in_a_row_and_then_with_overwrite(photos, tmp_path):
    first = anonymize(photos, "-o", tmp_path / "out")
    again = anonymize(photos, "-o", tmp_path / "out")
    assert first.returncode == again.returncode == 0
    other = anonymize(photos, "-o", tmp_path / "out", "--method", "pixelate")
    assert other.returncode == 2
    assert "choose an empty folder or --overwrite" in other.stderr
    fewer = anonymize(photos / "market.jpg", "-o", tmp_path / "out")
    assert "remove them with --prune" in fewer.stderr
    forced = anonymize(photos, "-o", tmp_path / "out", "--method", "pixelate", "--overwrite")
    assert forced.returncode == 0
    manifest = Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest.configuration["method"] == "pixelate"


def test_paths_from_standard_input(photos, tmp_path):
    names = f"{photos / 'market.jpg'}\n\n{photos / 'street.jpg'}\n"
    done = anonymize("-", "-o", tmp_path / "out", "--json", input=names)
    assert json.loads(done.stdout)["counts"]["inputs"] == 2


def test_a_dry_run_writes_nothing_and_json_reports(photos, tmp_path):
    done = anonymize(photos, "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert Manifest.model_validate_json(done.stdout).counts.redacted == 1
    assert "faces found" in done.stderr
    assert "faces redacted" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_previews_show_boxes_on_redacted_pictures(photos, tmp_path):
    done = anonymize(photos, "-o", tmp_path / "out", "--preview", "--color", "#0000ff")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out" / "preview" / "000001.jpg.jpg") as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    assert ((green > 150) & (red < 110) & (blue < 110)).sum() > 200
    assert ((blue > 200) & (red < 60) & (green < 60)).sum() > 2000


def test_previews_are_written_by_a_second_run_too(photos, tmp_path):
    out = tmp_path / "out"
    assert anonymize(photos, "-o", out).returncode == 0
    assert anonymize(photos, "-o", out, "--preview").returncode == 0
    late = (out / "preview" / "000001.jpg.jpg").read_bytes()
    assert anonymize(photos, "-o", tmp_path / "other", "--preview").returncode == 0
    assert late == (tmp_path / "other" / "preview" / "000001.jpg.jpg").read_bytes()


def test_a_dry_run_makes_no_folder(photos, tmp_path):
    assert anonymize(photos, "-o", tmp_path / "new", "--dry-run").returncode == 0
    assert not (tmp_path / "new").exists()


STARTED = """
import sys
from unionveil.cli import main
from unionveil.cli.interrupts import end_at_once
end_at_once()  # as main does first, so that the test need not guess when
print("started", flush=True)
sys.argv[0] = "unionveil"
main()
"""


@pytest.mark.parametrize("seconds", [0, 0.1, 3])
def test_ctrl_c_prints_its_sentence_at_any_time(photos, tmp_path, seconds):
    for number in range(40):
        shutil.copy(samples.SCENES / "crowd.jpg", photos / f"{number}.jpg")
    options = ["--detail", "fast", "--jobs", "1", "-o", tmp_path / "out"]
    command = [sys.executable, "-c", STARTED, "anonymize", photos, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "unionveil: interrupted; the same command continues where this one stopped"


def test_a_picture_that_takes_too_long_is_abandoned_and_retried(photos, tmp_path):
    hasty = anonymize(photos, "-o", tmp_path / "out", "--timeout", "0.001")
    assert hasty.returncode == 1
    assert "took longer than 0.001 seconds" in hasty.stderr
    again = anonymize(photos, "-o", tmp_path / "out", "--overwrite")
    assert again.returncode == 0


FULL = Path("/dev/full")
is_linux = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@is_linux
@pytest.mark.parametrize("arguments", [("state", "show"), ("--help",), ("models", "list")])
def test_standard_output_that_cannot_be_written_is_one_sentence(arguments):
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "unionveil", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr.startswith("unionveil: standard output or another open file cannot be used: No space")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


@is_linux
@pytest.mark.parametrize(("named", "code"), [("{photos}", 0), ("{photos}/nothing", 2)])
def test_standard_error_that_cannot_be_written_changes_no_result(photos, tmp_path, named, code):
    program = (sys.executable, "-m", "unionveil", "anonymize")
    with FULL.open("w") as full:
        done = subprocess.run(
            [*program, "--detail", "fast", named.format(photos=photos), "-o", str(tmp_path / "out")],
            stdout=subprocess.DEVNULL,
            stderr=full,
            check=False,
        )
    assert done.returncode == code
    assert (tmp_path / "out" / "manifest.json").exists() == (code == 0)


def test_an_error_of_the_system_is_one_sentence(capfd):
    def failing():
        raise PermissionError(13, "Permission denied", "/somewhere")

    with pytest.raises(SystemExit) as ended:
        run_command(failing)
    assert ended.value.code == 2
    assert capfd.readouterr().err == "unionveil: /somewhere cannot be used: Permission denied\n"


def test_a_salt_need_not_be_utf_8(photos, tmp_path):
    (photos / "street.jpg").unlink()
    assert anonymize(photos, "-o", tmp_path / "out", "--digest-salt", "\udcff").returncode == 0
    (item,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["items"]
    salt = "\udcff".encode(errors="surrogatepass")
    assert item["input_digest"] == salted_digest((photos / "market.jpg").read_bytes(), salt)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "{tmp}/caf\udce9", "--croissant", "{tmp}/about.json"), "'caf\\udce9' is not UTF-8"),
        (("-o", "{tmp}/out", "--method", "overlay", "--picture", "\udce9.png"), "is not text in UTF-8"),
        (("-o", "{tmp}/out", "--detector", "yolo:\udce9.onnx"), "does not exist"),
    ],
)
def test_a_name_that_is_not_utf_8_is_refused_at_once(photos, tmp_path, capfd, arguments, sentence):
    about = {"name": "S", "description": "P", "author": "A", "license": "CC-BY-4.0"}
    (tmp_path / "about.json").write_text(json.dumps(about))
    filled = [one.format(tmp=tmp_path) for one in arguments]
    assert sentence in refusal(capfd, "anonymize", photos, *filled)
    assert not list(tmp_path.glob("*/manifest.json"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("watch", "{photos}", "-o", "{tmp}/out"),
            "contains the outputs of another run; choose an empty folder",
        ),
        (
            ("merge", "{tmp}/out", "-o", "{tmp}/other"),
            "already exists with other content; choose an empty folder",
        ),
    ],
)
def test_only_options_that_a_command_has_are_named(photos, tmp_path, capfd, arguments, sentence):
    assert anonymize(photos, "-o", tmp_path / "out", "--quality", "90").returncode == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "000001.jpg").write_bytes(b"something else")
    filled = [one.format(photos=photos, tmp=tmp_path) for one in arguments]
    assert refusal(capfd, *filled).endswith(f"{sentence}\n")


@pytest.mark.parametrize("more", [[], ["--names", "keep"], ["--overwrite"], ["--prune"]])
def test_a_folder_with_other_files_is_not_an_output_folder(photos, more):
    """Nothing but the files in the manifest may be beside the outputs, least of all the originals."""
    done = anonymize("market.jpg", "-o", ".", *more, cwd=photos)
    assert done.returncode == 2
    assert "contains files that are not outputs of this run: " in done.stderr
    assert sorted(path.name for path in photos.iterdir()) == ["market.jpg", "street.jpg"]
    assert (photos / "market.jpg").read_bytes() == (samples.SCENES / "market.jpg").read_bytes()


def test_an_input_is_never_written_over(photos):
    (photos / "street.jpg").unlink()
    done = anonymize("market.jpg", "-o", ".", "--names", "keep", "--overwrite", cwd=photos)
    assert done.returncode == 2
    assert "is an input and is not overwritten" in done.stderr
    assert (photos / "market.jpg").read_bytes() == (samples.SCENES / "market.jpg").read_bytes()


def test_an_overlay_of_ones_own(photos, tmp_path):
    Image.new("RGBA", (20, 20), (0, 200, 0, 255)).save(tmp_path / "mine.png")
    done = anonymize(
        photos, "-o", tmp_path / "out", "--method", "overlay", "--picture", tmp_path / "mine.png"
    )
    assert done.returncode == 0, done.stderr


def test_without_a_state_folder_it_still_works(photos, tmp_path):
    (tmp_path / "state").write_bytes(b"")
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    done = anonymize(photos, "-o", tmp_path / "out", env=environment)
    assert done.returncode == 0
    assert "the state folder cannot be written to" in done.stderr
    # What the note says is true.
    assert "a second run needs an empty folder or --overwrite" in " ".join(done.stderr.split())
    assert anonymize(photos, "-o", tmp_path / "out", env=environment).returncode == 2
    assert anonymize(photos, "-o", tmp_path / "out", "--overwrite", env=environment).returncode == 0


def test_models_list_fetch_verify(tmp_path):
    listed = run("models", "list", env={**os.environ, "COLUMNS": "200"})
    assert listed.returncode == 0
    for name in ("retinaface", "retinaface-mnet025", "yunet", "haar", "centerface", "yolo:FILE.onnx"):
        assert name in listed.stdout
    verified = run("models", "verify")
    assert verified.returncode == 0
    assert "retinaface: here" in verified.stdout
    unknown = run("models", "fetch", "mtcnn")
    assert unknown.returncode == 2
    assert "there is no model 'mtcnn'" in unknown.stderr
    (tmp_path / "yunet_n_dynamic.onnx").write_bytes(b"altered")
    altered = run("models", "verify", env={**os.environ, "UNIONVEIL_MODEL_DIR": str(tmp_path)})
    assert altered.returncode == 1
    assert "yunet: altered" in altered.stdout


def test_version_and_help():
    assert __version__ in run("--version").stdout
    text = run("anonymize", "--help").stdout
    for flag in (
        "--detector",
        "--method",
        "--shape",
        "--margin",
        "--threshold",
        "--detail",
        "--names",
        "--dry-run",
        "--preview",
        "--json",
        "--jobs",
    ):
        assert flag in text


def test_state_is_shown_and_cleared(photos, tmp_path):
    assert anonymize(photos, "-o", tmp_path / "out").returncode == 0
    shown = run("state", "show").stdout
    assert str(tmp_path / "state") in shown
    assert "journals  1" in shown
    assert run("state", "clear").stdout == "1 journal removed\n"
    assert "journals  0" in run("state", "show").stdout
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]


def test_a_phones_folder_ends_with_0_and_odd_names_are_escaped(photos, tmp_path):
    for name in ("market.xmp", "market.jpg.json", "Picasa.ini", "notes.txt"):
        (photos / name).write_text("{}")
    done = anonymize(photos, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "pictures        2" in done.stderr
    assert "skipped         4" in done.stderr
    (photos / "a\x1b[2J.jpg").write_bytes(b"garbage")
    done = anonymize(photos, "-o", tmp_path / "other", "--include", "*.jpg")
    assert "rejected: a\\x1b[2J.jpg: the file is not a picture" in done.stderr
    assert "\x1b" not in done.stderr


def test_links_are_followed_on_request(photos, tmp_path):
    (photos / "market.jpg").rename(tmp_path / "store.jpg")
    (photos / "market.jpg").symlink_to(tmp_path / "store.jpg")
    refused = anonymize(photos, "--dry-run")
    assert refused.returncode == 1
    assert "links in folders need --follow-links" in refused.stderr
    assert anonymize(photos, "--dry-run", "--follow-links").returncode == 0
