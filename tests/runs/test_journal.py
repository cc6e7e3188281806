import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checked import present
from unionveil import AnonymizeConfig
from unionveil.errors import OutputError
from unionveil.runs.journal import Journal, clear, kept, keyed_digest
from unionveil.runs.schema import RedactedRecord

RECORD = RedactedRecord(
    input=1,
    output="000001.jpg",
    sha256="0" * 64,
    size_bytes=1,
    format="jpeg",
    size_wh=(1, 1),
    frames=1,
    faces=(),
)


def journal_of(folder: Path, output: Path = Path("out"), **settings: str) -> Journal:
    return Journal(output, AnonymizeConfig.from_parameters(settings), folder)


def test_a_record_counts_for_the_same_settings_and_output_only(tmp_path):
    with journal_of(tmp_path) as journal:
        journal.add("digest", RECORD)
    with journal_of(tmp_path) as again:
        assert again.knows_run
        assert present(again.find("000001.jpg")).confirmed(1, again.secret, RECORD.sha256) == RECORD
        assert present(again.find("000001.jpg")).confirmed(1, again.secret, "1" * 64) is None
        assert present(again.find("000001.jpg")).confirmed(1, again.secret, None) is None
        assert present(again.find("000001.jpg")).digest == "digest"
        assert again.find("000002.jpg") is None
    for other in (
        journal_of(tmp_path, margin="0.3"),
        journal_of(tmp_path, Path("elsewhere")),
        journal_of(tmp_path, digest_salt="x"),
    ):
        with other:
            assert other.find("000001.jpg") is None
            assert not other.knows_run


def test_digests_are_keyed_by_a_secret_of_the_folder(tmp_path):
    one, same, other = (journal_of(tmp_path / name).secret for name in ("a", "a", "b"))
    assert one == same != other
    assert keyed_digest(one, "", b"photo") != keyed_digest(other, "", b"photo")
    assert keyed_digest(one, "a.jpg", b"photo") != keyed_digest(one, "b.jpg", b"photo")
    assert (tmp_path / "a" / "key").stat().st_mode & 0o077 == 0


def test_a_half_written_line_loses_only_itself(tmp_path):
    with journal_of(tmp_path) as journal:
        journal.add("first", RECORD)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text() + '{"run": "half')
    with journal_of(tmp_path) as journal:
        journal.add("second", RECORD.model_copy(update={"output": "000002.jpg"}))
    with journal_of(tmp_path) as again:
        assert present(again.find("000001.jpg")).digest == "first"
        assert present(again.find("000002.jpg")).digest == "second"
    path.write_text(path.read_text().replace('\\"status\\"', '\\"stat\\"') + json.dumps({"run": 1}) + "\n")
    with journal_of(tmp_path) as damaged:
        assert damaged.find("000003.jpg") is None


def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with journal_of(tmp_path / "file" / "below") as journal:
        assert not journal.is_kept
        journal.add("digest", RECORD)


def test_no_plain_digest_of_an_output_is_kept(tmp_path):
    """The output of a picture without a face may equal the input, so its digest would be the original's."""
    with journal_of(tmp_path) as journal:
        journal.reserve("000001.jpg")
        journal.add("digest", RECORD)
    (path,) = tmp_path.glob("*.jsonl")
    assert "000001.jpg" in path.read_text()
    assert RECORD.sha256 not in path.read_text()


def test_names_are_kept_before_anything_is_written(tmp_path):
    with journal_of(tmp_path) as journal:
        assert not journal.knows_run
        journal.reserve("000001.jpg", "preview/000001.jpg.jpg")
    with journal_of(tmp_path) as again, journal_of(tmp_path, margin="0.3") as other:
        assert again.knows_run
        assert not other.knows_run
        for journal in (again, other):
            assert len(journal.written) == 2
            assert "000001.jpg" in journal.written
            assert "preview/000001.jpg.jpg" in journal.written
            assert "000002.jpg" not in journal.written


def test_journals_that_were_not_used_for_90_days_are_removed(tmp_path):
    for name, days in (("old", 91), ("young", 89)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("{}\n")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    with journal_of(tmp_path):
        assert sorted(path.stem for path in tmp_path.glob("*.jsonl"))[-1] == "young"
        assert not (tmp_path / "old.jsonl").exists()
    state = kept(tmp_path)
    assert state.journals == 2
    assert 88.9 < state.oldest_days < 89.1
    assert clear(tmp_path) == 2
    assert not list(tmp_path.iterdir())


def test_the_state_of_a_run_in_progress_is_not_removed(tmp_path):
    with journal_of(tmp_path, Path("other")):
        pass
    with journal_of(tmp_path) as journal, journal_of(tmp_path, margin="0.3"):
        journal.add("digest", RECORD)
        with pytest.raises(OutputError, match="in progress"):
            clear(tmp_path)
        assert len(list(tmp_path.glob("*.jsonl"))) == 2
        assert (tmp_path / "key").exists()
    assert clear(tmp_path) == 2


def limit_files_to_10_kb():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def test_a_full_disk_ends_the_journal_and_not_the_run(tmp_path):
    """A limit on file sizes fails in the middle of a write, like a full disk."""
    code = f"""
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from unionveil import AnonymizeConfig
from unionveil.runs.journal import Journal
with Journal(Path("out"), AnonymizeConfig(), Path({str(tmp_path)!r})) as journal:
    for number in range(1000):
        journal.reserve(f"{{number:06d}}.jpg")
    print(journal.is_kept)
with Journal(Path("out"), AnonymizeConfig(), Path({str(tmp_path)!r})) as journal:
    print(len(journal.written) > 50)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=limit_files_to_10_kb,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
