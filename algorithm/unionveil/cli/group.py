"""The group of all commands. A command's file is imported on first use, so help and errors appear at once."""

from __future__ import annotations

import importlib

import click

from .. import __version__
from .interrupts import raise_once

__all__ = ["cli"]

_COMMANDS = {
    "anonymize": "Anonymizes photos, videos, folders and archives into a folder.",
    "audit": "Measures what is still visible after a run, and whom attackers recognize.",
    "bot": "Answers photos in Matrix rooms with the same photos, faces covered.",
    "check": "Checks that pictures reveal nobody: no face, no place, no serial number, no owner.",
    "compare": "Compares detectors on your own photos, with or without labelled faces.",
    "job": "Runs as an Ocean compute-to-data algorithm.",
    "merge": "Joins the outputs of all shards of a run in one folder.",
    "models": "Lists, fetches and verifies weights of detectors and embedders.",
    "people": "Compares photos of people, and prepares opt-out lists for a container.",
    "review": "Opens a page to add, move and remove boxes before anything is written.",
    "serve": "Serves an HTTP API and a page that return photos with their faces covered.",
    "state": "Shows or removes the state that lets interrupted runs continue.",
    "verify": "Verifies outputs against what their manifest claims, without any original.",
    "watch": "Anonymizes photos as they arrive in a folder.",
}
"""Names and short help; a command's file has its name and contains `command`."""


class _LazyGroup(click.Group):
    """A group that imports a command only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name}", __package__).command
        raise_once()  # from here on there may be work to end properly
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="unionveil")
def cli() -> None:
    """Removes faces from photos and videos."""
