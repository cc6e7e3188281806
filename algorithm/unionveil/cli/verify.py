"""`unionveil verify`: checks outputs against the claims of their manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ..engines.pool import PoolEngine
from ..engines.resources import default_jobs
from ..errors import InputError
from ..files.paths import is_folder
from ..measure.verify_run import Verdict, verify_outputs
from ..runs.schema import is_manifest
from ..text import counted
from .console import EXIT_DONE, EXIT_SOME_REJECTED
from .options import jobs_option, timeout_option
from .report import Report, report_options

__all__ = ["command"]

_MOST_SHOWN = 50


@click.command("verify")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON on standard output.")
@jobs_option
@timeout_option("output")
@report_options
def command(folder: Path, as_json: bool, jobs: int | None, timeout: float, report: Report) -> int:
    """Verifies a folder of outputs without any original.

    Checks the manifest and every digest, that no other file is there, that no output holds metadata, that
    tool and weights are known, and that the claimed method was applied in every box. Looks with two detectors
    for faces outside the boxes, but not for text. Exits with 0 if everything is as claimed, otherwise with 1.
    """
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder; name a folder of outputs with its manifest.json")
    total = sum(not is_manifest(name) for _, _, names in os.walk(folder) for name in names)  # for the bar
    with report.progress("verifying", total) as advance:
        verdict = verify_outputs(folder, PoolEngine(jobs or default_jobs(), timeout), advance)
    _show(verdict, report)
    if as_json:
        click.echo(json.dumps(verdict.data(), indent=1))
    return EXIT_SOME_REJECTED if verdict.sure else EXIT_DONE


def _show(verdict: Verdict, report: Report) -> None:
    for label, issues in (("wrong", verdict.sure), ("unsure", verdict.unsure)):
        for issue in issues[:_MOST_SHOWN]:
            report.problem(label, issue.file, issue.finding.detail)
        if len(issues) > _MOST_SHOWN:
            report.note(f"{label}: {len(issues) - _MOST_SHOWN} more; --json lists them all")
    counts = verdict.head.counts if verdict.head else None
    facts = {"passed": not verdict.sure, "wrong": len(verdict.sure), "unsure": len(verdict.unsure)}
    if verdict.sure:
        report.done([("not as claimed", f"{counted(len(verdict.sure), 'problem')}, listed above")], facts)
    elif counts:
        boxes = counts.faces + (counts.texts or 0)
        outputs = (
            f"{counted(counts.redacted + counts.without_face, 'output')}, {counted(boxes, 'box', 'boxes')}"
        )
        faces = f"{' and '.join(verdict.detectors)} find no sure face outside them"
        if not verdict.detectors:
            faces = "the run did not cover faces, so nothing looked for them"
        report.done([("as claimed", f"{outputs}; {faces}")], facts)
