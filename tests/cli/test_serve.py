"""`unionveil serve` as a process: its output, its end, and that it writes nothing."""

import os
import re
import resource
import signal
import subprocess
import sys

import pytest

import samples
from refusals import refusal
from serving import serving

AUDIT = """
import os, sys

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[0] != "/dev/null":
        path, mode, flags = args
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
        if (isinstance(flags, int) and flags & writes) or (isinstance(mode, str) and set(mode) & set("wax+")):
            os.write(2, f"WRITES {path!r} {mode!r} {flags!r}\\n".encode())
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "tempfile.mkstemp", "tempfile.mkdtemp"):
        os.write(2, f"WRITES {event} {args!r}\\n".encode())

sys.addaudithook(watch)
os.write(2, b"AUDITED\\n")
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: os.write(2, b"AUDITED\\n"))
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_server_prints_its_address_and_ends_cleanly(ending):
    with serving("--jobs", 1) as (process, server, lines):
        assert re.fullmatch(r"unionveil: open http://127\.0\.0\.1:\d+/\n", lines[0])
        assert server.ask("GET", "/healthz").status == 200
        process.send_signal(ending)
        _, rest = process.communicate(timeout=60)
        assert (process.returncode, rest) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "so a token is needed: --token TOKEN"),  # noqa: S104
        (["--host", "0.0.0.0", "--token", "short"], "at least 16"),  # noqa: S104
        (["--name", "photos.example"], "so a token is needed: --token TOKEN"),
        (["--host", "no.such.host.invalid"], "not an address"),
        (["--detector", "yunet"], "unionveil models fetch yunet"),
        (["--cells", "4"], "cells: belongs to method pixelate"),
        (["--names", "keep"], "No such option"),
        (["--digest-salt", "x"], "No such option"),
        (["--select", "keep"], "No such option"),
        (["--keep", "people"], "No such option"),
    ],
)
def test_wrong_use_is_one_clear_sentence(monkeypatch, capfd, arguments, sentence):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a server does that for its process
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert sentence in refusal(capfd, "serve", "--port", "0", *arguments)


def test_a_missing_package_names_the_extra(tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "unionveil", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "unionveil: unionveil serve needs the package 'uvicorn', which is not installed: "
        "pip install 'unionveil[web]'\n"
    )


def _no_file_may_grow():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.slow
def test_nothing_is_written_by_the_server_or_its_workers(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    folders = [str(tmp_path), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}
    with serving("--jobs", 2, env=environment, preexec_fn=_no_file_may_grow) as (process, server, lines):
        photo = (samples.SCENES / "market.jpg").read_bytes()
        body = {"Content-Type": "multipart/form-data; boundary=x"}
        part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        large = part + photo + bytes(4 << 20) + b"\r\n--x--\r\n"  # a form would spool it to a file
        assert server.ask("POST", "/v1/redact", photo).status == 200
        assert server.ask("POST", "/v1/redact", large, body).status in (200, 422)
        assert server.ask("POST", "/v1/find", photo).status == 200
        for name, data in samples.all_samples().items():
            assert server.ask("POST", "/v1/redact", data).status in (200, 415, 422), name
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    said = "".join(lines) + rest
    assert said.count("AUDITED") >= 3, "the server and its two workers, which keep the hook if forked"
    assert "WRITES" not in said
    assert "a.jpg" not in said
