"""Progress of long tasks, on terminals and in logs."""

from rich.progress import Progress

from unionveil.cli.bars import LongBars, bars_below, lines_of
from unionveil.content import BytesContent
from unionveil.engines.base import Step
from unionveil.runs.work import Task


def test_lines_about_a_video_start_after_ten_seconds_and_give_the_time_left():
    lines, now = [], [0.0]
    show = lines_of(lambda line, facts: lines.append((line, facts)), lambda: now[0])
    for second, done in ((0, 0.0), (9, 18.0), (10, 20.0), (15, 30.0), (20, 40.0)):
        now[0] = second
        show(7, Step("finding faces", done, 60.0))
    assert [line for line, _ in lines] == [
        "video 7: finding faces, 20 s of 60 s, 20 s left",
        "video 7: finding faces, 40 s of 60 s, 10 s left",
    ]
    assert lines[0][1]["seconds_left"] == 20 and lines[0][1]["input"] == 7


def test_another_step_starts_over_and_an_unknown_length_gives_no_time_left():
    lines, now = [], [0.0]
    show = lines_of(lambda line, _: lines.append(line), lambda: now[0])
    show(1, Step("finding faces", 1.0, 60.0))
    now[0] = 11
    show(1, Step("covering", 0.0, 0.0))
    assert lines == []
    now[0] = 21
    show(1, Step("covering", 5.0, 0.0))
    assert lines == ["video 1: covering, 5 s"]


def test_a_long_task_has_one_bar_until_it_ends():
    bars = Progress(disable=True)
    show = bars_below(bars)
    show(3, Step("finding faces", 2.0, 60.0))
    show(3, Step("covering", 4.0, 60.0))
    (bar,) = bars.tasks
    assert (bar.description, bar.completed, bar.total) == ("video 3: covering (seconds)", 4, 60)
    show(3, None)
    assert not bars.tasks


def test_progress_without_a_display_is_dropped():
    shown, long = [], LongBars()
    task = Task(5, "clip.mp4", BytesContent(b""), None, None)
    long(task, Step("covering", 1.0, 2.0))
    with long.shown(lambda number, step: shown.append((number, step))):
        long(task, Step("covering", 2.0, 2.0))
        long.end(5)
    long.end(5)
    assert shown == [(5, Step("covering", 2.0, 2.0)), (5, None)]
