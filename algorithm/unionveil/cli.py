"""The command line: `unionveil anonymize`, `unionveil job`, `unionveil models`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import __version__
from .batch import Done, run_batch
from .config import AnonymizeConfig, parameters
from .detect.models import CARDS, card_of, fetch, find
from .engines import Engine, PoolEngine, SerialEngine
from .errors import InputError, ModelError, UnionVeilError
from .job import run_job
from .journal import Journal
from .manifest import Counts, RejectedRecord
from .outcomes import Anonymized
from .preview import draw_preview
from .resources import default_jobs
from .sinks import FolderSink
from .sources import count_items, read_items

__all__ = ["main"]

EXIT_DONE, EXIT_SOME_REJECTED, EXIT_WRONG_USE, EXIT_INTERRUPTED, EXIT_STOPPED = 0, 1, 2, 130, 143

Command = TypeVar("Command", bound=Callable[..., Any])

_err = Console(stderr=True, highlight=False)


def main() -> NoReturn:
    """Runs the command line; every known error ends as one sentence and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = EXIT_INTERRUPTED
    except KeyboardInterrupt:
        _err.print("interrupted; the same command goes on where this one stopped")
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = EXIT_WRONG_USE
    except UnionVeilError as error:
        click.echo(f"unionveil: {error}", err=True)
        code = EXIT_WRONG_USE
    sys.exit(code if isinstance(code, int) else EXIT_DONE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="unionveil")
def cli() -> None:
    """Removes faces from photos."""


def _setting_options(command: Command) -> Command:
    """One option for every setting of `AnonymizeConfig`, in its order."""
    for parameter in reversed(parameters()):
        text = parameter.description
        if parameter.methods:
            text = f"[{', '.join(parameter.methods)}] {text}"
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


@cli.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the outputs."
)
@_setting_options
@click.option("--jobs", type=click.IntRange(min=1), help="Workers.  [default: one a core, as memory allows]")
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there with other content.")
@click.option("--dry-run", is_flag=True, help="Look for faces and report; write no output.")
@click.option(
    "--preview", is_flag=True, help="Also write small pictures with the found boxes, into preview/."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest on standard output.")
def anonymize(
    paths: tuple[Path, ...],
    output: Path | None,
    jobs: int | None,
    overwrite: bool,
    dry_run: bool,
    preview: bool,
    as_json: bool,
    **settings: str | None,
) -> int:
    """Anonymizes photos, folders and archives into a folder.

    A single dash reads paths from standard input, one a line. The same command again does only what is
    missing.
    """
    config = AnonymizeConfig.from_parameters({k: v for k, v in settings.items() if v is not None})
    named = list(_named(paths))
    if output is None and (preview or not dry_run):
        raise click.UsageError("say where the outputs go: -o FOLDER")
    total = count_items(named)
    if not total:
        raise InputError("there is no file in what you named; name photos, folders or archives")
    sink = FolderSink(output, overwrite=overwrite, inputs=named) if output else None
    previews = FolderSink(output / "preview", overwrite=True) if output and preview else None
    engine = _engine(config, jobs, total)
    rejected: list[tuple[str, str]] = []
    journal = Journal(sink.folder, config, engine.cards) if sink and not dry_run else None
    with _progress(total) as advance, journal or nullcontext():
        if journal and not journal.is_kept:
            _err.print("note: the state folder cannot be written to; a second run would start from nothing")

        def on_done(done: Done) -> None:
            advance()
            if isinstance(done.record, RejectedRecord):
                rejected.append((done.item.name, done.record.detail))
            elif previews and isinstance(done.outcome, Anonymized):
                previews.write(f"{done.record.output}.jpg", draw_preview(done.outcome))

        manifest = run_batch(
            read_items(named),
            config,
            engine,
            sink=None if dry_run else sink,
            journal=journal,
            on_done=on_done,
        )
    _summary(manifest.counts, rejected, None if dry_run else output)
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


def _engine(config: AnonymizeConfig, jobs: int | None, total: int) -> Engine:
    count = jobs or min(default_jobs(), total)
    return SerialEngine(config) if count == 1 else PoolEngine(config, count)


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


def _summary(counts: Counts, rejected: list[tuple[str, str]], output: Path | None) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("pictures", str(counts.inputs))
    table.add_row("with faces", f"{counts.redacted}  ({counts.faces} faces redacted)")
    table.add_row("without a face", str(counts.without_face))
    table.add_row("rejected", str(sum(counts.rejected.values())))
    if output:
        table.add_row("outputs in", str(output))
    _err.print(table)
    for name, detail in rejected:
        _err.print(f"rejected: {name}: {detail}", markup=False, soft_wrap=True)


@cli.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/data"),
    show_default=True,
    help="Folder with inputs/ and outputs/, as an Ocean node lays it out.",
)
def job(data_dir: Path) -> int:
    """Runs as an Ocean compute-to-data algorithm."""
    # A node ends a job that takes too long with SIGTERM, which a container's first process would not notice.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        counts = run_job(data_dir, lambda line: click.echo(line))
    except KeyboardInterrupt:
        click.echo(
            "unionveil: stopped before all was done; the outputs so far are whole, and there is no manifest",
            err=True,
        )
        return EXIT_STOPPED
    return EXIT_SOME_REJECTED if counts.rejected else EXIT_DONE


@cli.group()
def models() -> None:
    """Detectors' weights: what there is, where it comes from, whether it is whole."""


@models.command("list")
def list_models() -> None:
    """Lists all detectors and whether their weights are on this machine."""
    table = Table("detector", "weights", "licence", "source")
    for card in CARDS.values():
        table.add_row(card.name, _state(card.name), card.licence, card.source)
    table.add_row("yolo:FILE.onnx", "yours", "yours", "any YOLOv5-face or YOLOv8-face ONNX file")
    Console().print(table)


def _state(name: str) -> str:
    try:
        find(card_of(name))
    except ModelError as error:
        return "altered" if "SHA-256" in str(error) else "missing"
    return "here"


@models.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_models(names: tuple[str, ...]) -> None:
    """Downloads published weights from their pinned addresses and checks their SHA-256."""
    for name in names:
        card = card_of(name)
        click.echo(
            f"{card.name}: {card.source}\n  licence {card.licence}, SHA-256 {card.sha256}\n  {card.url}"
        )
        click.echo(f"  -> {fetch(card)}")


@models.command("verify")
def verify_models() -> int:
    """Checks every file of weights that is here against its card."""
    bad = False
    for card in CARDS.values():
        state = _state(card.name)
        bad |= state == "altered"
        click.echo(f"{card.name}: {state}")
    return EXIT_SOME_REJECTED if bad else EXIT_DONE
