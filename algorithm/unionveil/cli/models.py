"""`unionveil models`: the detectors' weights."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from ..models.cards import CARDS, card_of
from ..models.store import fetch, state
from .console import EXIT_DONE, EXIT_SOME_REJECTED

__all__ = ["command"]


@click.group("models")
def command() -> None:
    """Lists, fetches and verifies the detectors' weights."""


@command.command("list")
def list_models() -> None:
    """Lists all detectors and whether their weights are on this machine."""
    table = Table("detector", "weights", "licence", "source")
    for card in CARDS.values():
        table.add_row(card.name, state(card), card.licence, card.source)
    table.add_row("yolo:FILE.onnx", "yours", "yours", "any YOLOv5-face or YOLOv8-face ONNX file")
    Console().print(table)


@command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_models(names: tuple[str, ...]) -> None:
    """Downloads published weights from their pinned addresses and checks their SHA-256."""
    for name in names:
        card = card_of(name)
        click.echo(
            f"{card.name}: {card.source}\n  licence {card.licence}, SHA-256 {card.sha256}\n  {card.url}"
        )
        click.echo(f"  -> {fetch(card)}")


@command.command("verify")
def verify_models() -> int:
    """Checks every file of weights that is here against its card."""
    bad = False
    for card in CARDS.values():
        found = state(card)
        bad |= found == "altered"
        click.echo(f"{card.name}: {found}")
    return EXIT_SOME_REJECTED if bad else EXIT_DONE
