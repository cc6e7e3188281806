"""`unionveil check`: finds pictures that reveal people, for commit hooks and continuous integration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ..config import AnonymizeConfig, parameters
from ..content import FileContent
from ..engines.pool import PoolEngine
from ..engines.resources import default_jobs, member_bytes
from ..errors import ConfigError, InputError
from ..files.sources import PathSource, Patterns, Skipped
from ..measure.photos import memory_for
from ..outcomes import Rejected
from ..parameters import near
from ..runs.check import SUBJECTS, Check, CheckTask, Subject
from ..text import printable
from .anonymize import setting_options
from .console import EXIT_DONE, EXIT_SOME_REJECTED
from .options import jobs_option, timeout_option
from .path_list import named_paths
from .report import Report, report_options

__all__ = ["command"]

_SETTINGS = frozenset(
    {"detector", "detail", "engine", "mirror", "threshold", "min_face", "max_face", "max_megapixels"}
)


@click.command("check")
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--look-for",
    default=",".join(SUBJECTS),
    show_default=True,
    metavar="NAMES",
    help="What to look for, separated by commas. Without face no detector runs, which is much faster.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="As anonymize --exclude.")
@setting_options(without={one.name for one in parameters()} - _SETTINGS)
@jobs_option
@timeout_option()
@report_options
def command(
    paths: tuple[Path, ...],
    look_for: str,
    exclude: tuple[str, ...],
    jobs: int | None,
    timeout: float,
    report: Report,
    **settings: str | None,
) -> int:
    """Checks that pictures reveal nobody: no face, no GPS position, no serial number, no owner's name.

    Prints one line for every file that does, or that cannot be checked, and then exits with 1. Writes no
    file. A single dash reads paths from standard input.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    work = Check(AnonymizeConfig.from_parameters(given).resolved()[0], _subjects(look_for))
    named = list(named_paths(paths))
    source = PathSource(named, patterns=Patterns((), exclude), member_bytes=member_bytes())
    if not len(source):
        raise InputError("your inputs contain no file; name photos, folders or archives")
    work.check()
    engine = PoolEngine(jobs or min(default_jobs(), len(source)), timeout)
    checked = wrong = 0
    with report.progress("checking", len(source)) as advance:
        for name, found in engine.map(work, _tasks(source)):
            checked += 1
            line = f"cannot be checked: {found.detail}" if isinstance(found, Rejected) else ", ".join(found)
            if line:
                wrong += 1
                click.echo(printable(f"{name}: {line}", quoted=False, most=None))
            advance()
    rows = [("checked", str(checked)), ("not clean", f"{wrong}  (revealing somebody, or not checkable)")]
    report.done(rows, {"checked": checked, "wrong": wrong})
    return EXIT_SOME_REJECTED if wrong else EXIT_DONE


def _subjects(names: str) -> tuple[Subject, ...]:
    chosen = {name.strip() for name in names.split(",")} - {""}
    unknown = sorted(chosen - set(SUBJECTS))
    if unknown:
        raise ConfigError(f"--look-for: unknown name {unknown[0]!r}{near(unknown[0], SUBJECTS)}")
    if not chosen:
        raise ConfigError(f"--look-for: name at least one of {', '.join(SUBJECTS)}")
    return tuple(subject for subject in SUBJECTS if subject in chosen)


def _tasks(source: PathSource) -> Iterator[tuple[str, CheckTask]]:
    for item in source:
        if not isinstance(item.content, Skipped):
            content = item.content
            needed = 0 if isinstance(content, Rejected) else memory_for(content)
            # The path, as other linters print it: files in two folders may have the same name.
            name = str(content.path) if isinstance(content, FileContent) else item.name
            yield name, CheckTask(content, needed)
