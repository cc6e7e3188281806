"""Prints the test coverage of each package: `make check-coverage`.

    python tests/coverage_by_package.py REPORT.json

REPORT.json is written by `coverage json`. A package is a folder of the product.
Lines and branches count equally.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

ROOTS = ("algorithm", "publish")


def main(report: Path) -> None:
    found = by_package(json.loads(report.read_text("utf-8"))["files"])
    width = max(map(len, found))
    print(f"{'package':<{width}}  lines  missed  branches  missed  covered")
    for package, counts in sorted(found.items()):
        lines, branches = counts["num_statements"], counts["num_branches"]
        missed, untaken = counts["missing_lines"], counts["missing_branches"]
        print(f"{package:<{width}}  {lines:5}  {missed:6}  {branches:8}  {untaken:6}  {share(counts):7.1%}")


def by_package(files: dict[str, Any]) -> dict[str, Counter[str]]:
    """Sums of the figures of all files, by the folder that they are in."""
    found: dict[str, Counter[str]] = {}
    for name, file in files.items():
        parts = PurePosixPath(name.replace("\\", "/")).parent.parts
        package = ".".join(parts[1:] if parts[0] in ROOTS else parts)
        numbers = {key: int(value) for key, value in file["summary"].items() if isinstance(value, int)}
        found.setdefault(package, Counter()).update(numbers)
    return found


def share(counts: Counter[str]) -> float:
    """Share of lines and branches that ran; 1 for a package without code."""
    total = counts["num_statements"] + counts["num_branches"]
    return 1 - (counts["missing_lines"] + counts["missing_branches"]) / total if total else 1.0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
