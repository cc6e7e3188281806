import json
from pathlib import Path

from unionveil import AnonymizeConfig
from unionveil.runs.journal import Journal, keyed_digest
from unionveil.runs.manifest import RedactedRecord

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
        journal.add(1, "digest", RECORD)
    with journal_of(tmp_path) as again:
        assert again.knows_run
        assert again.find(1).record == RECORD
        assert again.find(1).digest == "digest"
        assert again.find(2) is None
    for other in (
        journal_of(tmp_path, margin="0.3"),
        journal_of(tmp_path, Path("elsewhere")),
        journal_of(tmp_path, digest_salt="x"),
    ):
        with other:
            assert other.find(1) is None
            assert not other.knows_run


def test_digests_are_keyed_by_a_secret_of_the_folder(tmp_path):
    one, same, other = (journal_of(tmp_path / name).secret for name in ("a", "a", "b"))
    assert one == same != other
    assert keyed_digest(one, "", b"photo") != keyed_digest(other, "", b"photo")
    assert keyed_digest(one, "a.jpg", b"photo") != keyed_digest(one, "b.jpg", b"photo")
    assert (tmp_path / "a" / "key").stat().st_mode & 0o077 == 0


def test_a_half_written_line_loses_only_itself(tmp_path):
    with journal_of(tmp_path) as journal:
        journal.add(1, "first", RECORD)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text() + '{"run": "half')
    with journal_of(tmp_path) as journal:
        journal.add(2, "second", RECORD)
    with journal_of(tmp_path) as again:
        assert again.find(1).digest == "first"
        assert again.find(2).digest == "second"
    path.write_text(path.read_text().replace('\\"status\\"', '\\"stat\\"') + json.dumps({"run": 1}) + "\n")
    with journal_of(tmp_path) as damaged:
        assert damaged.find(3) is None


def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with journal_of(tmp_path / "file" / "below") as journal:
        assert not journal.is_kept
        journal.add(1, "digest", RECORD)
