"""`unionveil audit`: what is still visible after a run, and whom attackers recognize."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..config import AnonymizeConfig
from ..engines.pool import DEFAULT_TIMEOUT_SECONDS, PoolEngine
from ..engines.resources import default_jobs
from ..errors import InputError
from ..files.paths import is_folder
from ..text import printable
from .console import EXIT_DONE, EXIT_SOME_REJECTED, say
from .options import jobs_option

__all__ = ["command"]


@click.command("audit")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the report.")
@click.option(
    "--people",
    type=click.Path(path_type=Path),
    help="CSV with the columns file and person: whose face is the largest in each photo.  [default: faces "
    "are linked by similarity]",
)
@click.option(
    "--attacker",
    help="Embedder of the attackers, as --embedder.  [default: one that was not used to link faces]",
)
@click.option(
    "--policy", is_flag=True, help="Exit with 1 if a face is visible or an attacker succeeds too often."
)
@click.option("--show-faces", is_flag=True, help="Show uncovered faces in the report.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures on standard output.")
@jobs_option
def command(
    before: Path,
    after: Path,
    output: Path,
    people: Path | None,
    attacker: str | None,
    policy: bool,
    show_faces: bool,
    as_json: bool,
    jobs: int | None,
) -> int:
    """Audits a run: BEFORE is the folder that was anonymized, AFTER the folder that the run wrote.

    Looks for faces that are still visible, and lets attackers identify the people behind the covers. It never
    changes the photos, and its report shows no uncovered face without --show-faces.
    """
    from ..measure.audit import audit, compare_pairs, labels_of, pair_up, read_manifest, to_data, work_for
    from ..measure.audit_page import report_of
    from ..measure.embed import attacker_of
    from ..measure.report import plain, write_report

    if attacker:
        AnonymizeConfig.from_parameters({"embedder": attacker})  # reports a wrong name in one sentence
    if not is_folder(before):
        raise InputError(f"{printable(str(before), quoted=False, most=None)} is not a folder of photos")
    manifest = read_manifest(after)
    labels = labels_of(people) if people else None
    pairs = pair_up(before, after, manifest)
    work = work_for(manifest, attacker, is_labelled=labels is not None, show_faces=show_faces)
    engine = PoolEngine(jobs or min(default_jobs(), max(1, len(pairs))), DEFAULT_TIMEOUT_SECONDS)
    seen, unread = compare_pairs(pairs, work, engine)
    result = audit(seen, unread, manifest, work, labels, attacker_of(work.attacker))
    report = report_of(result)
    page = write_report(report, output)
    say(f"{report.verdict}\n{printable(str(page), quoted=False, most=None)}")
    if as_json:
        click.echo(json.dumps(plain(to_data(result)), indent=1, allow_nan=False))
    return EXIT_SOME_REJECTED if policy and not result.passes else EXIT_DONE
