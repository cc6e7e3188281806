"""A double of the part of Google Cloud Storage's XML API that obstore uses, on loopback.

Reference: https://cloud.google.com/storage/docs/xml-api/overview
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["BUCKET", "SECRET", "gcs"]

BUCKET = "photos"
SECRET = "key-that-appears-nowhere"
_META = "x-goog-meta-"
_DATE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class _Object:
    data: bytes
    meta: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, _Object]] = {}

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        key, query = self._asked()
        if key is None:
            return self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        if not key:
            return self._answer(200, self._listed(query))
        found = self.objects.get(key)
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if self.headers.get("If-Match", found.etag) != found.etag:
            return self._answer(412)
        head = {"ETag": found.etag, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        head |= {_META + name: value for name, value in found.meta.items()}
        if asked := self.headers.get("Range"):
            first, last = asked.removeprefix("bytes=").split("-")
            end = min(int(last) + 1, len(found.data))
            head["Content-Range"] = f"bytes {first}-{end - 1}/{len(found.data)}"
            return self._answer(206, found.data[int(first) : end], head)
        return self._answer(200, found.data, head)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        key, _ = self._asked()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not key:
            return self._answer(404)
        if copied := self.headers.get("x-goog-copy-source"):
            found = self.objects.get(unquote(copied).lstrip("/").removeprefix(f"{BUCKET}/"))
            if found is None:
                return self._answer(404)
            self.objects[key] = found
            return self._answer(200, b"<CopyObjectResult></CopyObjectResult>")
        if self.headers.get("x-goog-if-generation-match") == "0" and key in self.objects:
            return self._answer(412)
        names = [name for name in map(str.lower, self.headers) if name.startswith(_META)]
        made = _Object(data, {name.removeprefix(_META): self.headers[name] for name in names})
        self.objects[key] = made
        return self._answer(200, head={"ETag": made.etag})

    def do_DELETE(self) -> None:
        key, _ = self._asked()
        return self._answer(204 if self.objects.pop(key or "", None) else 404)

    def _asked(self) -> tuple[str | None, dict[str, list[str]]]:
        """The key, empty for the bucket itself and None in another bucket, and the query."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        return key if bucket == BUCKET else None, parse_qs(parts.query)

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        """One object per page, so that the client has to ask for the next."""
        prefix = query.get("prefix", [""])[0]
        last = query.get("continuation-token", query.get("start-after", [""]))[0]
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > last)
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_DATE}</LastModified>"
            f"<ETag>{escape(self.objects[key].etag)}</ETag><Size>{len(self.objects[key].data)}</Size></Contents>"
            for key in keys[:1]
        )
        more = f"<NextContinuationToken>{escape(keys[0])}</NextContinuationToken>" if keys[1:] else ""
        more += f"<IsTruncated>{str(bool(keys[1:])).lower()}</IsTruncated>"
        return f"<ListBucketResult>{rows}{more}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes = b"", head: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (head or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def gcs() -> Iterator[dict[str, str]]:
    """A running double with one bucket; yields the environment with which a program reaches it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Own", (_Handler,), {"objects": {}}))
    Thread(target=server.serve_forever, daemon=True).start()
    key = {
        "gcs_base_url": f"http://127.0.0.1:{server.server_port}",
        "disable_oauth": True,
        "client_email": "",
        "private_key": SECRET,
        "private_key_id": "",
    }
    try:
        yield {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key), "GOOGLE_ALLOW_HTTP": "true"}
    finally:
        server.shutdown()
        server.server_close()
