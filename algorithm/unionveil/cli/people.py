"""`unionveil people`: how an embedder compares photos of people."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from ..config import AnonymizeConfig, Keep, Only, distance_of
from ..engines.pool import PoolEngine
from ..errors import ConfigError, InputError, OutputError
from ..identity.optout import OptOut
from ..identity.references import References
from ..models.cards import embedder_card
from ..runs.references import load_references
from .console import EXIT_DONE, say

__all__ = ["command"]


@click.group("people")
def command() -> None:
    """Compares photos of people, and prepares opt-out lists for a container."""


_detector = click.option(
    "--detector", default=None, help="As for `unionveil anonymize`.  [default: retinaface]"
)
_embedder = click.option("--embedder", default=None, help="As for `unionveil anonymize`.  [default: sface]")


@command.command("compare")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@_detector
@_embedder
@click.option("--match", type=click.Choice(["cosine", "euclidean"]), default=None, help="As for --keep.")
@click.option("--match-threshold", default=None, help="As for --keep.")
def compare(first: Path, second: Path, **settings: str | None) -> int:
    """Shows how similar two people are: photos, or folders with photos of one person.

    --keep and --only have different thresholds, since the first must not keep strangers and the second must
    not miss the person.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    keep = AnonymizeConfig.from_parameters({**given, "select": "keep"})
    one, other = (_one_person(path, keep) for path in (first, second))
    direction = other.means / np.linalg.norm(other.means)
    cosine = float(one.similarity(direction)[0, 0])
    card = embedder_card(keep.embedder)
    only = AnonymizeConfig.from_parameters({**given, "select": "only"})
    table = Table("", "cosine", "distance", "")
    table.add_row("these two", f"{cosine:.3f}", f"{distance_of(cosine):.3f}", "")
    for flag, config, yes, no in (
        ("--keep", keep, "stays visible", "is covered"),
        ("--only", only, "is covered", "stays visible"),
    ):
        selection = config.selection
        if isinstance(selection, Keep | Only):
            least = selection.least_cosine(card)
            says = f"the same person: {yes}" if cosine >= least else f"not the same person: {no}"
            table.add_row(f"{flag} A, face of B", f"{least:.3f}", f"{distance_of(least):.3f}", says)
    Console().print(table)
    return EXIT_DONE


@command.command("optout")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The list."
)
@_detector
@_embedder
@click.option("--match", type=click.Choice(["cosine", "euclidean"]), default=None, help="As for --only.")
@click.option("--match-threshold", default=None, help="As for --only.")
def optout(paths: tuple[Path, ...], output: Path, **settings: str | None) -> int:
    """Writes a list of people for docker/optout/; an image built with it covers only these people.

    Accepts photos of one person, or one folder per person. The vectors in the list can be used to recognize
    these people: keep it, and the image, from everyone who must not.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    config = AnonymizeConfig.from_parameters({**given, "select": "only"})
    references = load_references(paths, config, PoolEngine(1))
    card = embedder_card(config.embedder)
    if card.kind == "onnx" or not isinstance(config.selection, Only):
        raise ConfigError("an image contains no embedder of your own; use a published one")
    people = OptOut.of(references, card, config.selection.least_cosine(card))
    try:
        output.write_text(people.model_dump_json(indent=1) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{output} could not be written: {error.strerror}") from error
    say(f"{references.people} people in {output}")
    return EXIT_DONE


def _one_person(path: Path, config: AnonymizeConfig) -> References:
    references = load_references([path], config, PoolEngine(1))
    if references.people != 1:
        raise InputError(f"{path} contains folders of several people; name one of them")
    return references
