"""Shards: independent parts of a run."""

import pytest

import samples
from unionveil import AnonymizeConfig, ConfigError
from unionveil.content import BytesContent
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource, SourceItem
from unionveil.runs.batch import run_batch
from unionveil.runs.shards import Keys, Shard, ShardOfRun, ShardSource, check_shardable, salt_of
from unionveil.runs.work import Anonymize

SAMPLES = samples.all_samples()
GIF, PNG = SAMPLES["gif"], SAMPLES["png-rgb"]


def test_every_name_is_in_one_shard_independent_of_others():
    names = [f"album {n % 7}/IMG_{n}.jpg" for n in range(3000)]
    parts = [{name for name in names if Shard(index, 7).has(name)} for index in range(7)]
    assert sum(map(len, parts)) == len(names)
    assert set().union(*parts) == set(names)
    assert all(300 < len(part) < 560 for part in parts)


@pytest.mark.parametrize("text", ["", "1", "1/", "/3", "-1/3", "3/3", "0/0", "0/1000000", "1.0/3", "a/b"])
def test_a_shard_that_is_not_there_is_refused(text):
    with pytest.raises(ConfigError, match="shard: "):
        Shard.parse(text)


def test_keys_need_the_salt_and_differ_for_members_of_one_name():
    keys, same, other = Keys(b"salt"), Keys(b"salt"), Keys(b"pepper")
    first, second = keys.key("a.jpg"), keys.key("a.jpg")
    assert first != second
    assert same.key("a.jpg") == first
    assert other.key("a.jpg") != first
    assert keys.key("caf\udce9\ud800.jpg") != keys.key("caf.jpg")


def test_the_salt_follows_from_all_inputs_or_from_the_user(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    one, given = salt_of(None, PathSource([tmp_path])), salt_of("pepper", PathSource([tmp_path]))
    (tmp_path / "b.jpg").write_bytes(b"1")
    assert salt_of(None, PathSource([tmp_path])) != one
    assert salt_of("pepper", PathSource([tmp_path])) == given != one


def test_an_archive_stays_in_one_shard_and_a_single_one_is_distributed(tmp_path):
    import zipfile

    for archive in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / archive, "w") as file:
            for number in range(20):
                file.writestr(f"{number}.gif", GIF)
    both, one = PathSource([tmp_path]), PathSource([tmp_path / "a.zip"])
    parts = [list(ShardSource(both, Shard(index, 2))) for index in range(2)]
    assert sorted(map(len, parts)) in ([0, 40], [20, 20])
    parts = [list(ShardSource(one, Shard(index, 2))) for index in range(2)]
    assert sum(map(len, parts)) == 20
    assert all(parts)


def test_methods_that_need_all_faces_are_refused():
    check_shardable(AnonymizeConfig())
    with pytest.raises(ConfigError, match="method ksame compares the faces of all inputs"):
        check_shardable(AnonymizeConfig.from_parameters({"method": "ksame"}))


def test_kept_names_carry_their_key_and_clash_with_nothing(tmp_path):
    names = ["a.png", "A.PNG", "a.png", "preview/a.png", "a.png/b.png", "n" * 255 + ".png"]
    items = [SourceItem(name, BytesContent(PNG)) for name in names]
    config = AnonymizeConfig(names="keep", detail="fast")
    shard = ShardOfRun(Shard(0, 1), b"salt")
    sink = FolderSink(tmp_path)
    run_batch(items, Anonymize(config, sink, previews=True), SerialEngine(), shard=shard)
    outputs = [name for name in sink.files() if not name.startswith(("preview/", "manifest-"))]
    keys = Keys(b"salt")
    assert len(outputs) == len(names)
    for name in names:
        key = keys.key(name)
        assert sum(f"-{key}.png" in output.lower() for output in outputs) == 1
