"""The group of all commands. A command's file is imported when it is used: help and errors come at once."""

from __future__ import annotations

import importlib

import click

from .. import __version__
from .interrupts import raise_once

__all__ = ["cli"]

_COMMANDS = {
    "anonymize": "Anonymizes photos, folders and archives into a folder.",
    "audit": "Measures what can still be seen after a run, and whom attackers recognize.",
    "bot": "Answers photos in Matrix rooms with the same photos, faces covered.",
    "check": "Checks that pictures give nobody away: no face, no place, no serial number, no owner.",
    "compare": "Compares detectors on your own photos, with or without labelled faces.",
    "job": "Runs as an Ocean compute-to-data algorithm.",
    "merge": "Puts the outputs of all shards of a run into one folder.",
    "models": "Lists, fetches and verifies weights of detectors and embedders.",
    "people": "Compares photos of people, and prepares opt-out lists for a container.",
    "review": "Opens a page on which boxes are added, moved and removed before anything leaves.",
    "serve": "Serves an HTTP API and a page that take a photo and give it back covered.",
    "state": "Shows or removes what is kept so that interrupted runs can go on.",
    "verify": "Verifies outputs against what their manifest claims, without any original.",
    "watch": "Anonymizes photos as they arrive in a folder.",
}
"""Names and short helps; the file of a command has its name and holds `command`."""


class _LazyGroup(click.Group):
    """A group that imports a command only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name}", __package__).command
        raise_once()  # from here on there may be work to be ended
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="unionveil")
def cli() -> None:
    """Removes faces from photos."""
