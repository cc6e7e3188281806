"""Draws what `evaluate.py` measured: `python -m training.plot --results results.json --out recall.png`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

_SETS = {"wider": "WIDER, 80 photos at 416 px", "natural": "natural, 40 photos up to 1024 px"}


def draw(results: dict[str, Any], way: str, out: Path) -> None:
    """Recall over false boxes a picture for both sets, and recall by height at one false box.

    Args:
        results: as `evaluate.py` writes them.
        way: which way to look at the photos.
        out: PNG to write.
    """
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    names = [name for name in results if way in results[name]]
    colours = dict(zip(names, plt.colormaps["tab10"].colors, strict=False))  # type: ignore[attr-defined]
    for axis, (group, title) in zip(axes, _SETS.items(), strict=False):
        for name in names:
            told = results[name][way][group]
            false, recall = zip(*told["curve"], strict=True)
            width = 2.4 if name == names[0] else 1.2
            axis.plot(false, recall, label=f"{name}, AP {told['ap']:.3f}", color=colours[name], lw=width)
        axis.set(xscale="log", xlim=(0.05, 5), ylim=(0, 1), xlabel="false boxes a photo", title=title)
        axis.set_ylabel("recall at IoU .5")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="lower right")
    bars = axes[2]
    for place, name in enumerate(names):
        rows = results[name][way]["both"]["at_false_boxes"]["1.0"]["by_height"]
        at = [row + (place - len(names) / 2 + 0.5) * 0.8 / len(names) for row in range(len(rows))]
        bars.bar(at, [row["recall"] for row in rows], 0.8 / len(names), color=colours[name], label=name)
    labels = [
        f"{low} to {high} px" if high < 1000 else f"above {low} px"
        for low, high in (row["px"] for row in rows)
    ]
    bars.set_xticks(
        range(len(labels)), [f"{label}\n{row['faces']}" for label, row in zip(labels, rows, strict=True)]
    )
    bars.set(ylim=(0, 1), title="recall by height of the face, both sets, 1 false box a photo")
    bars.title.set_fontsize(9)
    bars.grid(axis="y", alpha=0.3)
    figure.suptitle(f"Looked at {'at 640 px' if way == '640' else f'with detail {way}'}", fontsize=10)
    figure.savefig(out, dpi=110, metadata={"Software": None})


def main() -> int:
    """Draws one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON that training.evaluate wrote")
    parser.add_argument("--way", default="standard", choices=["640", "standard", "crowd"])
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    args = parser.parse_args()
    if not args.results.is_file():
        print(f"{args.results} is not there: run training.evaluate first", file=sys.stderr)
        return 1
    draw(json.loads(args.results.read_text()), args.way, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
