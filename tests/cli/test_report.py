"""Output of commands while they run: for people, for programs, or only problems."""

import io
import json
from datetime import datetime, timezone

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from unionveil.cli.report import Report, report_options
from unionveil.errors import InputError

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


class Clock:
    """A clock that advances by a second per call."""

    seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def said(act, *, terminal=False, **options):
    out = io.StringIO()
    console = Console(file=out, highlight=False, emoji=False, force_terminal=terminal, width=80)
    act(Report(console=console, clock=Clock(), now=lambda: NOON, **options))
    return out.getvalue()


def everything(report):
    with report.progress("looking", 40) as advance:
        for _ in range(40):
            advance()
    report.note("a note")
    report.problem("rejected", "odd\x1b[31m:smile:\n[b]name", "it is cut off")
    report.done([("pictures", "40")], {"pictures": 40})


def test_text_is_for_people():
    text = said(everything)
    assert text.splitlines()[0] == "looking: 10 of 40 (25 %), 1 per second, 30 s left"
    assert "a note\n" in text
    assert "rejected: odd\\x1b[31m:smile:\\n[b]name: it is cut off\n" in text
    assert text.splitlines()[-1].split() == ["pictures", "40"]


def test_json_is_one_object_per_line():
    lines = [json.loads(line) for line in said(everything, as_json=True).splitlines()]
    assert {line["time"] for line in lines} == {"2026-01-02T12:00:00.000+00:00"}
    assert [line["event"] for line in lines[-3:]] == ["note", "problem", "done"]
    assert lines[0] == {
        "time": "2026-01-02T12:00:00.000+00:00",
        "event": "progress",
        "label": "looking",
        "done": 10,
        "total": 40,
        "per_second": 1.0,
        "seconds_left": 30,
    }
    assert lines[-2]["name"] == "odd\\x1b[31m:smile:\\n[b]name"
    assert lines[-1]["pictures"] == 40


@pytest.mark.parametrize("as_json", [False, True])
def test_quiet_prints_only_problems(as_json):
    lines = said(everything, quiet=True, as_json=as_json).splitlines()
    assert len(lines) == 1
    assert "it is cut off" in lines[0]


def test_json_goes_to_terminals_too():
    lines = said(everything, terminal=True, as_json=True).splitlines()
    assert all(json.loads(line) for line in lines)


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (InputError("x is not there"), "x is not there", 2),
        (click.UsageError("name a file"), "name a file", 2),
    ],
)
def test_errors_are_json_where_the_rest_is(error, text, code):
    @click.command()
    @report_options
    def command(report: Report) -> int:
        raise error

    plain = CliRunner().invoke(command, [], standalone_mode=False)
    assert plain.exception is error
    done = CliRunner().invoke(command, ["--log-format", "json"], standalone_mode=False)
    assert done.return_value == code
    line = json.loads(done.stderr)
    assert (line["event"], line["text"], line["exit_code"]) == ("error", text, code)
