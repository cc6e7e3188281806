"""What a command prints on standard error while it runs: text for people, or one JSON object per line."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias, TypeVar

import click
from rich.console import Console

from ..error_codes import EXIT_WRONG_USE, code_of
from ..errors import UnionVeilError
from ..pace import Pace
from ..text import printable
from .bars import LongBars, bars_below, lines_of

__all__ = ["Report", "report_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

Event: TypeAlias = Literal["note", "progress", "problem", "done", "error"]


class Report:
    """Notes, progress, problems and the summary of one command.

    Args:
        quiet: prints only problems and errors.
        as_json: one object per line, each with its `time`, its `event` and further fields.
        console: where lines go; standard error by default.
        clock: seconds since any fixed moment, to pace the lines.
        now: the time printed in a JSON line.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        as_json: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._quiet = quiet
        self._as_json = as_json
        self._console = console or Console(stderr=True, highlight=False, emoji=False)
        self._clock = clock
        self._now = now

    def note(self, text: str) -> None:
        """Prints information that is not a problem."""
        self._say("note", text, {"text": text})

    def problem(self, kind: str, name: str, detail: str) -> None:
        """Prints a problem with one file, even with `quiet`.

        Args:
            kind: one word before the name, such as `rejected`.
            name: the file's name as it is on disk; it is made printable. Empty without a file.
            detail: a sentence.
        """
        name = printable(name, quoted=False, most=None)
        line = ": ".join(part for part in (kind, name, detail) if part)
        self._say("problem", line, {"kind": kind, "name": name, "detail": detail})

    def done(self, rows: Sequence[tuple[str, str]], facts: Mapping[str, object]) -> None:
        """Prints the summary at the end.

        Args:
            rows: a label and a text each, for people.
            facts: the same for programs.
        """
        if self._as_json:
            self._say("done", "", facts)
        elif not self._quiet:
            width = max(len(label) for label, _ in rows)
            for label, text in rows:
                # One line each: a path that is broken in two cannot be copied.
                self._print(printable(f"{label:<{width}}  {text}", quoted=False, most=None))

    def failed(self, error: UnionVeilError | click.ClickException) -> int:
        """Prints the error that ends a command, as JSON; returns its exit code."""
        if isinstance(error, UnionVeilError):
            code, text = code_of(error).exit_code, str(error)
        else:
            code, text = EXIT_WRONG_USE, error.format_message()
        self._say("error", text, {"text": printable(text, quoted=False, most=None), "exit_code": code})
        return code

    @contextmanager
    def progress(self, label: str, total: int, long: LongBars | None = None) -> Iterator[Callable[[], None]]:
        """A progress bar on a terminal; elsewhere, lines with the remaining time.

        Args:
            label: the step's name.
            total: number of steps known so far; archives increase it.
            long: receives the progress of long steps.

        Yields:
            A function to call after each step.
        """
        if self._quiet:
            yield lambda: None
        elif self._console.is_terminal and not self._as_json:
            with _bar(self._console, label, total, long) as advance:
                yield advance
        else:
            lines = lines_of(lambda line, facts: self._say("progress", line, facts), self._clock)
            with long.shown(lines) if long else nullcontext():
                yield self._lines(label, total)

    def _lines(self, label: str, total: int) -> Callable[[], None]:
        pace = Pace(total, self._clock)

        def advance() -> None:
            progress = pace.step()
            if progress:
                facts = {"label": label, "done": progress.done, "total": progress.total}
                rates = {"per_second": round(progress.per_second, 3)}
                left = {} if progress.seconds_left is None else {"seconds_left": round(progress.seconds_left)}
                self._say("progress", f"{label}: {progress}", {**facts, **rates, **left})

        return advance

    def _say(self, event: Event, text: str, facts: Mapping[str, object]) -> None:
        if self._quiet and event not in ("problem", "error"):
            return
        if self._as_json:
            stamp = self._now().isoformat(timespec="milliseconds")
            line = json.dumps({"time": stamp, "event": event, **facts})
        else:
            line = printable(text, quoted=False, most=None)
        self._print(line)

    def _print(self, line: str) -> None:
        """Prints a line; a full disk behind standard error does not end the work."""
        with suppress(OSError):
            self._console.print(line, markup=False, soft_wrap=True)


@contextmanager
def _bar(console: Console, label: str, total: int, long: LongBars | None) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Bar(*columns, console=console, transient=True) as bar,
        long.shown(bars_below(bar)) if long else nullcontext(),
    ):
        task = bar.add_task(label, total=total)

        def advance() -> None:
            done = bar.tasks[0].completed + 1
            bar.update(task, completed=done, total=max(total, done))

        yield advance


def report_options(command: Command) -> Command:
    """`--quiet` and `--log-format`, passed as the argument `report`; apply it directly above the function.

    With JSON, the error that ends a command is JSON as well.
    """

    @click.option("-q", "--quiet", is_flag=True, help="Print only problems: no progress, no summary.")
    @click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of progress, problems and the summary on standard error; json: one object per line.",
    )
    @functools.wraps(command)
    def reported(*args: Any, quiet: bool, log_format: str, **kwargs: Any) -> Any:
        report = Report(quiet=quiet, as_json=log_format == "json")
        try:
            return command(*args, report=report, **kwargs)
        except (UnionVeilError, click.ClickException) as error:
            if log_format == "text":
                raise
            return report.failed(error)

    return reported  # type: ignore[return-value]  # it has the same options, and two more
