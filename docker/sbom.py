"""Writes the image's bill of materials, CycloneDX 1.6: its Python packages, the program and its weights.

    python sbom.py PYTHON PACKAGE OUTPUT

PYTHON is the interpreter of the environment to describe, PACKAGE the folder of `unionveil` with its
`VERSION` and the cards in `weights/`. Runs where `cyclonedx-bom` is installed. It uses neither a clock nor
random numbers: the same environment gives the same bytes. It leaves out the base image's Debian packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def main(python: str, package: Path, output: Path) -> None:
    """Writes `output`."""
    bill = environment(python)
    program = {
        "type": "application",
        "bom-ref": "unionveil",
        "name": "unionveil",
        "version": version(package),
        "licenses": [{"license": {"id": "MIT"}}],
    }
    models = [model(card) for card in sorted((package / "weights").glob("*.json"))]
    needed = [component["bom-ref"] for component in [*bill["components"], *models]]
    bill["metadata"]["component"] = program
    bill["components"] += models
    bill["dependencies"] += [{"ref": "unionveil", "dependsOn": needed}]
    output.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", "utf-8")


def environment(python: str) -> dict[str, Any]:
    """The bill of an environment's packages."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--spec-version", "1.6", "--output-format", "JSON", python]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def version(package: Path) -> str:
    """The program's version."""
    return (package / "VERSION").read_text().strip()


def model(card: Path) -> dict[str, Any]:
    """A file of weights, as its card describes it; for rebuilt weights, the resulting file."""
    written = json.loads(card.read_text())
    written |= written.get("rebuilt", {})
    return {
        "type": "machine-learning-model",
        "bom-ref": written["file"],
        "name": written["name"],
        "description": written["source"],
        "hashes": [{"alg": "SHA-256", "content": written["sha256"]}],
        "licenses": [{"license": {"id": written["licence"]}}],
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
