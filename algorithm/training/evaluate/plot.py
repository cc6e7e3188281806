"""Plots figures of `training.evaluate`: `python -m training.evaluate.plot --results FILE --out FILE.png`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from ..data.files import DataError
from .results import read_results

__all__ = ["choose_protocol", "plot"]

_TITLES = {"wider": "WIDER, 80 photos at 416 px", "natural": "natural, 40 photos up to 1024 px"}
_PROTOCOLS = ("standard", "crowd", "640")


def plot(results: dict[str, Any], protocol: str, out: Path) -> None:
    """Plots recall over false boxes per photo for both sets, and recall by height at one false box.

    Args:
        results: figures as `training.evaluate` writes them.
        protocol: the protocol to plot.
        out: PNG file to write.

    Raises:
        DataError: no detector was measured in this protocol.
    """
    named = {name: measured[protocol] for name, measured in results.items() if protocol in measured}
    if not named:
        raise DataError(f"the results have no figures for {protocol}: measure with --ways {protocol}")
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    for axis, group in zip(axes, _TITLES, strict=False):
        _plot_curves(axis, named, group)
    _plot_heights(axes[2], named)
    at = "a longest side of 640 px" if protocol == "640" else f"detail {protocol}"
    figure.suptitle(f"Detection at {at}", fontsize=10)
    figure.savefig(out, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _plot_curves(axis: Axes, named: dict[str, Any], group: str) -> None:
    """Recall over false boxes per photo; the first detector's line is bold."""
    for place, (name, measured) in enumerate(named.items()):
        false, recall = zip(*measured[group]["curve"], strict=True)
        label = f"{name}, AP {measured[group]['ap']:.3f}"
        axis.plot(false, recall, label=label, color=f"C{place}", lw=1.2 if place else 2.4)
    axis.set(xscale="log", xlim=(0.05, 5), ylim=(0, 1), title=_TITLES[group])
    axis.set(xlabel="false boxes per photo", ylabel="recall at IoU .5")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="lower right")


def _plot_heights(axis: Axes, named: dict[str, Any]) -> None:
    """Recall by height of the face, both sets, at one false box per photo."""
    rows: list[dict[str, Any]] = []
    width = 0.8 / len(named)
    for place, measured in enumerate(named.values()):
        rows = measured["both"]["at_false_boxes"]["1.0"]["by_height"]
        x = [row + (place - len(named) / 2 + 0.5) * width for row in range(len(rows))]
        axis.bar(x, [row["recall"] for row in rows], width, color=f"C{place}")
    axis.set_xticks(range(len(rows)), [f"{_bounds(*row['px'])}\n{row['faces']}" for row in rows])
    axis.set(ylim=(0, 1))
    axis.set_title("recall by height of the face, both sets, 1 false box per photo", fontsize=9)
    axis.grid(axis="y", alpha=0.3)


def _bounds(low: int, high: int) -> str:
    return f"{low} to {high} px" if high < 1000 else f"above {low} px"


def choose_protocol(results: dict[str, Any]) -> str | None:
    """The first measured protocol that can be plotted; None without one."""
    measured = {protocol for by_protocol in results.values() for protocol in by_protocol}
    return next((protocol for protocol in _PROTOCOLS if protocol in measured), None)


def main() -> int:
    """Writes one plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="JSON file of training.evaluate")
    parser.add_argument("--way", choices=_PROTOCOLS, help="protocol; default: the first that was measured")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    args = parser.parse_args()
    try:
        results = read_results(args.results)
        protocol = args.way or choose_protocol(results)
        if protocol is None:
            print(f"{args.results} has only the protocol first: there is nothing to plot")
        else:
            plot(results, protocol, args.out)
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
