"""Azure Blob Storage, by Microsoft's emulator: a run from container to container, and a changed object."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

import samples
from azurite import CONTAINER, KEY, azurite
from unionveil.files.stores import Store, StoreContent, StoreUrl
from unionveil.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.node]

SAMPLES = samples.all_samples()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("obstore", reason="no obstore here: pip install 'unionveil[cloud]'")
    with azurite(tmp_path_factory.mktemp("azurite")) as environment:
        yield environment


@pytest.fixture
def place(environment, monkeypatch):
    """Makes stores in the container."""
    from unionveil.files import stores

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stores._open.cache_clear()
    yield lambda name: Store(StoreUrl.parse(f"az://{CONTAINER}/{name}"), patience_seconds=5)
    stores._open.cache_clear()


def put(store: Store, key: str, data: bytes) -> None:
    store.put(key, data, hashlib.sha256(data).hexdigest())


def run(environment, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unionveil", "anonymize", *map(str, words), "--detail", "fast"]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_a_run_writes_the_same_bytes_as_a_local_one_and_has_nothing_to_do_again(environment, place, tmp_path):
    source, target = place("in"), place("out")
    (tmp_path / "in").mkdir()
    for name in ("gif", "png-rgb"):
        (tmp_path / "in" / f"{name}.dat").write_bytes(SAMPLES[name])
        put(source, f"{name}.dat", SAMPLES[name])
    done = run(environment, source.url, "-o", target.url)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    before = {each.key: each.etag for each in target.objects()}
    assert run(environment, tmp_path / "in", "-o", tmp_path / "local").returncode == 0
    (tmp_path / "fetched").mkdir()
    for key in before:
        (tmp_path / "fetched" / key).write_bytes(target.get(key))
        assert (tmp_path / "fetched" / key).read_bytes() == (tmp_path / "local" / key).read_bytes()
    assert verify(tmp_path / "fetched").head.counts.inputs == 2
    assert run(environment, source.url, "-o", target.url).returncode == 0
    after = {each.key: each.etag for each in target.objects()}
    assert after | {"manifest.json": before["manifest.json"]} == before  # Azure gives every write a new etag


def test_an_object_that_changed_since_it_was_listed_is_not_read(place):
    store = place("changing")
    put(store, "a", b"first")
    (listed,) = store.objects()
    assert StoreContent(store, listed).read() == b"first"
    put(store, "a", b"other")
    with pytest.raises(OSError, match="changed since it was listed"):
        StoreContent(store, listed).read()


def test_a_missing_container_is_one_sentence(environment, tmp_path):
    missing = run(environment, "az://no-such-container/in", "-o", tmp_path / "out")
    assert missing.returncode == 2
    assert "no such bucket" in missing.stderr
    assert missing.stderr.count("\n") == 1
