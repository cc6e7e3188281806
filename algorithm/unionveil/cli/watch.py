"""`unionveil watch`: anonymizes photos as they arrive in a folder."""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path

import click

from ..engines.pool import Pool, pool_in_order
from ..engines.resources import archive_bytes, default_jobs, picture_bytes
from ..errors import InputError
from ..files.paths import is_folder
from ..files.sinks import FolderSink
from ..runs.journal import Journal
from ..runs.work import Anonymize
from ..single import METHODS, not_single, single_config
from ..watch import Watch
from .anonymize import setting_options
from .console import EXIT_DONE
from .options import SECONDS, jobs_option, timeout_option
from .report import Report, report_options

__all__ = ["command"]


@click.command("watch")
@click.argument("folder", metavar="IN", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the outputs.",
)
@click.option(
    "--interval",
    type=SECONDS,
    default=2.0,
    show_default=True,
    help="Seconds between scans; a file is processed once it is unchanged for two scans.",
)
@click.option(
    "--prune", is_flag=True, help="Remove outputs of files that no longer exist, such as withdrawn photos."
)
@jobs_option
@timeout_option()
@setting_options(without=not_single() - {"digest_salt"}, methods=METHODS)
@report_options
def command(
    folder: Path,
    output: Path,
    interval: float,
    prune: bool,
    jobs: int | None,
    timeout: float,
    report: Report,
    **settings: str | None,
) -> int:
    """Anonymizes photos as they arrive in a folder, until Ctrl-C.

    Outputs keep the names of their inputs. The same command again continues where it stopped.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = {name: value for name, value in settings.items() if value is not None}
    config = single_config(given | {"names": "keep"}, "a watched folder")
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder; name the folder to watch")
    Anonymize(config).check()  # before the output folder is created
    sink = FolderSink(output, overwrite=True, inputs=[folder])
    journal = Journal(sink.folder, config)
    work = Anonymize(config, sink, secret=journal.secret)
    jobs = jobs or default_jobs()
    pool = Pool(work, jobs, timeout, picture_bytes(jobs), archive_bytes())
    with sink.locked(), journal, pool:
        if not journal.is_kept:
            report.note("note: the state folder cannot be written to; a restart needs an empty output folder")
        watch = Watch(
            folder,
            work,
            sink,
            journal,
            lambda tasks: pool_in_order(pool, jobs, tasks),
            prune=prune,
            report=report.note,
            reject=partial(report.problem, "rejected"),
        )
        report.note(f"watching {folder}; Ctrl-C stops watching")
        try:
            while True:
                watch.round()
                time.sleep(interval)
        except KeyboardInterrupt:
            return EXIT_DONE
