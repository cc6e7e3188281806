"""What a command says while it runs, on standard error: for people, or as one JSON object per line."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ..error_codes import EXIT_WRONG_USE, code_of
from ..errors import UnionVeilError
from ..pace import Pace
from ..text import printable

__all__ = ["Report", "report_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

Event: TypeAlias = Literal["note", "progress", "problem", "done", "error"]


class Report:
    """Notes, progress, problems and the summary of one command.

    Args:
        quiet: leaves out all but problems and errors.
        as_json: one object per line, each with its `time`, its `event` and facts.
        console: where lines go; standard error by default.
        clock: seconds from any moment on, for the pace of lines.
        now: the time that a JSON line carries.
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
        """Something to know that is not a problem."""
        self._say("note", text, {"text": text})

    def problem(self, kind: str, name: str, detail: str) -> None:
        """Something that went wrong with one file; also said when quiet.

        Args:
            kind: one word before the name, such as `rejected`.
            name: of the file, as it stands outside; it is made printable. Empty for none.
            detail: a sentence.
        """
        name = printable(name, quoted=False, most=None)
        line = ": ".join(part for part in (kind, name, detail) if part)
        self._say("problem", line, {"kind": kind, "name": name, "detail": detail})

    def done(self, rows: Sequence[tuple[str, str]], facts: Mapping[str, object]) -> None:
        """The summary at the end.

        Args:
            rows: a label and a text each, for people.
            facts: the same for programs.
        """
        if self._as_json:
            self._say("done", "", facts)
        elif not self._quiet:
            table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
            for label, text in rows:
                table.add_row(label, escape(printable(text, quoted=False, most=None)))
            self._console.print(table)

    def failed(self, error: UnionVeilError | click.ClickException) -> int:
        """The error that ends a command, as JSON; gives its exit code."""
        if isinstance(error, UnionVeilError):
            code, text = code_of(error).exit_code, str(error)
        else:
            code, text = EXIT_WRONG_USE, error.format_message()
        self._say("error", text, {"text": printable(text, quoted=False, most=None), "exit_code": code})
        return code

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar on a terminal, lines with the time that is left elsewhere.

        Args:
            label: what is being done.
            total: number of steps, as far as it is known; archives make it grow.

        Yields:
            To be called after each step.
        """
        if self._quiet:
            yield lambda: None
        elif self._console.is_terminal and not self._as_json:
            with _bar(self._console, label, total) as advance:
                yield advance
        else:
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
        self._console.print(line, markup=False, soft_wrap=True)


@contextmanager
def _bar(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)

        def advance() -> None:
            done = bar.tasks[0].completed + 1
            bar.update(task, completed=done, total=max(total, done))

        yield advance


def report_options(command: Command) -> Command:
    """`--quiet` and `--log-format`, which become the argument `report`; it stands next to the function.

    Errors end a command as JSON, too, where that was asked for.
    """

    @click.option("-q", "--quiet", is_flag=True, help="Print problems alone: no progress, no summary.")
    @click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How progress, problems and the summary are written to standard error; json: one object per "
        "line.",
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
