"""Which requests a server answers: hosts, origins, tokens, and the headers of every response."""

import json

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route

from checked import present
from unionveil import ConfigError
from unionveil.serve.access import Access
from unionveil.serve.hosts import Site, parse_host, parse_origin
from unionveil.serve.listen import bind, doors, url_of
from unionveil.serve.site import build_site
from web_server import running


async def answer(request):
    return JSONResponse({"method": request.method})


def app(access, site=None):
    return build_site(
        [Route("/data", answer, methods=["GET", "POST"])],
        page="theme.js",  # any file does
        site=site or Site(),
        access=access,
    )


@pytest.fixture(scope="module")
def open_server():
    with running(app(Access.open())) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:80", "127.8.9.1:8000"])
def test_this_machine_is_answered(open_server, host):
    assert open_server.ask("GET", "/data", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "127.0.0.1.example.org",
        "127.0.0.1.",
        "localhost.example.org",
        "127.1",
        "0127.0.0.1",
        "2130706433",
        "10.0.0.1",
        "[::2]",
        "127.0.0.1@example.org",
        "127.0.0.1/",
        "",
    ],
)
def test_names_that_others_can_point_here_are_refused(open_server, host):
    """DNS rebinding, and names that only look like this machine."""
    refused = open_server.ask("GET", "/data", headers={"Host": host})
    assert refused.status in (400, 403)
    assert b"method" not in refused.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://{host}"}, 200),
        ({"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://{host}.example.org"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_posts_of_other_sites_are_refused(open_server, headers, status):
    filled = {name: value.format(host=open_server.host) for name, value in headers.items()}
    assert open_server.ask("POST", "/data", b"", filled).status == status


def test_every_response_is_sealed(open_server):
    for path in ("/", "/data", "/static/base.css", "/nothing"):
        answered = open_server.ask("GET", path)
        assert answered.headers["Cache-Control"] == "no-store"
        assert answered.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in answered.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answered.headers
        assert "Server" not in answered.headers
    asked = open_server.ask("OPTIONS", "/data", headers={"Origin": "https://example.org"})
    assert "Access-Control-Allow-Origin" not in asked.headers


def test_errors_are_problem_details(open_server):
    refused = open_server.ask("GET", "/nothing")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert json.loads(refused.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing at this address",
    }
    assert set(open_server.ask("DELETE", "/data").headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_static_files_have_their_type_and_no_way_leads_out(open_server):
    assert open_server.ask("GET", "/static/words.js").headers["Content-Type"].startswith("text/javascript")
    for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static//etc/passwd", "/static/"):
        assert open_server.ask("GET", path).status == 404


def test_a_link_works_once_and_becomes_a_strict_cookie():
    access = Access.once()
    token = access.fragment.removeprefix("#token=")
    with running(app(access)) as server:
        origin = {"Origin": f"http://{server.host}"}
        assert server.ask("GET", "/data").status == 401
        assert server.ask("GET", "/").status == 200
        assert server.ask("POST", "/session", b"wrong", origin).status == 401
        entered = server.ask("POST", "/session", token.encode(), origin)
        assert entered.status == 204
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
        held = {"Cookie": cookie.partition(";")[0]}
        assert server.ask("GET", "/data", headers=held).status == 200
        assert server.ask("POST", "/data", b"", held | origin).status == 200
        assert server.ask("POST", "/data", b"", held).status == 403, "a cookie without an origin"
        assert server.ask("GET", "/data", headers={"Cookie": held["Cookie"] + "x"}).status == 401
        assert server.ask("GET", "/data", headers={"Authorization": f"Bearer {token}"}).status == 401
        assert server.ask("POST", "/session", token.encode(), origin).status == 401, "a second time"


def test_a_shared_token_opens_to_programs_and_browsers():
    token = "a-token-of-24-characters"
    with running(app(Access.shared(token))) as server:
        assert server.ask("POST", "/data", b"").status == 401
        assert server.ask("POST", "/data", b"", {"Authorization": f"Bearer {token}"}).status == 200
        assert server.ask("POST", "/data", b"", {"Authorization": "Bearer " + token[:-1]}).status == 401
        assert server.ask("POST", "/session", token.encode()).status == 204
        assert server.ask("POST", "/session", token.encode()).status == 204


def test_a_server_for_others_needs_a_token():
    with bind("0.0.0.0", 0) as listener:  # noqa: S104
        with pytest.raises(ConfigError, match="a token is needed"):
            doors(listener, token=None, names=(), default=Access.open())
        with pytest.raises(ConfigError, match="at least 16"):
            doors(listener, token="short", names=(), default=Access.open())
        site, access = doors(listener, token="x" * 16, names=("Photos.example",), default=Access.open())
        assert not access.is_open
    assert site.is_ours(present(parse_host("10.0.0.1:8000")))
    assert site.is_ours(present(parse_host("photos.example")))
    assert not site.is_ours(present(parse_host("evil.example")))
    with bind("127.0.0.1", 0) as listener, pytest.raises(ConfigError, match="by name, so a token is needed"):
        doors(listener, token=None, names=("photos.example",), default=Access.open())
    with bind("localhost", 0) as listener:
        site, access = doors(listener, token=None, names=(), default=Access.open())
        assert access.is_open
        assert url_of(listener, access) == f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_proxy_on_the_same_machine_may_pass_on_its_own_name():
    token = "a-token-of-24-characters"
    with bind("127.0.0.1", 0) as listener:
        site, access = doors(listener, token=token, names=("Photos.example",), default=Access.open())
    bearer = {"Authorization": f"Bearer {token}"}
    with running(app(access, site)) as server:
        for host, status in (("photos.example", 200), ("photos.example:8443", 200), ("evil.example", 403)):
            assert server.ask("GET", "/data", headers={"Host": host} | bearer).status == status
        named = {"Host": "photos.example"}
        page = named | {"Origin": "https://photos.example"}
        assert server.ask("POST", "/data", b"", page | bearer).status == 200
        assert server.ask("POST", "/data", b"", named | {"Origin": "https://evil.example"}).status == 403
        assert server.ask("GET", "/data", headers=named).status == 401
        assert server.ask("GET", "/data", headers={"Host": "10.0.0.1"} | bearer).status == 403


def test_a_port_in_use_is_one_sentence():
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        with pytest.raises(ConfigError, match="choose another with --port"):
            bind("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(ConfigError, match="not an address"):
        bind("no.such.host.invalid", 0)


def test_origins_are_compared_without_their_schemes_port():
    assert parse_origin("http://localhost:80") == parse_origin("http://localhost")
    assert parse_origin("https://localhost:443") == parse_origin("https://localhost")
    assert parse_origin("ftp://localhost") is None
    assert parse_origin("http://a b") is None
