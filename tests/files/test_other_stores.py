"""Azure by Microsoft's emulator, and Google by a double: runs between buckets, and a changed object."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

import samples
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


@pytest.fixture(scope="module", params=[pytest.param("az", marks=[pytest.mark.slow, pytest.mark.node]), "gs"])
def cloud(request, tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("obstore", reason="no obstore here: pip install 'unionveil[cloud]'")
    if request.param == "az":
        with azurite(tmp_path_factory.mktemp("azurite")) as environment:
            yield Cloud(f"az://{CONTAINER}", KEY, environment)
    else:
        with gcs() as environment:
            yield Cloud(f"gs://{BUCKET}", SECRET, environment)


@pytest.fixture
def place(cloud, monkeypatch):
    """Makes stores in the bucket."""
    from unionveil.files import stores

    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    stores._open.cache_clear()
    yield lambda name: Store(StoreUrl.parse(f"{cloud.bucket}/{name}"), patience_seconds=5)
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
