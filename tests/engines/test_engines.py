"""Conformance of the engines, and their handling of workers that die, hang or cannot start."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Generator

import pytest

import samples
from deadly import Alive, Bytes, Deadly
from unionveil import AnonymizeConfig, ConfigError, ModelError, Rejected, WorkerError
from unionveil.content import BytesContent
from unionveil.engines.base import Step
from unionveil.engines.pool import Pool, PoolEngine
from unionveil.engines.serial import SerialEngine
from unionveil.formats import ImageFormat
from unionveil.runs.work import Anonymize, Task

PHOTOS = [(samples.SCENES / name).read_bytes() for name in ("market.jpg", "portrait.jpg", "street.jpg")]


@pytest.fixture(params=["serial", "pool"])
def engine(request):
    return SerialEngine() if request.param == "serial" else PoolEngine(2)


def tasks(contents):
    for number, content in enumerate(contents, 1):
        yield (
            number,
            Task(
                number,
                "",
                content if isinstance(content, Rejected) else BytesContent(content),
                (ImageFormat.JPEG, f"{number}.jpg"),
                None,
            ),
        )


def test_results_come_in_order_and_refusals_pass_through(engine):
    refused = Rejected("link", "links in folders are not followed")
    work = Anonymize(AnonymizeConfig())
    done = list(engine.map(work, tasks([PHOTOS[0], refused, b"garbage", PHOTOS[1], PHOTOS[2]])))
    assert [key for key, _ in done] == [1, 2, 3, 4, 5]
    records = [result.record for _, result in done]
    assert records[1].reason == "link"
    assert records[2].reason == "unreadable"
    assert [len(records[i].faces) > 0 for i in (0, 3, 4)] == [True, True, False]


def test_all_engines_give_the_same_results():
    work = Anonymize(AnonymizeConfig())
    assert list(SerialEngine().map(work, tasks(PHOTOS))) == list(PoolEngine(2).map(work, tasks(PHOTOS)))


def test_signs_of_life_come_before_the_result():
    seen = []
    engine = PoolEngine(1, on_step=lambda task, step: seen.append((task.data, step)))
    assert list(engine.map(Alive(), [("a", Bytes(b"xyz"))])) == [("a", b"xyz")]
    assert seen[0] == (b"xyz", Step("reading", 0, 3))
    assert list(SerialEngine().map(Alive(), [("a", Bytes(b"xyz"))])) == [("a", b"xyz")]


def test_no_tasks_give_no_results(engine):
    assert list(engine.map(Deadly(), [])) == []


def test_tasks_are_taken_only_as_they_are_needed():
    taken = []

    def endless():
        for number in range(1000):
            taken.append(number)
            yield number, Bytes(b"x")

    run = PoolEngine(2).map(Deadly(), endless())
    for _ in range(3):
        next(run)
    assert len(taken) <= 3 + 16 * 2
    assert isinstance(run, Generator)
    run.close()


@pytest.mark.slow
def test_a_slow_task_does_not_delay_others():
    taken = []

    def tasks():
        for number in range(12):
            taken.append(number)
            yield number, Bytes(b"endless" if number == 0 else b"quick")

    results = PoolEngine(2, timeout_seconds=5).map(Deadly(), tasks())
    key, outcome = next(results)
    assert key == 0
    assert isinstance(outcome, Rejected)
    assert len(taken) == 12
    assert [key for key, _ in results] == list(range(1, 12))


def test_large_tasks_wait_one_at_a_time():
    """Four tasks of 100 MB are never in memory together beyond the limit."""
    taken = []

    def large():
        for number in range(4):
            taken.append(number)
            yield number, Bytes(bytes(100 << 20))

    run = PoolEngine(4, waiting_bytes=256 << 20).map(Deadly(), large())
    next(run)
    assert len(taken) == 3
    assert isinstance(run, Generator)
    run.close()


def test_missing_weights_fail_before_any_worker_starts(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="not on this machine"):
        next(engine.map(Anonymize(AnonymizeConfig(detector="yunet")), tasks(PHOTOS)))


def test_a_wrong_overlay_fails_before_any_picture_is_read(engine, tmp_path):
    config = AnonymizeConfig.from_parameters({"method": "overlay", "picture": str(tmp_path / "gone.png")})

    def never():
        raise AssertionError("a picture was read")
        yield

    with pytest.raises(ConfigError, match="neither an emoji"):
        next(engine.map(Anonymize(config), never()))


@pytest.mark.parametrize(
    "jobs", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_task_that_kills_its_worker_is_rejected_and_no_other(jobs):
    large = bytes(3 << 20)  # more than a pipe holds: its worker dies while it is read or soon after
    items = [(n, Bytes((b"deadly" if n in (2, 3, 5) else b"photo %d" % n) + large)) for n in range(9)]
    done = dict(PoolEngine(jobs).map(Deadly(), items))
    assert list(done) == list(range(9))
    for number, task in items:
        if task.data.startswith(b"deadly"):
            assert isinstance(outcome := done[number], Rejected)
            assert outcome.reason == "crashed"
        else:
            assert done[number] == task.data


def test_only_a_task_that_takes_too_long_is_abandoned():
    items = [(n, Bytes(b"endless" if n == 1 else b"photo")) for n in range(4)]
    done = dict(PoolEngine(2, timeout_seconds=1).map(Deadly(), items))
    assert done[1] == Rejected(
        "timeout", "the picture took longer than 1 seconds; a longer --timeout may help"
    )
    assert [done[n] for n in (0, 2, 3)] == [b"photo"] * 3


def test_a_worker_that_cannot_start_stops_the_run():
    with pytest.raises(WorkerError, match="ended with 3 before it had loaded its models; give") as caught:
        list(PoolEngine(2).map(Deadly(start_code=3), [(0, Bytes(b"photo"))]))
    assert caught.value.exit_code == 3


def test_errors_of_the_work_are_raised_here(engine):
    with pytest.raises(ConfigError, match="this cannot work"):
        list(engine.map(Deadly(), [(0, Bytes(b"photo")), (1, Bytes(b"wrong")), (2, Bytes(b"photo"))]))


def test_a_server_submits_to_the_same_pool():
    with Pool(Deadly(), 2, 60) as pool:
        futures = [pool.submit(Bytes(b"%d" % n)) for n in range(20)] + [pool.submit(Bytes(b"deadly"))]
        assert [future.result() for future in futures[:-1]] == [b"%d" % n for n in range(20)]
        assert isinstance(outcome := futures[-1].result(), Rejected)
        assert outcome.reason == "crashed"
        assert pool.submit(Bytes(b"next")).result() == b"next"


@pytest.mark.parametrize(("here", "there"), [(None, b"1"), ("3", b"3")])
def test_workers_compute_on_one_thread_and_this_process_as_before(monkeypatch, here, there):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if here:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", here)
    done = dict(PoolEngine(2).map(Deadly(), [(n, Bytes(b"environment")) for n in range(4)]))
    assert set(done.values()) == {there}
    assert os.environ.get("OPENBLAS_NUM_THREADS") == here


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_no_worker_of_a_process_hears_an_interrupt_not_even_the_first():
    code = (
        "from deadly import Bytes, Deadly\n"
        "from unionveil.engines.pool import PoolEngine\n"
        "print(*dict(PoolEngine(1).map(Deadly(), [(0, Bytes(b'mask'))])).values())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "b'True'"


def test_no_worker_outlives_a_run_that_is_left():
    run = PoolEngine(2).map(Deadly(), ((n, Bytes(b"photo")) for n in range(50)))
    next(run)
    assert multiprocessing.active_children()
    assert isinstance(run, Generator)
    run.close()
    assert not multiprocessing.active_children()


def test_no_member_of_an_archive_is_read_behind_a_task_that_needs_their_memory():
    """Of 100 bytes 30 are for members, so a task of 80 runs alone, and the next is read when it is done."""
    taken: list[tuple[int, int]] = []
    done: list[int] = []

    def source():
        for number, needed in enumerate([10, 60, 80, 10, 10, 10, 10]):
            taken.append((number, len(done)))
            yield number, Bytes(b"x", needed)

    engine = PoolEngine(2, budget_bytes=100, reserved_bytes=30)
    for key, result in engine.map(Deadly(), source()):
        assert result == b"x"
        done.append(key)
    assert done == list(range(7))
    assert [before for number, before in taken if number > 2] == [3, 3, 3, 3]


def test_tasks_that_wait_hold_no_more_than_they_may():
    waiting = []

    def source():
        for number in range(8):
            waiting.append(number)
            yield number, Bytes(b"m" * 60)

    most = 0
    for _ in PoolEngine(4, waiting_bytes=100).map(Deadly(), source()):
        most = max(most, len(waiting))
        waiting.pop()
    assert most <= 2


def test_a_task_that_needs_more_memory_than_there_is_is_rejected():
    engine = PoolEngine(1, budget_bytes=100)
    tasks = [(number, Bytes(b"x", needed)) for number, needed in enumerate((100, 101))]
    (_, small), (_, large) = engine.map(Deadly(), tasks)
    assert small == b"x"
    assert isinstance(large, Rejected)
    assert large.reason == "too-large"
