"""Lines about a run's progress: the first after ten seconds, the next at growing intervals."""

from itertools import pairwise

import pytest

from unionveil.pace import Pace, Progress, duration


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def lines(total, steps, seconds_per_step):
    clock = Clock()
    pace = Pace(total, clock)
    found = []
    for _ in range(steps):
        clock.seconds += seconds_per_step
        if progress := pace.step():
            found.append((clock.seconds, progress))
    return found


def test_a_quick_run_prints_nothing():
    assert lines(90, 90, 0.1) == []


def test_the_first_line_comes_after_ten_seconds_with_rate_and_time_left():
    seconds, progress = lines(100, 100, 0.5)[0]
    assert seconds == 10
    assert progress == Progress(20, 100, 2.0, 40.0)
    assert str(progress) == "20 of 100 (20 %), 2 per second, 40 s left"


def test_lines_become_rarer():
    day = lines(86_400, 86_400, 1)
    assert 60 < len(day) < 140
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(day)]
    assert min(gaps) >= 10
    assert max(gaps) > 3600


def test_a_growing_total_is_never_below_the_number_done():
    progress = lines(5, 30, 1)[-1][1]
    assert (progress.done, progress.total, progress.seconds_left) == (30, 30, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (91, "2 min"), (3540, "59 min"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
