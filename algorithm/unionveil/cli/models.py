"""`unionveil models`: the weights of detectors and embedders."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from ..models.cards import CARDS, EMBEDDERS, ModelCard, card_of
from ..models.store import fetch, state
from .console import EXIT_DONE, EXIT_SOME_REJECTED

__all__ = ["command"]


_ALL: tuple[ModelCard, ...] = (*CARDS.values(), *EMBEDDERS.values())


@click.group("models")
def command() -> None:
    """Lists, fetches and verifies weights of detectors and embedders."""


@command.command("list")
def list_models() -> None:
    """Lists all models and whether their weights are on this machine."""
    table = Table("model", "task", "weights", "licence", "source")
    for card in _ALL:
        table.add_row(card.name, card.task, state(card), card.licence, card.source)
    table.add_row("yolo:FILE.onnx", "face", "yours", "yours", "any YOLOv5-face or YOLOv8-face ONNX file")
    table.add_row("onnx:FILE.onnx", "embedding", "yours", "yours", "any embedder, its card in FILE.json")
    Console().print(table)


@command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch_models(names: tuple[str, ...]) -> None:
    """Downloads published weights from their pinned addresses and checks their SHA-256."""
    for name in names:
        card = card_of(name)
        click.echo(
            f"{card.name}: {card.source}\n  licence {card.licence}, SHA-256 {card.sha256}"
            + (f"\n  {card.url}" if card.url else "")
        )
        click.echo(f"  -> {fetch(card)}")


@command.command("verify")
def verify_models() -> int:
    """Checks every file of weights on this machine against its card."""
    bad = False
    for card in _ALL:
        found = state(card)
        bad |= found == "altered"
        click.echo(f"{card.name}: {found}")
    return EXIT_SOME_REJECTED if bad else EXIT_DONE
