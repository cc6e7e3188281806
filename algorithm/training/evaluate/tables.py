"""Prints figures of `training.evaluate` as Markdown: `python -m training.evaluate.tables --results FILE`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data.files import DataError
from .results import read_results
from .validation import GROUPS

__all__ = ["first_table", "protocol_table", "score_table", "small_table", "threshold_table", "trait_table"]

_DETAILED = ("640", "unmirrored", "standard", "crowd")
_SMALL_PX = 20


def first_table(results: dict[str, Any]) -> str:
    """Average precision in the protocol `first`, in which the goals were set."""
    rows = [
        [name, *(_short(measured["first"][group]) for group in GROUPS)]
        for name, measured in results.items()
        if "first" in measured
    ]
    return _table(["", *GROUPS], rows)


def protocol_table(results: dict[str, Any], protocol: str, group: str, allowed: str = "1.0") -> str:
    """Average precision, and recall in all and by height at equal false boxes, for one set and protocol."""
    named = [(name, measured[protocol][group]) for name, measured in results.items() if protocol in measured]
    heights = named[0][1]["at_false_boxes"][allowed]["by_height"]
    head = ["", "AP", "recall", *(f"{_bounds(row['px'])} ({row['faces']})" for row in heights)]
    rows = []
    for name, measured in named:
        at = measured["at_false_boxes"][allowed]
        recalls = [_short(row["recall"]) if row["faces"] else "" for row in at["by_height"]]
        rows.append([name, _short(measured["ap"]), _short(at["recall"]), *recalls])
    return _table(head, rows)


def small_table(results: dict[str, Any]) -> str:
    """Recall of faces below 20 px at each number of false boxes per photo, for each protocol and set."""
    protocols = [name for name in _DETAILED if all(name in measured for measured in results.values())]
    rows = []
    for name, measured in results.items():
        cells = [
            measured[protocol][group]["at_false_boxes"].values() for protocol in protocols for group in GROUPS
        ]
        rows.append([name, *(", ".join(_short(_recall_of_small(at)) for at in cell) for cell in cells)])
    return _table(["", *(f"{protocol}, {group}" for protocol in protocols for group in GROUPS)], rows)


def _recall_of_small(at: dict[str, Any]) -> float:
    small = [row for row in at["by_height"] if row["faces"] and row["px"][1] <= _SMALL_PX]
    faces = sum(row["faces"] for row in small)
    return float(sum(row["recall"] * row["faces"] for row in small) / faces) if faces else math.nan


def threshold_table(results: dict[str, Any], protocol: str) -> str:
    """Recall and false boxes of each detector at its own default threshold."""
    rows = []
    for name, measured in results.items():
        if protocol in measured:
            at = [measured[protocol][group]["at_threshold"] for group in GROUPS]
            score = f"{at[0]['score']:g}"
            rows.append([name, score, *(f"{_short(a['recall'])}, {a['false_boxes']:.2f}" for a in at)])
    return _table(["", "threshold", *(f"{group}: recall, false boxes per photo" for group in GROUPS)], rows)


def score_table(measured: dict[str, Any]) -> str:
    """Recall and false boxes of one detector in one protocol, at its default threshold and at others."""
    own = measured[GROUPS[0]]["at_threshold"]["score"]
    at = [(row["score"], i) for i, row in enumerate(measured[GROUPS[0]]["at_scores"]) if row["score"] != own]
    rows = []
    for score, i in sorted([*at, (own, -1)]):
        cells = [measured[group]["at_threshold" if i < 0 else "at_scores"] for group in GROUPS]
        cells = cells if i < 0 else [cell[i] for cell in cells]
        shown = f"**{score:g}**" if i < 0 else f"{score:g}"
        rows.append([shown, *(f"{_short(cell['recall'])}, {cell['false_boxes']:.2f}" for cell in cells)])
    return _table(["threshold", *(f"{group}: recall, false boxes per photo" for group in GROUPS)], rows)


def trait_table(results: dict[str, Any], protocol: str) -> str:
    """Recall by occlusion, blur and pose at one false box per photo; WIDER's grades start at 0."""
    named = {
        name: measured[protocol]["by_trait"] for name, measured in results.items() if protocol in measured
    }
    traits = next(iter(named.values()))
    rows = [
        [f"{trait} ({first['faces']})", *(_short(by_trait[trait]["recall"]) for by_trait in named.values())]
        for trait, first in traits.items()
    ]
    return _table(["", *named], rows)


def _bounds(px: list[int]) -> str:
    if px[0] == 0:
        return f"below {px[1]} px"
    return f"{px[0]} to {px[1]}" if px[1] < 1000 else f"above {px[0]}"


def _short(value: float) -> str:
    """A share with three decimals; empty where it is unknown."""
    return "" if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _all_tables(results: dict[str, Any]) -> Iterator[str]:
    if any("first" in measured for measured in results.values()):
        yield first_table(results)
    for protocol in _DETAILED:
        if any(protocol in measured for measured in results.values()):
            for group in GROUPS:
                yield f"{protocol}, {group}\n\n{protocol_table(results, protocol, group)}"
            yield threshold_table(results, protocol)
            yield from (
                f"{name}, {protocol}\n\n{score_table(measured[protocol])}"
                for name, measured in results.items()
                if protocol in measured
            )
            yield trait_table(results, protocol)
    if any(all(name in measured for measured in results.values()) for name in _DETAILED):
        yield small_table(results)


def main() -> int:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON file of training.evaluate")
    args = parser.parse_args()
    try:
        results = read_results(args.results)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(_all_tables(results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
