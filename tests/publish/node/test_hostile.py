"""Nodes that send too much, too slowly, nested too deeply, or text that controls a terminal."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import tracemalloc

import httpx
import pytest

from unionveil_ocean.errors import NodeError
from unionveil_ocean.jsjson import MOST_DEPTH, parse_json
from unionveil_ocean.node.answers import Environment, Job, indexed_state, indexed_transaction
from unionveil_ocean.node.client import NodeClient

DID = "did:op:" + "0" * 64


@contextlib.contextmanager
def serving(*parts: bytes, pause_seconds: float = 0.0):
    """A server that sends these bytes to every client, and then keeps the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        for part in parts:
                            connection.sendall(part)
                            if stop.wait(pause_seconds):
                                return
                        stop.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        with contextlib.suppress(OSError):
            socket.create_connection(server.getsockname(), 1).close()
        thread.join()


def client_of(url: str, seconds: float = 2.0) -> NodeClient:
    return NodeClient(url, timeout_seconds=seconds, pause=lambda _: None)


def answering(content: bytes) -> NodeClient:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    return NodeClient("http://node.test", transport=transport, pause=lambda _: None)


def test_headers_that_drip_end_at_the_deadline():
    drops = [b"HTTP/1.1 200 OK\r\n", b"x-header: ", *[b"x"] * 200]
    with serving(*drops, pause_seconds=0.05) as url, client_of(url, 0.4) as client:
        begun = time.monotonic()
        with pytest.raises(NodeError, match=r"nothing complete within 0\.4 s"):
            client.environments()
        assert time.monotonic() - begun < 3


def test_headers_of_a_result_that_drip_end_at_the_deadline(tmp_path, chain):
    nonce = b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"nonce": "0"}'
    drops = [nonce, b"HTTP/1.1 200 OK\r\n", b"x-header: ", *[b"x"] * 200]
    with serving(*drops, pause_seconds=0.05) as url, client_of(url, 0.4) as client:
        with pytest.raises(NodeError, match="nothing complete within"):
            client.fetch_result("job", 0, chain.account, tmp_path / "out", 10)
        assert list(tmp_path.iterdir()) == []


def test_a_client_works_on_after_a_deadline(chain):
    with serving(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]") as url, client_of(url, 0.5) as client:
        assert client.environments() == ()
        time.sleep(0.7)
        client.close()
    with serving(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]") as url, client_of(url) as client:
        assert client.environments() == ()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip", "deflate"])
def test_unrequested_compression_is_not_unpacked(encoding):
    bomb = gzip.compress(gzip.compress(b" " * (64 << 20)))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(bomb)}\r\n\r\n".encode()
    with serving(head + bomb) as url, client_of(url) as client:
        tracemalloc.start()
        with pytest.raises(NodeError, match=rf"it is compressed \({encoding}\), which was not asked for"):
            client.environments()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_json_that_is_nested_deep_is_one_sentence(text):
    with pytest.raises(NodeError, match="it is nested too deeply"):
        answering(text.encode()).environments()
    transport = httpx.MockTransport(lambda _: httpx.Response(500, content=text.encode()))
    with pytest.raises(NodeError, match="HTTP 500"):
        NodeClient("http://node.test", transport=transport, pause=lambda _: None).nonce("0x1")


def test_json_may_be_as_deep_as_it_is_read():
    allowed = MOST_DEPTH - 1
    assert parse_json("[" * allowed + "]" * allowed)
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1))
    with pytest.raises(ValueError, match="not JSON"):
        parse_json("1" * 10_000)


@pytest.mark.parametrize("odd", [[], "x", 7, None, {"nft": []}, {"nft": {"state": []}, "event": "x"}])
def test_what_a_node_adds_to_a_ddo_may_be_odd(odd):
    served = {"id": DID, "indexedMetadata": odd, "event": odd}
    assert answering(json.dumps(served).encode()).ddo(DID) == served
    assert indexed_transaction(served) is None
    indexed_state(served)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202egnp", "\ud800"])
def test_ids_are_printable_or_refused_and_words_are_escaped(text):
    environment = {"id": text, "consumerAddress": "0x" + "1" * 40}
    for kind, value in ((Environment, environment), (Job, {"jobId": text, "status": 1})):
        with pytest.raises(ValueError, match=r"must hold no control characters|raw data as a unicode string"):
            kind.model_validate(value)
    words = json.dumps({"error": f"no {text} costs 0"}).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(400, content=words))
    with pytest.raises(NodeError) as caught:
        NodeClient("http://node.test", transport=transport, pause=lambda _: None).environments()
    assert str(caught.value).isprintable()
