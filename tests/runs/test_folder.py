"""The output folder matches its manifest: it holds no file that the manifest does not list."""

import shutil
import threading
from contextlib import nullcontext

import pytest

import samples
from unionveil import AnonymizeConfig, OutputError, Rejected
from unionveil.content import BytesContent
from unionveil.engines.serial import SerialEngine
from unionveil.errors import OutputLeft
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource, SourceItem
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.schema import Manifest
from unionveil.runs.work import Anonymize
from unionveil.verify import verify

GIF = samples.all_samples()["gif"]
PNG = samples.all_samples()["png-rgb"]


@pytest.fixture
def photos(tmp_path):
    """Three small pictures of different content."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("bmp-rgb", "gif", "png-rgb")):
        (folder / f"{number}.dat").write_bytes(samples.all_samples()[name])
    return folder


def run(photos, out, *, journal=True, overwrite=False, prune=False, previews=False, engine=None, **settings):
    config = AnonymizeConfig.from_parameters({"detail": "fast", **settings})
    kept = Journal(out, config) if journal else None
    may_replace = overwrite or (prune and config.names == "number")
    sink = FolderSink(out, overwrite=may_replace, inputs=[photos])
    work = Anonymize(config, sink, previews=previews, secret=kept.secret if kept else None)
    with kept or nullcontext():
        run_batch(PathSource([photos]), work, engine or SerialEngine(), journal=kept, prune=prune)
    return names(out)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def is_the_manifest(folder):
    verify(folder)
    return True


@pytest.mark.parametrize("kept_names", ["number", "keep"])
def test_the_output_of_a_withdrawn_input_is_refused_and_pruned(photos, tmp_path, kept_names):
    out = tmp_path / "out"
    run(photos, out, names=kept_names)
    before = contents(out)
    (photos / "0.dat").unlink()
    with pytest.raises(OutputLeft, match=r"outputs of inputs that no longer exist.*move them away$"):
        run(photos, out, names=kept_names)
    assert contents(out) == before
    run(photos, out, names=kept_names, prune=True)
    assert is_the_manifest(out)
    run(photos, tmp_path / "fresh", names=kept_names)
    assert contents(out) == contents(tmp_path / "fresh")


def test_prune_never_removes_outputs_of_another_run(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    before = contents(out)
    with pytest.raises(OutputError, match="already contains the outputs of another run"):
        run(photos, out, prune=True, margin="0.3")
    assert contents(out) == before


def test_overwrite_removes_the_rest_of_another_run(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out, names="keep", previews=True)
    (photos / "0.dat").unlink()
    run(photos, out, overwrite=True)
    assert names(out) == ["000001.gif", "000002.png", "manifest.json"]
    assert is_the_manifest(out)


def test_a_killed_run_with_other_settings_is_refused_by_its_journal(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    (out / "manifest.json").unlink()
    with pytest.raises(OutputError, match="already contains the outputs of another run"):
        run(photos, out, margin="0.3")


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"prune": True}, {"journal": False}])
def test_a_file_that_no_run_made_is_named_and_never_removed(photos, tmp_path, options):
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary\x1b.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"not outputs of this run: 'diary\\x1b\.txt'"):
        run(photos, out, **options)
    assert contents(out) == {"diary\x1b.txt": b"mine"}


def test_system_files_in_a_folder_are_ignored(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    (out / ".DS_Store").write_bytes(b"x")
    (out / "@eaDir").mkdir()
    (out / "@eaDir" / "x").write_bytes(b"x")
    run(photos, out)


def test_unfinished_files_of_a_killed_run_are_removed_by_the_next(photos, tmp_path):
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / ".unionveil-abc123_x").write_bytes(b"half")
    (out / "sub" / ".unionveil-00000000").write_bytes(b"half")
    assert run(photos, out) == ["000001.bmp", "000002.gif", "000003.png", "manifest.json"]
    assert not (out / "sub").exists()


def test_an_output_whose_input_is_now_refused_does_not_stay(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    # Still a GIF by its first bytes, so its name is reserved.
    (photos / "1.dat").write_bytes(GIF[:200])
    with pytest.raises(OutputError, match=r"000002\.gif"):
        run(photos, out)
    run(photos, out, prune=True)
    assert names(out) == ["000001.bmp", "000003.png", "manifest.json"]


def test_previews_are_listed_and_follow_their_outputs(photos, tmp_path):
    out = tmp_path / "out"
    plain = run(photos, out)
    run(photos, out, previews=True)
    assert is_the_manifest(out)
    with_previews = contents(out)
    assert len(with_previews) == 2 * len(plain) - 1
    run(photos, out)  # they stay, and stay listed
    assert contents(out) == with_previews
    (out / "preview" / "000002.gif.jpg").unlink()
    run(photos, out)
    assert is_the_manifest(out)
    run(photos, out, previews=True)
    assert contents(out) == with_previews


def test_a_preview_never_replaces_an_output(photos, tmp_path):
    (photos / "preview").mkdir()
    shutil.copy(photos / "2.dat", photos / "preview" / "2.dat.png.jpg")
    shutil.copy(photos / "2.dat", photos / "2.dat.png")
    run(photos, tmp_path / "out", previews=True, names="keep")
    assert is_the_manifest(tmp_path / "out")
    assert "preview-2/2.dat.png.jpg.png" in names(tmp_path / "out")


def test_a_renamed_input_is_a_new_one_where_names_are_kept(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out, names="keep")
    (photos / "2.dat").rename(photos / "9.dat")
    with pytest.raises(OutputError, match=r"'2\.dat\.png'"):
        run(photos, out, names="keep")
    run(photos, out, names="keep", prune=True)
    assert names(out) == ["0.dat.bmp", "1.dat.gif", "9.dat.png", "manifest.json"]


class Removing:
    """An engine that removes the output folder during the work."""

    def __init__(self, folder, *, anew):
        self._folder = folder
        self._anew = anew

    def map(self, work, tasks):
        for number, done in enumerate(SerialEngine().map(work, tasks)):
            yield done
            if number == 0:
                shutil.rmtree(self._folder)
                if self._anew:
                    self._folder.mkdir()


@pytest.mark.parametrize(
    ("anew", "sentence"), [(False, "was removed during the run"), (True, "were removed")]
)
def test_a_folder_that_is_deleted_in_mid_run_is_an_error(photos, tmp_path, anew, sentence):
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=sentence):
        run(photos, out, engine=Removing(out, anew=anew))
    assert not (out / "manifest.json").exists()
    run(photos, out)
    assert is_the_manifest(out)


class Waiting:
    """An engine that blocks a run until it is released."""

    def __init__(self):
        self.began, self.may_end = threading.Event(), threading.Event()

    def map(self, work, tasks):
        self.began.set()
        assert self.may_end.wait(60)
        yield from SerialEngine().map(work, tasks)


def test_two_runs_at_once_into_one_folder(photos, tmp_path):
    out, engine = tmp_path / "out", Waiting()
    first = threading.Thread(target=lambda: run(photos, out, engine=engine))
    first.start()
    assert engine.began.wait(60)
    with pytest.raises(OutputError, match="another run is writing into"):
        run(photos, out)
    engine.may_end.set()
    first.join()
    assert is_the_manifest(out)


def test_the_manifest_names_no_file_of_this_machine(photos, tmp_path):
    from PIL import Image

    picture = tmp_path / "secret-folder" / "mine.png"
    picture.parent.mkdir()
    Image.new("RGBA", (20, 20), (0, 200, 0, 255)).save(picture)
    run(photos, tmp_path / "out", method="overlay", picture=str(picture))
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert "secret-folder" not in text
    assert "mine.png" not in text
    assert '"picture": "sha256:' in text
    # Another picture at the same place is another run.
    Image.new("RGBA", (20, 20), (200, 0, 0, 255)).save(picture)
    with pytest.raises(OutputError, match="another run"):
        run(photos, tmp_path / "out", method="overlay", picture=str(picture))


ODD_NAMES = ["caf\udce9.png", "\x1b[2J\u202e.png", "n" * 255, "con.png", "a:b\\c.png", "x" * 300 + "/y.png"]


@pytest.mark.parametrize("kept_names", ["number", "keep"])
def test_no_name_ends_a_run_or_reaches_the_manifest_unescaped(tmp_path, kept_names):
    odd = [SourceItem(name, BytesContent(PNG)) for name in ODD_NAMES]
    odd += [SourceItem(name, Rejected("x", "\x1b[31m")) for name in ODD_NAMES]
    config = AnonymizeConfig(names=kept_names, detail="fast")
    run_batch(odd, Anonymize(config, FolderSink(tmp_path)), SerialEngine())
    assert is_the_manifest(tmp_path)
    text = (tmp_path / "manifest.json").read_text()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(Manifest.model_validate_json(text).items) == 2 * len(ODD_NAMES)


@pytest.mark.parametrize("name", ["lost+found", "@eaDir"])
def test_inputs_in_a_folder_with_a_name_of_systems_have_outputs(tmp_path, name):
    items = [SourceItem(f"{name}/a.png", BytesContent(PNG)), SourceItem("b/a.png", BytesContent(PNG))]
    work = Anonymize(AnonymizeConfig(names="keep", detail="fast"), FolderSink(tmp_path / "out"))
    run_batch(items, work, SerialEngine())
    assert names(tmp_path / "out") == sorted([f"{name}_/a.png", "b/a.png", "manifest.json"])
