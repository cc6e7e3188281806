"""`unionveil job`: the command that an Ocean node runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import get_args

import click

from ..job import run_job
from ..models.inference import EngineSetting
from .console import EXIT_DONE, EXIT_SOME_REJECTED, EXIT_STOPPED

__all__ = ["command"]


@click.command("job")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/data"),
    show_default=True,
    help="Folder with inputs/ and outputs/, in an Ocean node's layout.",
)
@click.option(
    "--engine",
    type=click.Choice(get_args(EngineSetting)),
    default="auto",
    show_default=True,
    envvar="UNIONVEIL_ENGINE",
    show_envvar=True,
    help="The engine that runs the networks.",
)
def command(data_dir: Path, engine: EngineSetting) -> int:
    """Runs as an Ocean compute-to-data algorithm."""
    # A node ends a job that takes too long with SIGTERM, which a container's first process ignores by
    # default.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        done = run_job(data_dir, lambda line: click.echo(line), engine=engine)
    except KeyboardInterrupt:
        click.echo(
            "unionveil: stopped before the job was done; the outputs so far are complete, without a manifest",
            err=True,
        )
        return EXIT_STOPPED
    return EXIT_DONE if done.is_whole_success else EXIT_SOME_REJECTED
