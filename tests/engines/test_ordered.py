"""Results in order, and the limits within which later tasks overtake a slow one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Event, Semaphore

import pytest

from deadly import Bytes
from unionveil import ConfigError
from unionveil.engines.ordered import in_order

TASKS = [(number, Bytes(b"%d" % number)) for number in range(100)]


def done(task):
    future: Future[bytes] = Future()
    future.set_result(task.data)
    return future


def test_those_behind_a_slow_task_are_done_meanwhile():
    slow: Future[bytes] = Future()
    taken = count(1)

    def submit(task):
        if next(taken) == 32:  # as far ahead as two workers may be
            slow.set_result(b"late")
        return slow if task.data == b"0" else done(task)

    results = in_order(submit, 2, TASKS)
    assert next(results) == (0, b"late")
    assert next(taken) == 33
    assert list(results) == [(number, task.data) for number, task in TASKS[1:]]


def test_two_tasks_for_each_worker_are_under_way():
    under_way, most, is_full = Semaphore(4), [], Event()

    def work(task):
        is_full.wait(60)  # until the fourth is given out
        under_way.release()
        return task.data

    with ThreadPoolExecutor(8) as threads:

        def submit(task):
            most.append(under_way.acquire(blocking=False))
            if len(most) == 4:
                is_full.set()
            return threads.submit(work, task)

        assert list(in_order(submit, 2, TASKS)) == [(number, task.data) for number, task in TASKS]
    assert all(most)


def test_a_task_waits_for_room():
    held = []

    def has_room(waiting):
        held.append(len(waiting))
        return len(waiting) < 3

    assert len(list(in_order(done, 2, TASKS, has_room))) == 100
    assert max(held) == 3


def test_an_error_ends_the_results():
    def submit(task):
        future = done(task)
        if task.data == b"2":
            future = Future()
            future.set_exception(ConfigError("this cannot work"))
        return future

    results = in_order(submit, 1, TASKS)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(ConfigError, match="cannot work"):
        next(results)
