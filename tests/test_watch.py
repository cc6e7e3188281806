"""A watched folder, scan by scan: nothing is lost, nothing is done twice, and no partial file is read."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import samples
from refusals import refusal
from unionveil import AnonymizeConfig, InputError, OutputError
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.schema import Manifest
from unionveil.runs.work import Anonymize
from unionveil.verify import verify
from unionveil.watch import Watch

CONFIG = AnonymizeConfig.from_parameters({"detail": "fast", "names": "keep"})
PNG, JPEG, GIF = (samples.all_samples()[name] for name in ("png-rgb", "jpeg-420", "gif-animated"))


class Watched:
    """A watch over `inbox`, and its results."""

    def __init__(self, tmp_path: Path, *, prune: bool = False, config: AnonymizeConfig = CONFIG) -> None:
        self.inbox, self.out = tmp_path / "inbox", tmp_path / "out"
        self.inbox.mkdir(exist_ok=True)
        self.worked: list[str] = []
        self.lines: list[str] = []
        sink = FolderSink(self.out, overwrite=True, inputs=[self.inbox])
        self._journal = Journal(sink.folder, config)
        self._journal.__enter__()
        work = Anonymize(config, sink, secret=self._journal.secret)
        anonymize = work.start(1)

        def do(tasks):
            for key, task in tasks:
                done = anonymize(task)
                if not done.is_known:
                    self.worked.append(task.name)
                yield key, done

        try:
            self.watch = Watch(
                self.inbox,
                work,
                sink,
                self._journal,
                do,
                prune=prune,
                report=self.lines.append,
                reject=lambda name, detail: self.lines.append(f"rejected: {name}: {detail}"),
            )
        except OutputError:
            self.close()
            raise

    def put(self, name: str, data: bytes) -> None:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def scan(self, times: int = 2) -> bool:
        return [self.watch.round() for _ in range(times)][-1]

    def close(self) -> None:
        self._journal.__exit__()

    @property
    def outputs(self) -> list[str]:
        return sorted(p.relative_to(self.out).as_posix() for p in self.out.rglob("*") if p.is_file())

    @property
    def manifest(self) -> Manifest:
        return Manifest.model_validate_json((self.out / "manifest.json").read_bytes())


@pytest.fixture
def watched(tmp_path):
    watched = Watched(tmp_path)
    yield watched
    watched.close()


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_file_counts_when_it_stood_still_for_two_scans(watched):
    watched.put("a.png", PNG)
    assert not watched.scan(1)
    assert watched.outputs == []
    assert watched.scan(1)
    assert watched.outputs == ["a.png", "manifest.json"]
    watched.scan(3)
    assert watched.worked == ["a.png"]


def test_a_file_that_is_written_in_eight_steps_gives_one_output(watched):
    step = -(-len(JPEG) // 8)
    for end in range(step, len(JPEG) + step, step):
        watched.put("a.jpg", JPEG[:end])
        watched.scan(1)
        assert watched.worked == []
    watched.scan()
    assert watched.worked == ["a.jpg"]
    assert watched.outputs == ["a.jpg", "manifest.json"]


def test_the_folder_equals_the_output_of_a_run(watched, tmp_path):
    """In any order of arrival."""
    watched.put("z.gif", GIF)
    watched.scan()
    watched.put("b/c.jpg", JPEG)
    watched.put("notes.txt", b"Where these photos come from, and who took them.")
    watched.scan()
    with zipfile.ZipFile(watched.inbox / "many.zip", "w") as archive:
        archive.writestr("1.png", PNG)
        archive.writestr("2.jpg", JPEG[:500])
    watched.put("a.png", JPEG)
    watched.scan()
    other = tmp_path / "other"
    with Journal(other, CONFIG) as journal:
        work = Anonymize(CONFIG, FolderSink(other), secret=journal.secret)
        run_batch(PathSource([watched.inbox]), work, SerialEngine(), journal=journal)
    assert contents(watched.out) == contents(other)
    assert verify(watched.out)
    assert any("rejected: many.zip/2.jpg" in line for line in watched.lines)


def test_a_file_that_changes_is_done_again(watched):
    watched.put("a.png", PNG)
    watched.scan()
    first = (watched.out / "a.png").read_bytes()
    watched.put("a.png", samples.png(samples.RGB.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    watched.scan()
    assert (watched.out / "a.png").read_bytes() != first
    assert watched.worked == ["a.png", "a.png"]
    watched.put("a.png", JPEG)  # another format gets another name
    watched.scan()
    assert watched.outputs == ["a.png.jpg", "manifest.json"]


def test_a_file_that_becomes_unreadable_loses_its_output(watched):
    watched.put("a.png", PNG)
    watched.scan()
    watched.put("a.png", PNG[:100])
    watched.scan()
    assert watched.outputs == ["manifest.json"]
    assert [item.status for item in watched.manifest.items] == ["rejected"]


def test_an_output_outlives_its_input_unless_pruned(tmp_path):
    for prune, left in ((False, ["a.png", "b.png", "manifest.json"]), (True, ["b.png", "manifest.json"])):
        folder = tmp_path / str(prune)
        folder.mkdir()
        watched = Watched(folder, prune=prune)
        watched.put("a.png", PNG)
        watched.put("b.png", PNG)
        watched.scan()
        (watched.inbox / "a.png").unlink()
        watched.scan()
        assert watched.outputs == left
        assert verify(watched.out)
        watched.close()
        watched = Watched(folder, prune=prune)  # and a restart sees it as before
        watched.scan()
        assert watched.outputs == left
        assert watched.worked == []
        assert verify(watched.out)
        watched.close()


def test_a_file_that_goes_while_nobody_watches_is_pruned_at_the_restart(tmp_path):
    watched = Watched(tmp_path)
    watched.put("a.png", PNG)
    watched.put("b.png", PNG)
    watched.scan()
    watched.close()
    (watched.inbox / "a.png").unlink()
    watched = Watched(tmp_path, prune=True)
    watched.scan()
    assert watched.outputs == ["b.png", "manifest.json"]
    watched.close()


def test_a_restart_loses_and_duplicates_nothing(tmp_path):
    watched = Watched(tmp_path)
    watched.put("a.png", PNG)
    watched.scan()
    before = contents(watched.out)
    watched.close()
    watched = Watched(tmp_path)
    watched.put("b.gif", GIF)
    watched.scan()
    assert watched.worked == ["b.gif"]
    assert contents(watched.out).items() >= {"a.png": before["a.png"]}.items()
    assert watched.outputs == ["a.png", "b.gif", "manifest.json"]
    watched.close()


def test_other_settings_and_foreign_files_are_refused(tmp_path):
    watched = Watched(tmp_path)
    watched.put("a.png", PNG)
    watched.scan()
    watched.close()
    other = AnonymizeConfig.from_parameters({"names": "keep", "method": "pixelate"})
    with pytest.raises(OutputError, match="outputs of another run"):
        Watched(tmp_path, config=other)
    (watched.out / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.txt"):
        Watched(tmp_path)


def test_a_file_that_was_not_made_here_is_not_written_over(watched):
    watched.put("a.png", PNG)
    (watched.out / "a.png").write_text("mine")
    with pytest.raises(OutputError, match="is not an output of this command"):
        watched.scan()
    assert (watched.out / "a.png").read_text() == "mine"


def test_a_missing_folder_removes_no_outputs(tmp_path):
    watched = Watched(tmp_path, prune=True)
    watched.put("a.png", PNG)
    watched.scan()
    watched.inbox.rename(tmp_path / "elsewhere")
    assert not watched.scan()
    watched.inbox.mkdir()  # an empty mount point
    assert not watched.scan()
    assert watched.outputs == ["a.png", "manifest.json"]
    assert sum("waiting for" in line for line in watched.lines) == 1
    watched.inbox.rmdir()
    (tmp_path / "elsewhere").rename(watched.inbox)
    assert watched.scan()
    assert watched.worked == ["a.png"]
    watched.close()


def test_a_folder_that_was_never_there_is_refused(tmp_path):
    watched = Watched(tmp_path)
    watched.close()
    watched.inbox.rmdir()
    with pytest.raises(InputError, match="does not exist"):
        Watch(
            watched.inbox,
            Anonymize(CONFIG),
            FolderSink(watched.out),
            Journal(watched.out, CONFIG),
            lambda tasks: iter(()),
            prune=False,
            report=print,
            reject=print,
        )


def command(inbox, out):
    options = ["--detail", "fast", "--interval", "0.1", "--jobs", "2"]
    return [sys.executable, "-m", "unionveil", "watch", str(inbox), "-o", str(out), *options]


def wait_until(is_so, process, seconds=600.0):
    end = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def count(out):
    return sum(len(files) for _, _, files in os.walk(out))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{inbox}/nothing", "-o", "{out}"], "is not a folder; name the folder to watch"),
        (["{inbox}", "-o", "{inbox}/out"], "is in the input folder"),
        (["{inbox}", "-o", "{out}", "--names", "number"], "No such option"),
        (["{inbox}", "-o", "{out}", "--detector", "yunet"], "unionveil models fetch yunet"),
        (["{inbox}", "-o", "{out}", "--select", "keep"], "No such option"),
        (["{inbox}"], "Missing option '-o'"),
    ],
)
def test_wrong_use_is_one_clear_sentence(tmp_path, capfd, arguments, sentence):
    (tmp_path / "inbox").mkdir()
    filled = [text.format(inbox=tmp_path / "inbox", out=tmp_path / "out") for text in arguments]
    assert sentence in refusal(capfd, "watch", *filled).replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_watches_until_it_is_interrupted(tmp_path):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    process = subprocess.Popen(command(inbox, out), stderr=subprocess.PIPE, text=True)
    (inbox / "market.jpg").write_bytes((samples.SCENES / "market.jpg").read_bytes())
    wait_until(lambda: (out / "manifest.json").exists() and (out / "market.jpg").exists(), process)
    process.send_signal(2)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "1 done, 0 rejected" in said
    assert verify(out)


@pytest.mark.slow
def test_three_hundred_files_killed_at_a_hundred(tmp_path):
    kill_and_go_on(tmp_path, files=300, at=100)


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_ten_thousand_files_killed_at_three_thousand(tmp_path):
    kill_and_go_on(tmp_path, files=10_000, at=3_000)


def kill_and_go_on(tmp_path, *, files, at):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    for number in range(files):
        pixels = samples.scene(32, 24, seed=number)
        (inbox / f"{number:05d}.png").write_bytes(samples.save(Image.fromarray(pixels), "PNG"))
    process = subprocess.Popen(command(inbox, out), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: count(out) >= at, process)
    process.kill()
    process.communicate()
    killed_at = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert len(killed_at) < files
    process = subprocess.Popen(command(inbox, out), stderr=subprocess.PIPE, text=True)
    wait_until((out / "manifest.json").exists, process, 3_000)
    process.send_signal(2)
    process.communicate(timeout=60)
    assert count(out) == files + 1
    assert verify(out)
    again = {name: (out / name).stat().st_mtime_ns for name in killed_at}
    print(f"killed at {len(killed_at)}; {sum(again[n] != killed_at[n] for n in killed_at)} written again")
    assert again == killed_at
