"""`unionveil merge`: joins the outputs of all shards of a run in one place."""

from __future__ import annotations

from pathlib import Path

import click

from ..export.croissant import read_about
from ..export.write import ExportForm, check_describable, describe, describe_export, export
from ..files.sinks import FolderSink, Place
from ..files.store_sink import StoreSink
from ..files.stores import Store, StoreUrl
from ..merge.shards import open_shards
from ..merge.write import check_apart, write_merged
from .console import EXIT_DONE
from .options import croissant_option
from .places import PlaceType
from .report import Report, report_options

__all__ = ["command"]


@click.command("merge")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=PlaceType(folder=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=PlaceType(folder=True),
    help="Folder for the whole run, on this machine or in an object store: an empty one, or that of an "
    "interrupted merge.",
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
    folders: tuple[Place, ...],
    output: Place,
    link: bool,
    to: str | None,
    about: Path | None,
    report: Report,
) -> int:
    """Joins the outputs of all shards of a run in one folder, with one manifest.

    Takes the folders of all shards in any order. Refuses a set in which a shard is missing, occurs twice, or
    was made by different versions, weights or settings. The result is the same for any number of shards, and
    the shards themselves are never changed. With --to, another form is written instead.

    Folders may be in object stores (s3://, gs://, az://), and so may the output. Within one bucket the store
    itself copies the files.
    """
    if (to or about) and not all(isinstance(place, Path) for place in (*folders, output)):
        option = "--to" if to else "--croissant"
        raise click.UsageError(f"{option} needs folders on this machine; merge into one first")
    merged = open_shards(folders)
    check_apart(merged, output)
    described = read_about(about) if about else None
    if described and isinstance(output, Path):
        check_describable(output)
    counts = merged.head.counts
    with report.progress("merging", counts.inputs) as advance:
        if isinstance(output, StoreUrl):
            write_merged(merged, StoreSink(Store(output)), on_done=advance)
        elif to:
            sink, form = FolderSink(output), ExportForm(to)
            files = export(merged, sink, form, link=link, on_done=advance)
        else:
            write_merged(merged, FolderSink(output), link=link, on_done=advance)
    if described and isinstance(output, Path):
        place = (
            describe_export(described, merged, sink, form, files)
            if to
            else describe(described, merged, output)
        )
        report.note(f"description: {place}")
    outputs = counts.redacted + counts.without_face
    rows = [("inputs", str(counts.inputs)), ("outputs", str(outputs)), ("in", str(output))]
    report.done(rows, {"counts": counts.model_dump(exclude_none=True)})
    return EXIT_DONE
