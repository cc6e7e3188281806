from pathlib import Path

from unionveil import AnonymizeConfig
from unionveil.detect.models import CARDS
from unionveil.journal import Journal
from unionveil.manifest import RejectedRecord

RECORD = RejectedRecord(input=1, reason="unreadable", detail="x")


def journal_of(folder: Path, output: Path = Path("out"), **settings: str) -> Journal:
    return Journal(output, AnonymizeConfig.from_parameters(settings), [CARDS["retinaface"]], folder)


def test_a_record_counts_for_the_same_input_and_settings_only(tmp_path):
    with journal_of(tmp_path) as journal:
        journal.add(1, b"photo", RECORD)
    with journal_of(tmp_path) as again:
        assert again.knows_run
        assert again.find(1, b"photo") == RECORD
        assert again.find(2, b"photo") is None
        assert again.find(1, b"other") is None
    with journal_of(tmp_path, margin="0.3") as other:
        assert other.find(1, b"photo") is None
        assert not other.knows_run
    with journal_of(tmp_path, Path("elsewhere")) as other:
        assert other.find(1, b"photo") is None
    with journal_of(tmp_path, digest_salt="x") as other:
        assert other.find(1, b"photo") is None


def test_a_half_written_line_loses_only_itself(tmp_path):
    with journal_of(tmp_path) as journal:
        journal.add(1, b"photo", RECORD)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text() + '{"key": "half')
    with journal_of(tmp_path) as journal:
        journal.add(2, b"next", RECORD)
    with journal_of(tmp_path) as again:
        assert again.find(1, b"photo") == RECORD
        assert again.find(2, b"next") == RECORD


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with journal_of(tmp_path / "file" / "below") as journal:
        assert not journal.is_kept
        journal.add(1, b"photo", RECORD)
