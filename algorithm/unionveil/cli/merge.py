"""`unionveil merge`: the outputs of all shards of a run, put into one folder."""

from __future__ import annotations

from pathlib import Path

import click

from ..files.sinks import FolderSink
from ..merge.shards import open_shards
from ..merge.write import check_apart, write_merged
from .console import EXIT_DONE
from .report import Report, report_options

__all__ = ["command"]


@click.command("merge")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the whole run; an empty one, or that of a merge that was interrupted.",
)
@click.option(
    "--link",
    is_flag=True,
    help="Link files instead of copying them, where both folders lie on one disk: quick, and takes no room; "
    "who changes a file in place changes both.",
)
@report_options
def command(folders: tuple[Path, ...], output: Path, link: bool, report: Report) -> int:
    """Puts the outputs of all shards of a run into one folder, with one manifest.

    Names the folders of all shards in any order. Refuses a set that lacks a shard, holds one twice, or was
    made by different versions, weights or settings. The result is the same for any number of shards, and no
    shard is changed.
    """
    merged = open_shards(folders)
    check_apart(merged, output)
    with report.progress("merging", merged.head.counts.inputs) as advance:
        write_merged(merged, FolderSink(output), link=link, on_done=advance)
    counts = merged.head.counts
    outputs = counts.redacted + counts.without_face
    rows = [("inputs", str(counts.inputs)), ("outputs", str(outputs)), ("in", str(output))]
    report.done(rows, {"counts": counts.model_dump(exclude_none=True)})
    return EXIT_DONE
