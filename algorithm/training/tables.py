"""Prints what `evaluate.py` measured as Markdown: `python -m training.tables --results results.json`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

_SETS = ("wider", "natural")
_WAYS = ("640", "standard", "crowd")
_SMALL_PX = 20


def first_table(results: dict[str, Any]) -> str:
    """Average precision at one scale, in the protocol that the goals were set in."""
    rows = [
        [name, *(_short(told["first"][group]) for group in _SETS)]
        for name, told in results.items()
        if "first" in told
    ]
    return _table(["", *_SETS], rows)


def way_table(results: dict[str, Any], way: str, group: str, allowed: str = "1.0") -> str:
    """Average precision, and recall in all and by height at equal false boxes, for one set and way."""
    named = [(name, told[way][group]) for name, told in results.items() if way in told]
    heights = named[0][1]["at_false_boxes"][allowed]["by_height"]
    head = ["", "AP", "recall", *(f"{_bounds(row['px'])} ({row['faces']})" for row in heights)]
    rows = []
    for name, told in named:
        at = told["at_false_boxes"][allowed]
        recalls = [_short(row["recall"]) if row["faces"] else "" for row in at["by_height"]]
        rows.append([name, _short(told["ap"]), _short(at["recall"]), *recalls])
    return _table(head, rows)


def small_table(results: dict[str, Any]) -> str:
    """Recall of faces below 20 px at each number of false boxes a photo, for each way and set."""
    ways = [way for way in _WAYS if all(way in told for told in results.values())]
    rows = []
    for name, told in results.items():
        cells = [told[way][group]["at_false_boxes"].values() for way in ways for group in _SETS]
        rows.append([name, *(", ".join(_short(_recall_of_small(at)) for at in cell) for cell in cells)])
    return _table(["", *(f"{way}, {group}" for way in ways for group in _SETS)], rows)


def _recall_of_small(at: dict[str, Any]) -> float:
    small = [row for row in at["by_height"] if row["faces"] and row["px"][1] <= _SMALL_PX]
    return float(sum(row["recall"] * row["faces"] for row in small) / sum(row["faces"] for row in small))


def threshold_table(results: dict[str, Any], way: str) -> str:
    """What each detector finds at its own default score, and how many false boxes that costs."""
    rows = []
    for name, told in results.items():
        if way in told:
            at = [told[way][group]["at_threshold"] for group in _SETS]
            score = f"{at[0]['score']:g}"
            rows.append([name, score, *(f"{_short(a['recall'])}, {a['false_boxes']:.2f}" for a in at)])
    return _table(["", "score", *(f"{group}: recall, false boxes a photo" for group in _SETS)], rows)


def trait_table(results: dict[str, Any], way: str) -> str:
    """Recall by occlusion, blur and pose at one false box a photo; WIDER's marks have grades from 0."""
    named = {name: told[way]["by_trait"] for name, told in results.items() if way in told}
    traits = next(iter(named.values()))
    rows = [
        [f"{trait} ({first['faces']})", *(_short(told[trait]["recall"]) for told in named.values())]
        for trait, first in traits.items()
    ]
    return _table(["", *named], rows)


def _bounds(px: list[int]) -> str:
    if px[0] == 0:
        return f"below {px[1]} px"
    return f"{px[0]} to {px[1]}" if px[1] < 1000 else f"above {px[0]}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON that training.evaluate wrote")
    args = parser.parse_args()
    if not args.results.is_file():
        print(f"{args.results} is not there: run training.evaluate first", file=sys.stderr)
        return 1
    results = json.loads(args.results.read_text())
    if any("first" in told for told in results.values()):
        print(first_table(results))
    for way in _WAYS:
        if any(way in told for told in results.values()):
            for group in _SETS:
                print(f"{way}, {group}\n\n{way_table(results, way, group)}")
            print(threshold_table(results, way))
            print(trait_table(results, way))
    print(small_table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
