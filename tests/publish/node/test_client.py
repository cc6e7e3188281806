"""The node client against the node double, and against nodes that are down, slow or answer nonsense."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import pickle
import socket
import threading
import time
from types import SimpleNamespace

import httpx
import pytest
from eth_account import Account

from node_double import Refusal
from unionveil_ocean.errors import IndexingTimeout, NodeError, SettingError
from unionveil_ocean.node.client import NodeClient, sign_command
from unionveil_ocean.node.polling import poll_pauses

NFT, DATATOKEN = "0x" + "11" * 20, "0x" + "22" * 20


def answering(handler) -> NodeClient:
    return NodeClient("http://node.test", transport=httpx.MockTransport(handler), pause=lambda _: None)


@pytest.mark.parametrize(
    ("nonce", "signature"),
    [
        (
            1,
            "0x58ca12f566514ea9e5f9015ab9ff0fa7a4c733413fe348b0d2d6278a9a14f681"
            "3fc228d65039053b5f7bd313224d8a28201b3cd0cf9dd4aa4309c592ba4b5db21b",
        ),
        # This digest begins with a zero byte, which ethers.toBeArray drops; one in 256 does.
        (
            244,
            "0xbbe59b80f111a44ccfdaa383a8a0b832fcabc8e1a1f23132539c2ba396940da3"
            "553992509f33de42070354028b0cbb03e6a34885d4ea2d2528a084c1ddcdda911c",
        ),
    ],
)
def test_a_signature_is_the_one_that_ocean_js_makes(nonce, signature):
    """Made with ethers 6: signMessage(toBeArray(solidityPackedKeccak256(["bytes"], [message])))."""
    assert sign_command(Account.from_key("0x" + "01" * 32), nonce, "encrypt") == signature


def test_files_are_encrypted_for_the_node_alone(node, client, chain):
    files = [{"type": "url", "url": "http://example.org/é.py", "method": "GET"}]
    text = client.encrypt(files, NFT, DATATOKEN, chain.account)
    assert "example" not in text
    content = {"datatokenAddress": DATATOKEN, "nftAddress": NFT, "files": files}
    assert node.vault.content_of({"files": text}) == content


def test_every_signed_call_uses_the_next_nonce(node, client, chain):
    client.encrypt([], NFT, DATATOKEN, chain.account)
    before = client.nonce(chain.address)
    client.encrypt([], NFT, DATATOKEN, chain.account)
    assert client.nonce(chain.address) == before + 1


def test_a_nonce_that_another_client_used_is_refused_once_and_then_asked_for_anew(node, client, chain):
    client.encrypt([], NFT, DATATOKEN, chain.account)
    with NodeClient(node.url, timeout_seconds=5, pause=lambda _: None) as other:
        other.encrypt([], NFT, DATATOKEN, chain.account)
    node.requests.clear()
    client.encrypt([], NFT, DATATOKEN, chain.account)
    paths = [one.path.rsplit("/", 1)[-1] for one in node.requests]
    assert paths == ["encrypt", "nonce", "encrypt"]
    node.hooks.change = lambda received, value: {"nonce": "0"} if received.path.endswith("nonce") else value
    fresh = NodeClient(node.url, timeout_seconds=5, pause=lambda _: None)
    with fresh, pytest.raises(NodeError, match="is not a valid nonce") as caught:
        fresh.encrypt([], NFT, DATATOKEN, chain.account)
    assert caught.value.status == 401


def test_a_series_of_signed_calls_asks_for_one_nonce(node, client, chain):
    for _ in range(5):
        client.encrypt([], NFT, DATATOKEN, chain.account)
    assert sum(one.path.endswith("nonce") for one in node.requests) == 1

    def refuse(received, value):
        if received.path.endswith("encrypt"):
            raise Refusal(500, "the key is away")
        return value

    node.hooks.change = refuse
    with pytest.raises(NodeError, match="the key is away"):
        client.encrypt([], NFT, DATATOKEN, chain.account)
    node.hooks.change = lambda _, value: value
    client.encrypt([], NFT, DATATOKEN, chain.account)
    assert sum(one.path.endswith("nonce") for one in node.requests) == 2


def test_a_signature_of_another_key_is_refused(client, chain):
    impostor = SimpleNamespace(address=chain.address, sign_message=Account.create().sign_message)
    with pytest.raises(NodeError, match="signature mismatch"):
        client.encrypt([], NFT, DATATOKEN, impostor)


def test_a_file_as_the_node_sees_it(client, files):
    url = files.add("main.py", b"print(1)")
    info = client.file_info({"type": "url", "url": url, "method": "GET"})
    assert (info.size_bytes, info.name) == (8, "main.py")
    assert info.checksum == hashlib.sha256(b"print(1)").hexdigest()


def test_an_unreachable_file_does_not_count_as_empty(client, files):
    with pytest.raises(NodeError, match="cannot read the file"):
        client.file_info({"type": "url", "url": files.url + "/absent", "method": "GET"})


def test_a_checksum_of_part_of_a_file_is_refused():
    info = {"contentLength": str((10 << 20) + 1), "checksum": "0" * 64, "valid": True, "name": "x"}
    with pytest.raises(NodeError, match="larger than 10 MiB"):
        answering(lambda _: httpx.Response(200, json=[info])).file_info({"type": "url"})


def test_whether_a_node_can_read_a_file(client, files):
    def file(url):
        return {"type": "url", "url": url, "method": "GET"}

    assert client.can_read(file(files.add("main.py", b"print(1)")))
    assert client.can_read(file(files.add("photos.zip", b"P" * (11 << 20))))
    assert not client.can_read(file(files.add("empty", b"")))
    assert not client.can_read(file(files.url + "/absent"))
    assert not client.can_read(file("http://127.0.0.1:9/nobody"))


@pytest.mark.parametrize(
    "answer", [[], [{"contentLength": "0"}], [{"contentLength": "5"}, {"contentLength": "5", "valid": False}]]
)
def test_a_file_missing_from_the_answer_cannot_be_read(answer):
    assert not answering(lambda _: httpx.Response(200, json=answer)).can_read({"did": "did:op:0"})


def test_an_unknown_did_gives_none_and_waiting_for_it_ends(client):
    did = "did:op:" + "0" * 64
    assert client.ddo(did) is None
    with pytest.raises(IndexingTimeout, match="has not indexed"):
        client.wait_until_indexed(did, seconds=0.01)


def test_a_ddo_other_than_the_requested_one_is_refused():
    client = answering(lambda _: httpx.Response(200, json={"id": "did:op:other"}))
    with pytest.raises(NodeError, match="not the DDO that was asked for"):
        client.ddo("did:op:" + "0" * 64)


def test_an_update_is_awaited_by_its_transaction():
    did, turns = "did:op:" + "0" * 64, iter(["0xAA", "0xAA", "0xBB"])

    def handler(_: httpx.Request) -> httpx.Response:
        event = {"txid": next(turns)}
        return httpx.Response(200, json={"id": did, "indexedMetadata": {"event": event}})

    assert answering(handler).wait_until_indexed(did, "0xbb")["indexedMetadata"]["event"]["txid"] == "0xBB"


def test_a_ddo_that_the_node_does_not_like(client, chain):
    with pytest.raises(NodeError, match="Validation error"):
        client.validate({"id": "did:op:" + "0" * 64, "version": "4.1.0"}, chain.account)


def test_a_node_that_is_down_is_named_without_waiting_for_ever():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        pauses: list[float] = []
        client = NodeClient(url, timeout_seconds=2, pause=pauses.append)
        with client, pytest.raises(NodeError) as caught:
            client.environments()
    assert str(caught.value) == (
        f"the node at {url} gives no answer: no connection; check --node-url and that the node runs"
    )
    assert pauses == [0.5, 1.0, 2.0]


def test_a_slow_node_is_asked_once(node):
    node.hooks.fault = lambda _: time.sleep(2.0)
    with NodeClient(node.url, timeout_seconds=1.0, pause=lambda _: None) as client:
        with pytest.raises(NodeError, match="nothing complete within"):
            client.environments()
        assert len(node.requests) == 1


def test_a_node_that_drips_is_slow_too():
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        client = NodeClient(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_seconds=0.3)
        with client, pytest.raises(NodeError, match="nothing complete within"):
            client.environments()
        stop.set()
        thread.join()


class Clock:
    """Time that only passes during waits."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def pause(self, seconds):
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def limited(node):
    """A node that allows 30 requests per minute, and a client, on one clock."""
    clock = Clock()
    said: list[str] = []
    node.settings.rate_limit, node.hooks.clock = 30, lambda: clock.now
    with NodeClient(node.url, timeout_seconds=5, pause=clock.pause, report=said.append) as client:
        yield client, clock, said


def test_the_client_waits_as_long_as_the_rate_limit_requires(node, limited):
    client, clock, said = limited
    clock.now = 10.0
    for _ in range(31):
        client.environments()
    assert clock.pauses == [61.0]
    assert node.limit.refused == 1
    assert said == ["the node's rate limit is reached; waiting 61 s"]


def test_a_start_that_the_rate_limit_refused_is_sent_once_more(node, limited, chain):
    client, clock, _ = limited
    for _ in range(29):
        client.environments()
    node.hooks.fault = lambda received: b"[]" if received.path.endswith("freeCompute") else None
    with pytest.raises(NodeError, match="0 jobs instead of one"):
        client.start_free({}, chain.account)
    assert clock.pauses == [61.0]
    paths = [one.path.rsplit("/", 1)[-1] for one in node.requests[29:]]
    assert paths == ["nonce", "freeCompute", "nonce", "freeCompute"]


@pytest.mark.parametrize(
    ("headers", "text", "pauses"),
    [
        ({"retry-after": "7"}, "slow down", [8.0]),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "slow down", [1.0]),
        ({"retry-after": "soon"}, "slow down", [0.5]),
        ({}, "Rate limit exceeded. Try again in 42 seconds.", [43.0]),
        ({}, "", [0.5]),
    ],
)
def test_a_wait_is_stated_in_a_header_or_in_words(headers, text, pauses):
    answers = iter([httpx.Response(429, headers=headers, text=text), httpx.Response(200, json=[])])
    clock = Clock()
    with NodeClient(
        "http://node.test", transport=httpx.MockTransport(lambda _: next(answers)), pause=clock.pause
    ) as client:
        assert client.environments() == ()
    assert clock.pauses == pauses


@pytest.mark.parametrize(("stated", "waits"), [(120, 0), (60, 1), (29, 3)])
def test_nobody_waits_for_more_than_90_seconds(stated, waits):
    text, clock = f"Rate limit exceeded. Try again in {stated} seconds.", Clock()
    handler = httpx.MockTransport(lambda _: httpx.Response(429, text=text))
    client = NodeClient("http://node.test", transport=handler, pause=clock.pause)
    with client, pytest.raises(NodeError, match=f"HTTP 429.: Rate limit exceeded. Try again in {stated}"):
        client.environments()
    assert len(clock.pauses) == waits


def test_polling_alone_stays_within_half_of_the_rate_limit():
    begun, times = 0.0, []
    for pause in itertools.islice(poll_pauses(), 60):
        times.append(begun)
        begun += pause
    assert times[10] == 20.0
    assert times[18] == 60.0
    assert set(itertools.islice(poll_pauses(), 18, 60)) == {10.0}
    busiest = max(sum(start <= one < start + 60 for one in times) for start in times)
    assert busiest <= 18


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_node_is_asked_again(status):
    answers = iter([status, status, 200])
    client = answering(lambda _: httpx.Response(next(answers), json=[]))
    assert client.environments() == ()


def test_a_start_is_never_sent_twice(chain):
    sent = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        if request.url.path.endswith("nonce"):
            return httpx.Response(200, json={"nonce": "4"})
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(NodeError, match="nothing complete"):
        answering(handler).start_paid({}, chain.account)
    assert sent == ["/api/services/nonce", "/api/services/compute"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.Response(200, text="<html>"), "it is not JSON"),
        (httpx.Response(200, json={"nonce": "many"}), "it names no nonce"),
        (httpx.Response(200, json=[]), "it names no nonce"),
        (
            httpx.Response(500, json="Internal  \u001b[31mServer\nError"),
            "HTTP 500): Internal \\x1b[31mServer Error",
        ),
        (httpx.Response(403, json={"error": "denied"}), "HTTP 403): denied"),
        (httpx.Response(301, headers={"location": "https://node.test/"}), "redirects to https://node.test/"),
    ],
)
def test_wrong_answers_are_one_clear_sentence(answer, sentence):
    with pytest.raises(NodeError) as caught:
        answering(lambda _: answer).nonce(NFT)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_encrypted_data_must_be_hexadecimal(chain):
    def handler(request: httpx.Request) -> httpx.Response:
        is_nonce = request.url.path.endswith("nonce")
        return httpx.Response(200, json={"nonce": 0}) if is_nonce else httpx.Response(200, text="0xnothex")

    with pytest.raises(NodeError, match="not hexadecimal"):
        answering(handler).encrypt([], NFT, DATATOKEN, chain.account)


@pytest.mark.parametrize("field", ["id", "consumerAddress", "fees", "free"])
def test_an_environment_with_nonsense_in_it_is_named(node, field):
    environment = node.environments.all()[0]
    environment[field] = "nonsense" if field != "id" else ""
    with pytest.raises(NodeError, match=f"0.{field}"):
        answering(lambda _: httpx.Response(200, json=[environment])).environments()


def test_a_result_is_whole_or_not_there(tmp_path, chain):
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("nonce"):
            return httpx.Response(200, json={"nonce": "0"})
        return httpx.Response(200, content=b"x" * 100)

    client = answering(handler)
    with pytest.raises(NodeError, match="larger than 99 bytes"):
        client.fetch_result("job", 0, chain.account, tmp_path / "out", 99)
    assert list(tmp_path.iterdir()) == []
    assert client.fetch_result("job", 0, chain.account, tmp_path / "out", 100) == 100
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("url", ["node", "ftp://node", "http://", "http://me:pw@node", "http://node?x=1"])
def test_a_wrong_url_is_refused_without_showing_a_password(url):
    with pytest.raises(SettingError, match="the node's URL must") as caught:
        NodeClient(url)
    assert "pw" not in str(caught.value)


def test_the_double_decrypts_only_its_own_data(node):
    """The double itself: it decrypts what it encrypted, and refuses other data."""
    with pytest.raises(Refusal, match="not served by the current node"):
        node.vault.files_of({"files": "0x" + "ab" * 200})
    assert json.dumps(node.environments.all())
