"""What the training's documents and the model cards say of code and weights."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import onnx
import pytest

from paths import REPOSITORY

TRAINING = REPOSITORY / "algorithm" / "training"
CARDS = [
    card
    for card in sorted((REPOSITORY / "algorithm" / "unionveil" / "weights").glob("*.md"))
    if card.with_suffix(".onnx").exists()
]


def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}


def names_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+/?)`", cell)


def test_the_table_of_modules_lists_every_file_once() -> None:
    text = (TRAINING / "README.md").read_text("utf-8")
    table = text.partition("## Where things are\n")[2].partition("\n## ")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| `")]
    named = {cell: sorted(names_in(text)) for cell, text in rows if "/" in cell}
    folders = {
        f" `{folder.name}/` ": sorted(modules(folder))
        for folder in TRAINING.iterdir()
        if (folder / "__init__.py").exists()
    }
    assert named == folders
    alone = [name for cell, _ in rows if "/" not in cell for name in names_in(cell)]
    assert sorted(alone) == sorted(modules(TRAINING))


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.name)
def test_a_model_card_counts_the_parameters_of_its_graph(card: Path) -> None:
    graph = onnx.load(str(card.with_suffix(".onnx"))).graph
    counted = sum(prod(tensor.dims) for tensor in graph.initializer)
    assert f" {counted:,} parameters" in card.read_text("utf-8")
