"""Object stores: URIs, error messages, and a real S3 server that is killed during a run."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import threading
import time
import zipfile
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import full_disk
import samples
from clips import Clip, made, moving, packets
from unionveil import ConfigError, OutputError
from unionveil.errors import StoreError
from unionveil.files.store_sink import StoreSink
from unionveil.files.store_source import StoreSource
from unionveil.files.stores import Store, StoreContent, StoredObject, StoreUrl, is_store_url
from unionveil.verify import verify
from unionveil.video.extra import has_video
from weed import KEY, SECRET, Weed, weed

SAMPLES = samples.all_samples()
MILLI = Fraction(1, 1000)


def test_places_are_written_as_uris():
    assert StoreUrl.parse("s3://photos") == StoreUrl("s3", "photos", "")
    assert str(StoreUrl.parse("gs://my.photos/a//b/")) == "gs://my.photos/a/b"
    assert str(StoreUrl.parse("az://photos/a") / "b.jpg") == "az://photos/a/b.jpg"
    for text in ("s3://", "s3:///a", "s3://key:secret@photos", "http://photos", "s3://photos?x=1", "s3:/a"):
        with pytest.raises(ConfigError, match="credentials are set in the environment") as caught:
            StoreUrl.parse(text)
        assert "secret@" not in str(caught.value)
    assert is_store_url("s3://a")
    assert not is_store_url("s3-photos/a")
    assert StoreUrl.parse("s3://a/b").holds(StoreUrl.parse("s3://a/b/c"))
    assert not StoreUrl.parse("s3://a/b").holds(StoreUrl.parse("s3://a/bc"))


def test_an_output_in_an_input_is_refused():
    for output, place in (
        ("s3://a/in/out", "s3://a/in"),
        ("s3://a", "s3://a/in"),
        ("s3://a/in", "s3://a/in"),
    ):
        with pytest.raises(OutputError, match="overlap"):
            StoreSink(Store(StoreUrl.parse(output)), inputs=[StoreUrl.parse(place)])


def test_a_content_travels_without_its_first_bytes():
    content = StoreContent(Store(StoreUrl.parse("s3://a")), StoredObject("b", 5, '"e"'), head=b"hello")
    with content.open() as file:
        assert file.read() == b"hello"
        file.seek(1)
        assert file.read(2) == b"el"
    travelled = pickle.loads(pickle.dumps(content))  # noqa: S301
    assert travelled == content
    assert travelled.head == b""


def test_a_full_disk_is_not_the_fault_of_an_input():
    printed = full_disk.print_of("""
from unionveil import OutputError
from unionveil.files.store_sink import StoreSink
from unionveil.files.stores import Store, StoreUrl
try:
    StoreSink(Store(StoreUrl.parse("s3://a"))).replace("b.mp4", [bytes(50_000)])
except OutputError as error:
    print(error)
""")
    assert "the local copy of s3://a/b.mp4 cannot be written" in printed


class Answering(BaseHTTPRequestHandler):
    """A store that answers every request with one status, and quotes the request's key."""

    status = 503

    def do_GET(self) -> None:
        body = f"<Error><AWSAccessKeyId>{self.headers.get('Authorization')}</AWSAccessKeyId></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (503, "the store answers with status 503; try again later"),
        (403, "the credentials in the environment are missing, wrong or expired"),
        (400, "the credentials in the environment are missing, wrong or expired"),
        (404, "there is no such bucket"),
        (None, "the store cannot be reached"),
    ],
)
def test_a_store_that_fails_is_one_sentence_without_credentials(status, sentence, monkeypatch):
    pytest.importorskip("obstore", reason="no obstore here: pip install 'unionveil[cloud]'")
    from unionveil.files import stores

    handler = type("Handler", (Answering,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        if status is None:
            server.shutdown()
            server.server_close()
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        stores._open.cache_clear()
        store = Store(StoreUrl.parse("s3://photos/in"), patience_seconds=0)
        with pytest.raises(StoreError, match=sentence) as caught:
            StoreSource([store])
        stores._open.cache_clear()
        server.shutdown()
    error: BaseException | None = caught.value
    while error:
        assert KEY not in str(error)
        assert SECRET not in str(error)
        error = error.__cause__
    assert caught.value.__suppress_context__
    assert pickle.loads(pickle.dumps(caught.value)).status == status  # noqa: S301


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with weed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def store(server: Weed, monkeypatch: pytest.MonkeyPatch):
    """Makes stores at new places on the server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    from unionveil.files import stores

    stores._open.cache_clear()

    def make(name: str) -> Store:
        return Store(StoreUrl.parse(f"s3://photos/{time.monotonic_ns()}/{name}"))

    yield make
    stores._open.cache_clear()


def put(store: Store, key: str, data: bytes) -> None:
    store.put(key, data, hashlib.sha256(data).hexdigest())


def run(server: Weed, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unionveil", "anonymize", *map(str, arguments), "--detail", "fast"],
        capture_output=True,
        text=True,
        env=os.environ | server.environment,
    )


def fetched(store: Store, folder: Path) -> dict[str, bytes]:
    """All objects of a place, copied into a folder as well."""
    found = {each.key: store.get(each.key) for each in store.objects()}
    for key, data in found.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return found


@pytest.mark.slow
def test_a_listing_skips_files_that_are_not_inputs(store):
    place = store("in")
    for key in ("b/1.gif", "b/note.txt", "a.gif", "raw/x.gif", ".hidden/y.gif", "live.heic", "live.mov"):
        put(place, key, b"text" if key.endswith("txt") else SAMPLES["gif"])
    put(place, "z.png", SAMPLES["png-rgb"])
    from unionveil.files.sources import Patterns, Skipped

    items = list(StoreSource([place], patterns=Patterns(exclude=("raw", "z.*"))))
    names = [item.name for item in items if not isinstance(item.content, Skipped)]
    assert names == ["a.gif", "b/1.gif", "live.heic"]
    assert sum(isinstance(item.content, Skipped) for item in items) == 3


@pytest.mark.slow
def test_an_object_is_created_once_and_never_written_over(store):
    sink = StoreSink(store("out"))
    sink.write("a.gif", b"one")
    sink.write("a.gif", b"one")
    with pytest.raises(OutputError, match="already exists with other content"):
        sink.write("a.gif", b"two")
    assert sink.read("a.gif") == b"one"
    assert sink.digest("a.gif") == hashlib.sha256(b"one").hexdigest()
    assert sink.digest("b.gif") is None
    sink.replace("manifest.json", [b"x" * 7_000_000, b"y"])
    assert sink.read("manifest.json") == b"x" * 7_000_000 + b"y"
    assert sorted(sink.files()) == ["a.gif", "manifest.json"]
    sink.remove("a.gif")
    sink.remove("a.gif")
    assert list(sink.files()) == ["manifest.json"]


@pytest.mark.slow
def test_a_run_from_bucket_to_bucket_is_the_run_on_this_machine(server, store, tmp_path):
    """Through archives, again with nothing to do, and after an object changed."""
    source, target = store("in"), store("out")
    inputs = tmp_path / "in"
    inputs.mkdir()
    with zipfile.ZipFile(inputs / "more.zip", "w") as archive:
        archive.writestr("inside.gif", SAMPLES["gif-animated"])
    for name in ("gif", "png-rgb", "bmp-rgb"):
        (inputs / f"{name}.dat").write_bytes(SAMPLES[name])
    (inputs / "broken.jpg").write_bytes(b"garbage")
    (inputs / "market.jpg").write_bytes((samples.SCENES / "market.jpg").read_bytes())
    for path in inputs.iterdir():
        put(source, path.name, path.read_bytes())
    done = run(server, source.url, "-o", target.url, "--names", "keep", "--preview")
    assert done.returncode == 1, done.stderr
    assert "rejected: broken.jpg" in done.stderr
    there = fetched(target, tmp_path / "fetched")
    local = run(server, inputs, "-o", tmp_path / "local", "--names", "keep", "--preview")
    assert local.returncode == 1, local.stderr
    out = tmp_path / "local"
    here = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert there == here
    verify(tmp_path / "fetched")
    for text in (done.stdout, done.stderr, *(data.decode("latin-1") for data in there.values())):
        assert KEY not in text
        assert SECRET not in text

    before = {each.key: each.etag for each in target.objects()}
    assert run(server, source.url, "-o", target.url, "--names", "keep", "--preview").returncode == 1
    assert {each.key: each.etag for each in target.objects()} == before
    put(source, "gif.dat", SAMPLES["gif-animated"])
    changed = run(server, source.url, "-o", target.url, "--names", "keep", "--preview")
    assert changed.returncode == 2
    assert "already exists with other content" in changed.stderr


@pytest.mark.slow
@pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'")
def test_videos_go_from_bucket_to_bucket_as_on_this_machine(server, store, tmp_path):
    """With the sound, twice, and with one that is cut off."""
    source, target = store("in"), store("out")
    inputs = tmp_path / "in"
    inputs.mkdir()
    whole = made(moving(12), Clip(sound="aac"))
    (inputs / "a.mp4").write_bytes(whole)
    (inputs / "b.mkv").write_bytes(made(moving(6), Clip(form="matroska", time_base=MILLI, step=40)))
    (inputs / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (inputs / "photo.gif").write_bytes(SAMPLES["gif"])
    for path in inputs.iterdir():
        put(source, path.name, path.read_bytes())
    options = ("--names", "keep", "--audio", "keep", "--jobs", "1")
    done = run(server, source.url, "-o", target.url, *options)
    assert done.returncode == 1, done.stderr
    assert "rejected: cut.mp4" in done.stderr
    there = fetched(target, tmp_path / "fetched")
    assert set(there) == {"a.mp4", "b.mkv", "photo.gif", "manifest.json"}
    local = run(server, inputs, "-o", tmp_path / "local", *options)
    assert local.returncode == 1, local.stderr
    assert there == {path.name: path.read_bytes() for path in (tmp_path / "local").iterdir()}
    assert packets(there["a.mp4"]) == packets(whole)
    before = {each.key: each.etag for each in target.objects()}
    assert run(server, source.url, "-o", target.url, *options).returncode == 1
    assert {each.key: each.etag for each in target.objects()} == before


@pytest.mark.slow
def test_errors_are_one_sentence(server, store, tmp_path):
    source = store("in")
    put(source, "a.gif", SAMPLES["gif"])
    wrong = run(server, "s3://no-such-bucket/in", "-o", tmp_path / "out")
    assert wrong.returncode == 2
    assert "no such bucket" in wrong.stderr
    assert wrong.stderr.count("\n") == 1
    expired = subprocess.run(
        [sys.executable, "-m", "unionveil", "anonymize", str(source.url), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=os.environ | server.environment | {"AWS_SECRET_ACCESS_KEY": "expired-credential"},
    )
    assert expired.returncode == 2
    assert "missing, wrong or expired" in expired.stderr
    assert "expired-credential" not in expired.stderr
    assert expired.stderr.count("\n") == 1
    both = run(server, source.url, tmp_path, "-o", tmp_path / "out")
    assert "not both" in both.stderr


@pytest.mark.slow
def test_two_workers_on_one_shard_write_each_object_once(server, store, tmp_path):
    source, target = store("in"), store("out")
    for number in range(20):
        put(source, f"{number}.gif", SAMPLES[("gif", "gif-animated")[number % 2]])
    command = [sys.executable, "-m", "unionveil", "anonymize", str(source.url), "-o", str(target.url)]
    command += ["--shard", "0/1", "--jobs", "1"]
    workers = [
        subprocess.Popen(
            command,
            env=os.environ | server.environment | {"XDG_STATE_HOME": str(tmp_path / str(n))},
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    ended = [(worker.communicate()[1], worker.returncode) for worker in workers]
    assert [code for _, code in ended].count(0) >= 1, ended
    assert all(code == 0 or "contains the outputs of another run" in text for text, code in ended)
    assert len(fetched(target, tmp_path / "fetched")) == 21
    assert verify(tmp_path / "fetched").head.counts.inputs == 20


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again_in_mid_run(tmp_path, monkeypatch):
    """The run waits for the server; the next run finishes the work of a killed one."""
    from unionveil.files import stores

    (tmp_path / "weed").mkdir()
    with weed(tmp_path / "weed") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        stores._open.cache_clear()
        source, target = (Store(StoreUrl.parse(f"s3://photos/{name}")) for name in ("in", "out"))
        market = (samples.SCENES / "market.jpg").read_bytes()
        for number in range(30):
            put(source, f"{number:02d}.jpg", market)
        command = [sys.executable, "-m", "unionveil", "anonymize", str(source.url), "-o", str(target.url)]
        process = subprocess.Popen(
            [*command, "--jobs", "1", "--detail", "fast"], stderr=subprocess.PIPE, text=True
        )
        while sum(1 for _ in target.objects()) < 4 and process.poll() is None:
            time.sleep(0.05)
        server.kill()
        server.start()
        _, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors
        assert len(fetched(target, tmp_path / "fetched")) == 31
        assert verify(tmp_path / "fetched").head.counts.inputs == 30
    stores._open.cache_clear()
