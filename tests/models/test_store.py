import http.server
import subprocess
import sys
import threading

import pytest

from unionveil import ConfigError, ModelError
from unionveil.detect import load_detector
from unionveil.models.cards import CARDS, card_of
from unionveil.models.inference import choose
from unionveil.models.store import fetch, find, model_folder, sha256_of


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_whole(name):
    card = CARDS[name]
    assert card.name == name
    assert len(card.sha256) == 64
    assert card.licence
    assert card.source
    assert 0 < card.threshold < 1
    # A pinned address contains a commit: 40 hexadecimal digits.
    assert card.url is None or any(len(part) == 40 for part in card.url.split("/"))


def test_bundled_weights_match_their_card():
    path = find(CARDS["retinaface"])
    assert sha256_of(path) == CARDS["retinaface"].sha256
    assert path.stat().st_size < 4_000_000


def test_a_missing_model_explains_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=r"unionveil models fetch yunet.*UNIONVEIL_MODEL_DIR"):
        find(CARDS["yunet"])


def test_an_altered_model_is_never_used(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    (tmp_path / CARDS["yunet"].file).write_bytes(b"something else")
    with pytest.raises(ModelError, match="damaged or another model"):
        find(CARDS["yunet"])


def test_an_unknown_name():
    with pytest.raises(ConfigError, match="there is no model 'mtcnn'"):
        card_of("mtcnn")


@pytest.fixture
def server():
    """A web server on loopback that serves one body and counts requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        body = b"weights"
        calls = 0

        def do_GET(self):
            type(self).calls += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/model.onnx", Handler
        running.shutdown()


def a_card(url, content):
    import hashlib

    return CARDS["yunet"].model_copy(
        update={"url": url, "file": "fetched.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    )


def test_fetch_checks_and_keeps(server, tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path / "models"))
    url, handler = server
    card = a_card(url, b"weights")
    assert fetch(card).read_bytes() == b"weights"
    assert find(card) == model_folder() / "fetched.onnx"
    fetch(card)
    assert handler.calls == 1


def test_fetch_keeps_nothing_that_is_not_the_model(server, tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path / "models"))
    with pytest.raises(ModelError, match="nothing was kept"):
        fetch(a_card(server[0], b"the true weights"))
    assert not list(tmp_path.rglob("*.onnx"))


def test_fetch_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path / "models"))
    with pytest.raises(ModelError, match="could not be fetched"):
        fetch(a_card("http://127.0.0.1:9/model.onnx", b"weights"))
    with pytest.raises(ModelError, match="come with unionveil"):
        fetch(CARDS["retinaface"].model_copy(update={"file": "other.onnx"}))


def test_telemetry_is_off_before_onnxruntime_loads():
    code = (
        "import os, sys, builtins\n"
        "real = builtins.__import__\n"
        "def check(name, *args, **kwargs):\n"
        "    if name == 'onnxruntime': assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "    return real(name, *args, **kwargs)\n"
        "builtins.__import__ = check\n"
        "from unionveil import load; load(); assert 'onnxruntime' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("engine", ["cuda", "tensorrt", "coreml", "directml"])
def test_a_device_that_cannot_be_used_is_an_error_never_the_processor(engine):
    with pytest.raises(ModelError, match="--engine onnxruntime"):
        load_detector("retinaface", 1, choose(engine))
