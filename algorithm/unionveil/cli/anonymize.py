"""`unionveil anonymize`: photos, folders and archives into a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..config import AnonymizeConfig, parameters
from ..engines.pool import DEFAULT_TIMEOUT_SECONDS, PoolEngine
from ..engines.resources import default_jobs
from ..errors import InputError
from ..files.sinks import FolderSink
from ..files.sources import PathSource, SourceItem
from ..runs.batch import run_batch
from ..runs.journal import Journal
from ..runs.manifest import Counts, Record, RejectedRecord
from ..runs.work import Anonymize
from .console import EXIT_DONE, EXIT_SOME_REJECTED

__all__ = ["command"]

Command = TypeVar("Command", bound=Callable[..., Any])

_err = Console(stderr=True, highlight=False)


def _setting_options(command: Command) -> Command:
    """One option for every setting of `AnonymizeConfig`, in its order."""
    for parameter in reversed(parameters()):
        text = parameter.description
        if parameter.belongs_to:
            text = f"[{', '.join(parameter.belongs_to)}] {text}"
        if parameter.default:
            text += f"  [default: {parameter.default}]"
        option = click.option(
            "--" + parameter.name.replace("_", "-"),
            parameter.name,
            type=click.Choice(parameter.choices) if parameter.choices else str,
            default=None,
            envvar="UNIONVEIL_DIGEST_SALT" if parameter.name == "digest_salt" else None,
            show_envvar=True,
            metavar=None if parameter.choices else parameter.kind.upper(),
            help=text,
        )
        command = option(command)
    return command


@click.command("anonymize")
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the outputs."
)
@_setting_options
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Workers.  [default: one per core, as memory allows]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT_SECONDS,
    help=f"Seconds after which a picture is given up.  [default: {DEFAULT_TIMEOUT_SECONDS:g}]",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there with other content.")
@click.option("--dry-run", is_flag=True, help="Look for faces and report; write no output.")
@click.option(
    "--preview", is_flag=True, help="Also write small pictures with the found boxes, into preview/."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest on standard output.")
def command(
    paths: tuple[Path, ...],
    output: Path | None,
    jobs: int | None,
    timeout: float,
    overwrite: bool,
    dry_run: bool,
    preview: bool,
    as_json: bool,
    **settings: str | None,
) -> int:
    """Anonymizes photos, folders and archives into a folder.

    A single dash reads paths from standard input, one per line. The same command again does only what is
    missing.
    """
    config = AnonymizeConfig.from_parameters({k: v for k, v in settings.items() if v is not None})
    named = list(_named(paths))
    if output is None and (preview or not dry_run):
        raise click.UsageError("say where the outputs go: -o FOLDER")
    source = PathSource(named)
    if not len(source):
        raise InputError("there is no file in what you named; name photos, folders or archives")
    sink = FolderSink(output, overwrite=overwrite, inputs=named) if output and not dry_run else None
    journal = Journal(sink.folder, config) if sink else None
    work = Anonymize(
        config,
        sink,
        previews=FolderSink(sink.folder / "preview", overwrite=True) if sink and preview else None,
        secret=journal.secret if journal else None,
    )
    rejected: list[tuple[str, str]] = []
    with _progress(len(source)) as advance, journal or nullcontext():
        if journal and not journal.is_kept:
            _err.print("note: the state folder cannot be written to; a second run would start from nothing")

        def on_done(item: SourceItem, record: Record) -> None:
            advance()
            if isinstance(record, RejectedRecord):
                rejected.append((item.name, record.detail))

        # Workers even for a single picture: one that kills its decoder must not kill the program.
        engine = PoolEngine(jobs or min(default_jobs(), len(source)), timeout)
        manifest = run_batch(source, work, engine, journal=journal, on_done=on_done)
    _summary(manifest.counts, rejected, sink)
    if as_json:
        click.echo(manifest.to_bytes().decode(), nl=False)
    return EXIT_SOME_REJECTED if rejected else EXIT_DONE


def _named(paths: tuple[Path, ...]) -> Iterator[Path]:
    if not paths:
        raise click.UsageError(
            "name at least one photo, folder or archive, or - to read names from standard input"
        )
    for path in paths:
        if str(path) == "-":
            yield from (Path(line) for line in sys.stdin.read().splitlines() if line)
        else:
            yield path


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere; archives make the total grow."""
    if not _err.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("anonymizing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as progress:
        task = progress.add_task("", total=total)

        def advance() -> None:
            done = progress.tasks[0].completed + 1
            progress.update(task, completed=done, total=max(total, done))

        yield advance


def _summary(counts: Counts, rejected: list[tuple[str, str]], sink: FolderSink | None) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("pictures", str(counts.inputs))
    table.add_row("with faces", f"{counts.redacted}  ({counts.faces} faces redacted)")
    table.add_row("without a face", str(counts.without_face))
    table.add_row("rejected", str(sum(counts.rejected.values())))
    if sink:
        table.add_row("outputs in", str(sink.folder))
    _err.print(table)
    for name, detail in rejected:
        _err.print(f"rejected: {name}: {detail}", markup=False, soft_wrap=True)
