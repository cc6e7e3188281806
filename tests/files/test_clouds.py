"""Azure's own emulator, a real S3 server and a double of Google: runs, merges and changed objects."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

import samples
import weed
from azurite import CONTAINER, KEY, azurite
from gcs_double import BUCKET, SECRET, gcs
from unionveil.files.stores import Store, StoreContent, StoreUrl
from unionveil.verify import verify

SAMPLES = samples.all_samples()


@dataclass(frozen=True)
class Cloud:
    """A running store.

    Attributes:
        bucket: its URI.
        secret: appears in no output.
        environment: with which a program reaches it.
    """

    bucket: str
    secret: str
    environment: dict[str, str]


@pytest.fixture(
    scope="module",
    params=[
        "gs",
        pytest.param("s3", marks=pytest.mark.slow),
        pytest.param("az", marks=[pytest.mark.slow, pytest.mark.node]),
    ],
)
def cloud(request, tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("obstore", reason="no obstore here: pip install 'unionveil[cloud]'")
    if request.param == "az":
        with azurite(tmp_path_factory.mktemp("azurite")) as environment:
            yield Cloud(f"az://{CONTAINER}", KEY, environment)
    elif request.param == "s3":
        with weed.weed(tmp_path_factory.mktemp("weed")) as server:
            yield Cloud("s3://photos", weed.SECRET, server.environment)
    else:
        with gcs() as environment:
            yield Cloud(f"gs://{BUCKET}", SECRET, environment)


@pytest.fixture
def place(cloud, monkeypatch, tmp_path):
    """Makes stores in a folder of the bucket that is this test's own."""
    from unionveil.files import stores

    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    stores._open.cache_clear()
    # The S3 server makes a bucket with the first object in it.
    put(Store(StoreUrl.parse(f"{cloud.bucket}/{tmp_path.name}/first")), "object", b"")
    yield lambda name: Store(StoreUrl.parse(f"{cloud.bucket}/{tmp_path.name}/{name}"), patience_seconds=5)
    stores._open.cache_clear()


def put(store: Store, key: str, data: bytes) -> None:
    store.put(key, data, hashlib.sha256(data).hexdigest())


def run(cloud, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unionveil", "anonymize", *map(str, words), "--detail", "fast"]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | cloud.environment)


def test_a_run_writes_the_same_bytes_as_a_local_one_and_has_nothing_to_do_again(cloud, place, tmp_path):
    source, target = place("in"), place("out")
    (tmp_path / "in").mkdir()
    for name in ("gif", "png-rgb"):
        (tmp_path / "in" / f"{name}.dat").write_bytes(SAMPLES[name])
        put(source, f"{name}.dat", SAMPLES[name])
    done = run(cloud, source.url, "-o", target.url)
    assert done.returncode == 0, done.stderr
    assert cloud.secret not in done.stdout + done.stderr
    before = {each.key: each.etag for each in target.objects()}
    assert run(cloud, tmp_path / "in", "-o", tmp_path / "local").returncode == 0
    (tmp_path / "fetched").mkdir()
    for key in before:
        (tmp_path / "fetched" / key).write_bytes(target.get(key))
        assert (tmp_path / "fetched" / key).read_bytes() == (tmp_path / "local" / key).read_bytes()
    assert verify(tmp_path / "fetched").head.counts.inputs == 2
    assert run(cloud, source.url, "-o", target.url).returncode == 0
    after = {each.key: each.etag for each in target.objects()}
    assert after | {"manifest.json": before["manifest.json"]} == before  # Azure: every write has a new etag


def shards_in(cloud, place, tmp_path) -> list[Store]:
    """Two shards of a run, in folders of the bucket."""
    (tmp_path / "photos").mkdir()
    for name in ("gif", "png-rgb", "bmp-rgb"):
        (tmp_path / "photos" / f"{name}.dat").write_bytes(SAMPLES[name])
    parts = [place("part-0"), place("part-1")]
    for number, part in enumerate(parts):
        done = run(cloud, tmp_path / "photos", "-o", part.url, "--shard", f"{number}/2")
        assert done.returncode == 0, done.stderr
    return parts


def merge(cloud, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unionveil", "merge", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | cloud.environment)


def test_shards_are_merged_within_the_bucket_out_of_it_and_into_it(cloud, place, tmp_path):
    parts = shards_in(cloud, place, tmp_path)
    urls = [part.url for part in parts]
    local, back, there = tmp_path / "local", place("back"), place("whole")
    assert merge(cloud, *urls, "-o", local).returncode == 0
    wanted = {path.name: path.read_bytes() for path in local.iterdir()}
    assert verify(local).head.counts.inputs == 3
    for target, sources in ((there, urls[::-1]), (back, None)):
        if sources is None:
            folders = [tmp_path / f"own-{n}" for n in range(2)]
            for number, folder in enumerate(folders):
                run(cloud, tmp_path / "photos", "-o", folder, "--shard", f"{number}/2")
            sources = folders
        for _ in range(2):  # the second finds everything there
            done = merge(cloud, *sources, "-o", target.url)
            assert done.returncode == 0, done.stderr
            assert cloud.secret not in done.stdout + done.stderr
        found = {each.key: target.get(each.key) for each in target.objects()}
        assert found == wanted
        assert all(target.digest(key) == hashlib.sha256(data).hexdigest() for key, data in found.items())


def test_what_is_wrong_with_stored_shards_is_one_sentence(cloud, place, tmp_path):
    parts = shards_in(cloud, place, tmp_path)
    urls = [part.url for part in parts]

    def refused(sentence: str, *words: object) -> None:
        done = merge(cloud, *words)
        assert done.returncode == 2
        assert sentence in done.stderr, done.stderr

    refused("of 2 shards, 1 is missing", urls[0], "-o", place("other").url)
    refused("overlap", *urls, "-o", urls[0] / "in")
    refused("--to needs folders on this machine", *urls, "-o", tmp_path / "out", "--to", "csv")
    outputs = [(part, each.key) for part in parts for each in part.objects() if ".jsonl" not in each.key]
    part, key = outputs[0]
    data = part.get(key)
    put(part, key, data + b"more")
    refused("was altered: its SHA-256", *urls, "-o", place("other").url)
    refused("was altered: its SHA-256", *urls, "-o", tmp_path / "out")
    part.delete(key)
    refused("is missing; run its shard again", *urls, "-o", place("other").url)
    assert not any(each.key == "manifest.json" for each in place("other").objects())
    put(place("full"), "stranger.txt", b"x")
    put(part, key, data)
    refused("which is not an output of these shards", *urls, "-o", place("full").url)
    refused("contains no manifest", place("empty").url, "-o", tmp_path / "out")


def test_an_object_that_changed_since_it_was_listed_is_not_read(place):
    store = place("changing")
    put(store, "a", b"first")
    (listed,) = store.objects()
    assert StoreContent(store, listed).read() == b"first"
    put(store, "a", b"other")
    with pytest.raises(OSError, match="changed since it was listed"):
        StoreContent(store, listed).read()


def test_a_missing_bucket_is_one_sentence(cloud, tmp_path):
    missing = run(cloud, f"{cloud.bucket[:5]}no-such-bucket/in", "-o", tmp_path / "out")
    assert missing.returncode == 2
    assert "no such bucket" in missing.stderr
    assert missing.stderr.count("\n") == 1
