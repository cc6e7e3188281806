"""Endless bodies, slow or disconnected clients, pictures that crash workers: the next request is answered."""

import asyncio
import json
import threading
import time
from contextlib import closing, suppress

import pytest

import samples
from api_app import make_app
from deadly import DeadlyPictures
from unionveil import AnonymizeConfig, Anonymized, Rejected
from unionveil.detections import Detections
from unionveil.engines.pool import Pool
from unionveil.errors import RateLimited
from unionveil.formats import ImageFormat
from unionveil.serve.limits import RateLimit
from unionveil.serve.listen import Timeouts
from unionveil.serve.pictures import Pictures
from unionveil.serve.run import submit_to
from web_server import running

PHOTO = samples.png(samples.RGB)


def head(server, length=None, chunked=False, more=""):
    size = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {length}\r\n"
    return f"POST /v1/redact HTTP/1.1\r\nHost: {server.host}\r\n{size}{more}\r\n".encode()


def answer_on(connection):
    """Reads until the server closes the connection, or a whole response has arrived."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    return data


def check_next(server):
    assert server.ask("POST", "/v1/redact", PHOTO).status == 200


def test_a_large_body_is_refused_by_its_length(submit):
    with running(make_app(submit, body_bytes=1 << 20)) as server:
        refused = server.ask("POST", "/v1/redact", bytes(3 << 20))
        assert refused.status == 413
        assert json.loads(refused.body)["detail"] == "the request has more than 1 MiB; send a smaller file"
        with closing(server.connect()) as connection:  # curl waits for 100 Continue before it sends
            connection.sendall(head(server, 1 << 30, more="Expect: 100-continue\r\n"))
            assert answer_on(connection).startswith(b"HTTP/1.1 413")
        check_next(server)


def test_a_body_without_end_is_refused_while_it_is_read(submit):
    with running(make_app(submit, body_bytes=1 << 20)) as server, closing(server.connect()) as connection:
        connection.sendall(head(server, chunked=True))
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        stop = threading.Event()

        def pour():
            try:
                while not stop.is_set():
                    connection.sendall(chunk)
            except OSError:
                pass

        thread = threading.Thread(target=pour)
        thread.start()
        try:
            assert answer_on(connection).startswith(b"HTTP/1.1 413")
            check_next(server)
        finally:
            stop.set()
            thread.join()


def test_a_byte_at_a_time_is_given_up(submit):
    with running(make_app(submit, read_seconds=0.6)) as server, closing(server.connect()) as connection:
        connection.sendall(head(server, 1000))
        begun = time.monotonic()
        connection.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() - begun < 20:
            connection.sendall(b"x")
            try:
                answer = answer_on(connection)
            except TimeoutError:
                check_next(server)
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_head_that_never_ends_is_given_up(submit):
    with running(make_app(submit), Timeouts(head_seconds=0.3)) as server:
        with closing(server.connect()) as connection:
            connection.sendall(b"POST /v1/redact HTTP/1.1\r\nHost: ")
            assert connection.recv(1) == b""
        check_next(server)


def test_a_client_that_does_not_take_its_answer_is_given_up():
    large = Anonymized(bytes(20 << 20), ImageFormat.PNG, (96, 64), (Detections.empty(),))

    async def quick(task):
        return large

    app = make_app(quick, places=1)
    with running(app, Timeouts(write_seconds=1)) as server, closing(server.connect(4096)) as connection:
        connection.sendall(head(server, len(PHOTO)) + PHOTO)
        time.sleep(3)
        assert len(server.ask("POST", "/v1/redact", PHOTO).body) == 20 << 20
        received = 0
        with suppress(ConnectionError):
            while more := len(connection.recv(1 << 20)):
                received += more
        assert received < 20 << 20


def test_a_client_that_leaves_frees_its_place(submit):
    with running(make_app(submit, places=1)) as server:
        connection = server.connect()
        connection.sendall(head(server, 1000) + b"x")
        while server.ask("POST", "/v1/redact", PHOTO).status == 200:  # until it has the only place
            pass
        connection.close()
        for _ in range(100):
            if server.ask("POST", "/v1/redact", PHOTO).status == 200:
                break
        else:
            pytest.fail("the place was not given back")


def test_work_of_a_client_that_left_is_cancelled():
    begun, cancelled = threading.Event(), threading.Event()

    async def endless(task):
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with running(make_app(endless)) as server:
        connection = server.connect()
        connection.sendall(head(server, len(PHOTO)) + PHOTO)
        assert begun.wait(20)
        connection.close()
        assert cancelled.wait(20)


def test_a_full_server_states_when_to_retry():
    release = threading.Event()

    async def waiting(task):
        while not release.is_set():
            await asyncio.sleep(0.01)
        return Rejected("unreadable", "it was never meant to be read")

    with running(make_app(waiting, places=2)) as server:
        first = [threading.Thread(target=server.ask, args=("POST", "/v1/redact", PHOTO)) for _ in range(2)]
        for thread in first:
            thread.start()
        while b"places_taken 2" not in server.ask("GET", "/metrics").body:
            pass
        refused = server.ask("POST", "/v1/redact", PHOTO)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert server.ask("GET", "/healthz").status == 200
        release.set()
        for thread in first:
            thread.join()
        assert server.ask("POST", "/v1/redact", PHOTO).status == 422


def test_one_client_may_ask_so_often():
    now = [0.0]
    rate = RateLimit(3, lambda: now[0])
    for _ in range(3):
        rate.take("10.0.0.1")
    with pytest.raises(RateLimited) as refused:
        rate.take("10.0.0.1")
    rate.take("10.0.0.2")
    now[0] += refused.value.seconds
    rate.take("10.0.0.1")


def test_a_client_that_asks_too_often_is_told_when_to_come_again(submit):
    with running(make_app(submit, per_minute=2)) as server:
        assert [server.ask("POST", "/v1/redact", PHOTO).status for _ in range(3)] == [200, 200, 429]


def test_a_defect_shows_no_more_than_its_kind():
    async def broken(task):
        raise KeyError("/home/ada/secret.jpg")

    with running(make_app(broken)) as server:
        refused = server.ask("POST", "/v1/redact", PHOTO)
        assert refused.status == 500
        assert b"secret" not in refused.body


@pytest.mark.slow
def test_a_deadly_picture_kills_a_worker_and_nothing_else():
    work = DeadlyPictures(Pictures(AnonymizeConfig()))
    with Pool(work, 1, 30.0) as pool, running(make_app(submit_to(pool))) as server:
        check_next(server)
        deadly = server.ask("POST", "/v1/redact", PHOTO + b"DEADLY")
        assert (deadly.status, json.loads(deadly.body)["reason"]) == (422, "crashed")
        check_next(server)
        endless = server.ask("POST", "/v1/redact", PHOTO + b"ENDLESS")
        assert (endless.status, json.loads(endless.body)["reason"]) == (504, "timeout")
        check_next(server)
