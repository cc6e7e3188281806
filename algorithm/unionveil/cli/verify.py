"""`unionveil verify`: outputs against what their manifest claims."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from ..engines.pool import PoolEngine
from ..engines.resources import default_jobs
from ..errors import InputError
from ..measure.verify_run import Verdict, verify_outputs
from ..text import printable
from .console import EXIT_DONE, EXIT_SOME_REJECTED
from .options import jobs_option, timeout_option
from .progress import progress

__all__ = ["command"]

_err = Console(stderr=True, highlight=False)

_MOST_SHOWN = 50


@click.command("verify")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON on standard output.")
@jobs_option
@timeout_option("output")
def command(folder: Path, as_json: bool, jobs: int | None, timeout: float) -> int:
    """Verifies a folder of outputs without any original.

    Checks the manifest and every digest, that no other file is there, that no output holds metadata, that
    tool and weights are known, that the claimed method was applied in every box, and looks with two detectors
    for faces outside of the boxes. Text outside of the boxes is not looked for. Ends with 0 if everything is
    as claimed, else with 1.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name a folder of outputs with its manifest.json")
    total = sum(1 for path in folder.iterdir() if path.is_file())
    with progress("verifying", total) as advance:
        verdict = verify_outputs(folder, PoolEngine(jobs or default_jobs(), timeout), advance)
    _show(verdict)
    if as_json:
        click.echo(json.dumps(verdict.data(), indent=1))
    return EXIT_SOME_REJECTED if verdict.sure else EXIT_DONE


def _show(verdict: Verdict) -> None:
    for label, issues in (("wrong", verdict.sure), ("unsure", verdict.unsure)):
        for issue in issues[:_MOST_SHOWN]:
            line = printable(f"{label}: {issue.sentence}", quoted=False, most=None)
            _err.print(line, markup=False, soft_wrap=True)
        if len(issues) > _MOST_SHOWN:
            _err.print(f"{label}: {len(issues) - _MOST_SHOWN} more; --json lists them all")
    if verdict.sure:
        _err.print(f"not as claimed: {len(verdict.sure)} things are wrong", soft_wrap=True)
    elif verdict.manifest:
        counts = verdict.manifest.counts
        outputs, boxes = counts.redacted + counts.without_face, counts.faces + (counts.texts or 0)
        detectors = " and ".join(verdict.detectors)
        faces = (
            f"{detectors} find no sure face outside of them"
            if detectors
            else "the run did not cover faces, so nothing looked for them"
        )
        _err.print(f"as claimed: {outputs} outputs, {boxes} boxes; {faces}", soft_wrap=True)
