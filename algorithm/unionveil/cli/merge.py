"""`unionveil merge`: joins the outputs of all shards of a run in one folder."""

from __future__ import annotations

from pathlib import Path

import click

from ..export.croissant import read_about
from ..export.write import ExportForm, describe, describe_export, export
from ..files.sinks import FolderSink
from ..merge.shards import open_shards
from ..merge.write import check_apart, write_merged
from .console import EXIT_DONE
from .options import croissant_option
from .report import Report, report_options

__all__ = ["command"]


@click.command("merge")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the whole run: an empty one, or that of an interrupted merge.",
)
@click.option(
    "--link",
    is_flag=True,
    help="Link files instead of copying them, where both folders are on one disk: fast, and takes no space; "
    "changing a file in place changes it in both folders.",
)
@click.option(
    "--to",
    type=click.Choice([form.value for form in ExportForm]),
    help="Write another form into the folder, for training or data hubs, instead of outputs with a "
    "manifest. Also accepts the single folder of a whole run.",
)
@croissant_option
@report_options
def command(
    folders: tuple[Path, ...],
    output: Path,
    link: bool,
    to: str | None,
    about: Path | None,
    report: Report,
) -> int:
    """Joins the outputs of all shards of a run in one folder, with one manifest.

    Takes the folders of all shards in any order. Refuses a set in which a shard is missing, occurs twice, or
    was made by different versions, weights or settings. The result is the same for any number of shards, and
    the shards themselves are never changed. With --to, another form is written instead.
    """
    merged = open_shards(folders)
    check_apart(merged, output)
    described = read_about(about) if about else None
    counts, sink = merged.head.counts, FolderSink(output)
    with report.progress("merging", counts.inputs) as advance:
        if to:
            files = export(merged, sink, ExportForm(to), link=link, on_done=advance)
        else:
            write_merged(merged, sink, link=link, on_done=advance)
    if described:
        place = (
            describe_export(described, merged, sink, ExportForm(to), files)
            if to
            else describe(described, merged, output)
        )
        report.note(f"description: {place}")
    outputs = counts.redacted + counts.without_face
    rows = [("inputs", str(counts.inputs)), ("outputs", str(outputs)), ("in", str(output))]
    report.done(rows, {"counts": counts.model_dump(exclude_none=True)})
    return EXIT_DONE
