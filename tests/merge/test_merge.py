"""Merged shards: the same bytes for any number of them, or one error message."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

import samples
from unionveil import AnonymizeConfig, InputError, OutputError
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.merge.shards import open_shards
from unionveil.merge.write import check_apart, write_merged
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.shards import Shard, ShardOfRun, ShardSource, salt_of
from unionveil.runs.work import Anonymize
from unionveil.verify import verify

SAMPLES = samples.all_samples()
SMALL = ("bmp-rgb", "gif", "png-rgb", "gif-animated")


@pytest.fixture
def photos(tmp_path):
    """Fourteen pictures, a file that is not one, and a text."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number in range(13):
        (folder / f"IMG_{number}.dat").write_bytes(SAMPLES[SMALL[number % 4]])
    shutil.copy(samples.SCENES / "portrait.jpg", folder / "sub" / "portrait.jpg")
    (folder / "broken.jpg").write_bytes(b"garbage")
    (folder / "note.txt").write_text("not an input")
    return folder


def run(photos, out, shard, salt=None, journal=False, previews=False, **settings):
    config = AnonymizeConfig.from_parameters({"detail": "fast", **settings})
    source = PathSource([photos])
    part = Shard.parse(shard)
    of_run = ShardOfRun(part, salt_of(salt, source))
    kept = Journal(out, config, shard=f"{part} {of_run.run}") if journal else None
    work = Anonymize(config, FolderSink(out), previews=previews, secret=kept.secret if kept else None)
    with kept or nullcontext():
        run_batch(ShardSource(source, part), work, SerialEngine(), journal=kept, shard=of_run)
    return out


def shards(photos, place, count, **settings):
    return [run(photos, place / f"{count}-{n}", f"{n}/{count}", **settings) for n in range(count)]


def merge(folders, out, *, link=False):
    merged = open_shards(folders)
    check_apart(merged, out)
    write_merged(merged, FolderSink(out), link=link)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("settings", [{}, {"names": "keep", "previews": True}], ids=["number", "keep"])
def test_any_number_of_shards_in_any_order_gives_the_same_bytes(photos, tmp_path, settings):
    one = merge(shards(photos, tmp_path, 1, **settings), tmp_path / "one")
    three = merge(shards(photos, tmp_path, 3, **settings)[::-1], tmp_path / "three")
    seven = shards(photos, tmp_path, 7, **settings)
    assert merge(seven[3:] + seven[:3], tmp_path / "seven") == three == one
    manifest = verify(tmp_path / "seven")
    assert [item.input for item in manifest.records()] == list(range(1, 16))
    assert manifest.head.counts.rejected == {"unreadable": 1}
    assert manifest.head.counts.skipped == 1
    text = (tmp_path / "seven" / "manifest.json").read_text()
    assert ("IMG_" in text) == ("names" in settings)


def test_a_shard_continues_where_it_stopped_and_no_other_uses_its_folder(photos, tmp_path):
    out = run(photos, tmp_path / "out", "0/2", journal=True)
    before = contents(out)
    assert len(before) > 2
    next(out.glob("*.gif")).unlink()
    run(photos, out, "0/2", journal=True)
    assert contents(out) == before
    for shard in ("1/2", "0/3"):
        with pytest.raises(OutputError, match="already contains the outputs of another run"):
            run(photos, out, shard, journal=True)
    assert contents(out) == before


def test_added_inputs_leave_all_others_in_their_shards_under_their_names(photos, tmp_path):
    before = [set(contents(folder)) for folder in shards(photos, tmp_path / "before", 3, salt="pepper")]
    (photos / "IMG_13.dat").write_bytes(SAMPLES["gif"])
    after = [set(contents(folder)) for folder in shards(photos, tmp_path / "after", 3, salt="pepper")]
    assert all(earlier <= later for earlier, later in zip(before, after, strict=True))
    assert sum(map(len, after)) == sum(map(len, before)) + 1


def test_an_interrupted_merge_continues_and_a_finished_one_stays(photos, tmp_path):
    folders = shards(photos, tmp_path, 2)
    whole = merge(folders, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    next((tmp_path / "out").glob("*.gif")).unlink()
    assert merge(folders, tmp_path / "out") == whole
    assert merge(folders, tmp_path / "out") == whole


def test_files_are_copied_or_linked(photos, tmp_path):
    folders = shards(photos, tmp_path, 2)
    assert merge(folders, tmp_path / "copied") == merge(folders, tmp_path / "linked", link=True)
    (name,) = [path.name for path in (tmp_path / "copied").glob("*.jpg")]
    assert (tmp_path / "copied" / name).stat().st_nlink == 1
    assert (tmp_path / "linked" / name).stat().st_nlink == 2


def altered_head(folder, **changes):
    (path,) = folder.glob("manifest-*.jsonl")
    head, *lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps({**json.loads(head), **changes}) + "\n", *lines]))


def refused(folders, out, sentence):
    before = [contents(folder) for folder in folders]
    with pytest.raises((InputError, OutputError), match=sentence) as caught:
        merge(folders, out)
    assert "\n" not in str(caught.value)
    assert not (out / "manifest.json").exists()
    assert [contents(folder) for folder in folders] == before


def test_a_missing_shard_is_named(photos, tmp_path):
    folders = shards(photos, tmp_path, 7)
    sentence = r"of 7 shards, 3, 5 are missing; run what is missing \(--shard 3/7\)"
    refused([folders[n] for n in (0, 1, 2, 4, 6)], tmp_path / "out", sentence)


def test_shards_that_overlap_are_refused(photos, tmp_path):
    one, two = shards(photos, tmp_path, 2)
    again = shutil.copytree(one, tmp_path / "again")
    refused([one, again, two], tmp_path / "out", "both contain shard 0/2; name each shard once")
    (only,) = shards(photos, tmp_path, 1)
    refused([one, only], tmp_path / "out", "is one of 2 shards and .* one of 1")
    # A shard that claims to be another one holds inputs twice.
    (path,) = again.glob("manifest-*.jsonl")
    altered_head(again, shard={**json.loads(path.read_text().split("\n")[0])["shard"], "index": 1})
    refused([one, again], tmp_path / "out", "contain the same input")


FOREIGN: dict[str, tuple[dict[str, object], str]] = {
    "weights": ({"models": []}, "made with different weights"),
    "tool": ({"tool": {"name": "unionveil", "version": "9.9"}}, r"different tool \(version 0.* and 9\.9\)"),
    "engine": (
        {"inference": {"engine": "openvino", "version": "1", "precision": "bfloat16"}},
        r"different engine \(onnxruntime .* and openvino 1 bfloat16\)",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_shards_of_other_weights_and_tools_are_refused(photos, tmp_path, case):
    changes, sentence = FOREIGN[case]
    one, two = shards(photos, tmp_path, 2)
    altered_head(two, **changes)
    refused([one, two], tmp_path / "out", sentence)


def test_shards_of_other_settings_and_other_inputs_are_refused(photos, tmp_path):
    one = run(photos, tmp_path / "one", "0/2")
    other = run(photos, tmp_path / "other", "1/2", margin="0.3")
    refused([one, other], tmp_path / "out", r"different configuration \(margin\)")
    salted = run(photos, tmp_path / "salted", "1/2", salt="pepper")
    refused([one, salted], tmp_path / "out", "shards of different runs: their inputs or their salts differ")
    (photos / "more.gif").write_bytes(SAMPLES["gif"])
    later = run(photos, tmp_path / "later", "1/2")
    refused([one, later], tmp_path / "out", "shards of different runs")


def test_damaged_shards_are_refused(photos, tmp_path):
    one, two = shards(photos, tmp_path, 2)
    (path,) = two.glob("manifest-*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    refused([one, two], tmp_path / "out", "is cut off or was altered")
    path.write_text("".join([*lines[:-2], lines[-1], lines[-2]]))
    refused([one, two], tmp_path / "out", "was altered")
    path.write_text("".join(lines)[:-20])
    refused([one, two], tmp_path / "out", "is not a manifest that this version reads")
    path.write_text("".join(lines))
    picture = next(two.glob("*.gif"))
    data = picture.read_bytes()
    picture.write_bytes(data[:-1] + b"?")
    refused([one, two], tmp_path / "out", "was altered: its SHA-256")
    picture.unlink()
    refused([one, two], tmp_path / "out", "is missing; run its shard again")
    picture.write_bytes(data)
    merge([one, two], tmp_path / "out")
    assert verify(tmp_path / "out")


def test_a_manifest_that_leads_out_is_refused(photos, tmp_path):
    one, two = shards(photos, tmp_path, 2)
    (path,) = two.glob("manifest-*.jsonl")
    name = json.loads(path.read_text().splitlines()[1])["output"]
    path.write_text(path.read_text().replace(f'"{name}"', '"../secret.gif"'))
    (tmp_path / "secret.gif").write_bytes((two / name).read_bytes())
    refused([one, two], tmp_path / "out", r"names '\.\./secret\.gif', a name that no run uses")


@pytest.mark.parametrize("name", ["manifest.json", "manifest-00000-of-00002.jsonl"])
def test_an_output_with_the_name_of_a_manifest_is_refused(photos, tmp_path, name):
    one, two = shards(photos, tmp_path, 2)
    (path,) = two.glob("manifest-*.jsonl")
    output = json.loads(path.read_text().splitlines()[1])["output"]
    path.write_text(path.read_text().replace(f'"{output}"', f'"{name}"'))
    refused([one, two], tmp_path / "out", "a name that no run uses")


def test_folders_that_are_not_shards_are_refused(photos, tmp_path):
    one, two = shards(photos, tmp_path, 2)
    refused([photos, one], tmp_path / "out", "contains no manifest, so its run has not finished")
    whole = tmp_path / "whole"
    merge([one, two], whole)
    refused([whole, one], tmp_path / "out", r"contains a whole run \(manifest\.json\), not a shard")
    shutil.copy(whole / "manifest.json", one)
    refused([one, two], tmp_path / "out", "contains 2 manifests")


def test_an_output_folder_with_other_files_or_in_a_shard_is_refused(photos, tmp_path):
    one, two = shards(photos, tmp_path, 2)
    with pytest.raises(OutputError, match="overlap"):
        merge([one, two], one / "below")
    with pytest.raises(OutputError, match="overlap"):
        merge([one, two], tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    refused([one, two], out, r"contains 'diary\.txt', which is not an output of these shards")
    assert contents(out) == {"diary.txt": b"mine"}


def test_a_single_whole_run_is_read_unchanged(photos, tmp_path):
    out = tmp_path / "out"
    config = AnonymizeConfig(detail="fast")
    run_batch(PathSource([photos]), Anonymize(config, FolderSink(out)), SerialEngine())
    assert merge([out], tmp_path / "copy") == contents(out)
