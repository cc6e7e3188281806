"""A real Matrix server on loopback, and a member of its rooms."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ports import free_port

_START_SECONDS = 120


def synapse_python() -> str:
    """An interpreter with Synapse: `UNIONVEIL_SYNAPSE_PYTHON`, or this one; else skips the test."""
    python = os.environ.get("UNIONVEIL_SYNAPSE_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import synapse"], capture_output=True).returncode:
        pytest.skip(
            "no Synapse here: pip install matrix-synapse into an environment of its own, and name its "
            "interpreter with UNIONVEIL_SYNAPSE_PYTHON"
        )
    return python


class Member:
    """An account, by the plain Client-Server API."""

    def __init__(self, url: str, user: str, token: str) -> None:
        self.url, self.user, self.token = url, user, token

    def call(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media_type}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            answer = response.read()
            return (
                json.loads(answer)
                if response.headers["Content-Type"].startswith("application/json")
                else answer
            )

    def make_room(
        self, *invited: Member, levels: dict[str, int] | None = None, encrypted: bool = False
    ) -> str:
        state = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}] * encrypted
        body = {
            "preset": "private_chat",
            "invite": [member.user for member in invited],
            "initial_state": state,
            "power_level_content_override": {"users": levels or {}},
        }
        return str(self.call("POST", "/_matrix/client/v3/createRoom", body)["room_id"])

    def join(self, room: str) -> None:
        self.call("POST", f"/_matrix/client/v3/join/{urllib.parse.quote(room)}", {})

    def send(self, room: str, kind: str, content: dict[str, Any]) -> str:
        path = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room)}/send/{kind}/{time.time_ns()}"
        return str(self.call("PUT", path, content)["event_id"])

    def post_photo(self, room: str, data: bytes, thread: str | None = None) -> str:
        uploaded = self.call("POST", "/_matrix/media/v3/upload?filename=x.jpg", data, "image/jpeg")
        content: dict[str, Any] = {"msgtype": "m.image", "body": "x.jpg", "url": uploaded["content_uri"]}
        if thread:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
        return self.send(room, "m.room.message", content)

    def redact(self, room: str, event: str) -> None:
        path = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room)}/redact/{event}/{time.time_ns()}"
        self.call("PUT", path, {})

    def media(self, uri: str) -> bytes:
        answer = self.call("GET", "/_matrix/client/v1/media/download/" + uri.removeprefix("mxc://"))
        assert isinstance(answer, bytes)
        return answer

    def messages(self, room: str) -> list[dict[str, Any]]:
        path = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room)}/messages?dir=b&limit=200"
        return list(reversed(self.call("GET", path)["chunk"]))

    def is_redacted(self, room: str, event: str) -> bool:
        path = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room)}/event/{event}"
        return not self.call("GET", path)["content"]


class Synapse:
    """A running server."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self._secret = secret

    def register(self, name: str) -> Member:
        anonymous = Member(self.url, "", "")
        nonce = anonymous.call("GET", "/_synapse/admin/v1/register")["nonce"]
        parts = [nonce, name, "a password", "notadmin"]
        mac = hmac.new(self._secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": "a password", "admin": False, "mac": mac}
        made = anonymous.call("POST", "/_synapse/admin/v1/register", body)
        return Member(self.url, made["user_id"], made["access_token"])


@contextmanager
def synapse(folder: Path) -> Iterator[Synapse]:
    """Starts a server with all of its files in a folder."""
    python = synapse_python()
    port = free_port()
    config = folder / "homeserver.yaml"
    common = [python, "-m", "synapse.app.homeserver", "--config-path", str(config)]
    subprocess.run(
        [*common, "--server-name", "test", "--report-stats=no", "--generate-config"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "test.log.config").write_text("version: 1\ndisable_existing_loggers: true\n")
    lines = [
        "server_name: test",
        f"pid_file: {folder}/pid",
        "listeners:",
        f"  - {{port: {port}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [client]}}]}}",
        f"database: {{name: sqlite3, args: {{database: {folder}/db}}}}",
        f"log_config: {folder}/test.log.config",
        f"media_store_path: {folder}/media",
        f"signing_key_path: {folder}/test.signing.key",
        "registration_shared_secret: secret",
        "macaroon_secret_key: secret2",
        "form_secret: secret3",
        "trusted_key_servers: []",
        "report_stats: false",
        "rc_message: {per_second: 1000, burst_count: 1000}",
        "rc_joins: {local: {per_second: 1000, burst_count: 1000}}",
    ]
    config.write_text("\n".join(lines) + "\n")
    log = (folder / "out").open("wb")
    process = subprocess.Popen(common, cwd=folder, stdout=log, stderr=log)
    try:
        _await(f"http://127.0.0.1:{port}/health", process, folder / "out")
        yield Synapse(f"http://127.0.0.1:{port}", "secret")
    finally:
        process.terminate()
        process.wait()
        log.close()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError("Synapse did not start in time: " + log.read_text()[-2000:])
