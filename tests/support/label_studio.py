"""A real Label Studio on loopback."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ports import free_port

_START_SECONDS = 300

_LABELS = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Face"/></RectangleLabels></View>"""


class LabelStudio:
    """A server that answers, by its HTTP API."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.load(response)

    def answers(self) -> bool:
        try:
            self.call("GET", "/api/projects")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def imported(self, tasks: Any) -> int:
        """The number of a new project with these tasks."""
        project = self.call("POST", "/api/projects", {"title": "Faces", "label_config": _LABELS})["id"]
        self.call("POST", f"/api/projects/{project}/import", tasks)
        return int(project)

    def accept_all(self, project: int) -> None:
        """Accepts every predicted box, as an annotator would."""
        for task in self.call("GET", f"/api/tasks?project={project}&fields=all")["tasks"]:
            result = task["predictions"][0]["result"]
            self.call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": result})

    def exported(self, project: int) -> bytes:
        return json.dumps(self.call("GET", f"/api/projects/{project}/export?exportType=JSON")).encode()


@contextmanager
def label_studio(folder: Path) -> Iterator[LabelStudio]:
    """Starts a server with everything in a folder; skips the test if it is not installed."""
    command = os.environ.get("UNIONVEIL_LABEL_STUDIO", "label-studio")
    if shutil.which(command) is None:
        pytest.skip(
            "no Label Studio here: pip install label-studio into an environment of its own, and name its "
            "command with UNIONVEIL_LABEL_STUDIO"
        )
    port = free_port()
    token = secrets.token_hex(20)
    address = ["--internal-host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)]
    account = ["--username", "a@example.org", "--password", secrets.token_hex(8), "--user-token", token]
    server = LabelStudio(f"http://127.0.0.1:{port}", token)
    environment = {**os.environ, "COLLECT_ANALYTICS": "false", "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [command, "start", "--no-browser", *address, *account],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(_START_SECONDS):
            if server.answers():
                break
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            time.sleep(1)
        else:
            pytest.fail(f"Label Studio did not start: {(folder / 'log').read_text()[-2000:]}")
        yield server
    finally:
        process.terminate()
        process.wait(60)
