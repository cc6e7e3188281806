"""One run per folder at a time, on systems that lock folders and on those that lock bytes of a file."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from checked import present
from unionveil import OutputError
from unionveil.files.locks import LOCK_NAME, hold, hold_by_file
from unionveil.files.sinks import FolderSink

fcntl = pytest.importorskip("fcntl", reason="Windows locks bytes only")


class LikeMsvcrt:
    """Locks like Windows' module: one process holds the bytes, others get EACCES at once."""

    LK_NBLCK = 2

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        assert (mode, size) == (self.LK_NBLCK, 1)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EACCES, "Permission denied") from error


class Broken(LikeMsvcrt):
    def locking(self, descriptor: int, mode: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")


@contextmanager
def by_file(folder):
    with hold_by_file(folder, LikeMsvcrt()):
        yield


@pytest.fixture(params=[hold, by_file], ids=["folder", "file"])
def lock(request):
    return request.param


def test_the_second_run_is_refused_and_the_next_is_not(lock, tmp_path):
    with lock(tmp_path):
        for _ in range(2):
            with pytest.raises(OutputError, match="another run is writing into"), lock(tmp_path):
                raise AssertionError
    with lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_gives_the_folder_back(lock, tmp_path):
    with pytest.raises(KeyError), lock(tmp_path):
        raise KeyError
    with lock(tmp_path):
        pass


HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_locks import by_file, hold
with (by_file if sys.argv[3] == "file" else hold)(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["folder", "file"])
def test_the_lock_ends_with_a_process_that_is_killed(how, tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path, Path(__file__).parent, how]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    other = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=paths)
    assert present(other.stdout).readline() == b"held\n"
    lock = by_file if how == "file" else hold
    with pytest.raises(OutputError, match="another run"), lock(tmp_path):
        raise AssertionError
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with lock(tmp_path):
        pass


def test_a_lock_file_that_a_power_cut_left_is_used_and_removed(tmp_path):
    (tmp_path / LOCK_NAME).write_bytes(b"")
    with by_file(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / LOCK_NAME).write_bytes(b"")
    sink = FolderSink(tmp_path)
    sink.sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_locked_is_named(tmp_path):
    with (
        pytest.raises(OutputError, match="cannot be locked: Input/output error"),
        hold_by_file(tmp_path, Broken()),
    ):
        raise AssertionError
    for lock in (hold, by_file):
        with pytest.raises(OutputError, match="cannot be"), lock(tmp_path / "nothere"):
            raise AssertionError


def test_the_lock_does_not_count_as_a_file_of_the_folder(tmp_path):
    sink = FolderSink(tmp_path)
    sink.write("a.jpg", b"x")
    with sink.locked():
        assert list(sink.files()) == ["a.jpg"]
