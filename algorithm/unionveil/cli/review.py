"""`unionveil review`: a page on which a person adds, moves and removes boxes before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import VIDEO_SETTINGS, AnonymizeConfig
from ..engines.resources import default_jobs
from ..errors import InputError, MissingExtra
from ..files.sources import PathSource, Patterns
from ..review.log import Log
from ..single import METHODS, single_config
from ..text import counted
from .anonymize import setting_options
from .boxes import reading_options
from .console import EXIT_DONE, say
from .options import jobs_option, timeout_option

if TYPE_CHECKING:
    from ..review.session import Imported

__all__ = ["command"]

_FORMATS = ("coco", "labelstudio", "csv", "manifest", "yolo", "voc", "wider")


@click.command("review")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the outputs."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address without opening a browser.")
@click.option(
    "--unreviewed",
    type=click.Choice(["withhold", "keep"]),
    default="withhold",
    show_default=True,
    help="What to do with unreviewed photos: leave them out, or write them with the detector's boxes. "
    "Flagged photos are never written.",
)
@click.option(
    "--import",
    "import_file",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="Add the boxes of a file: COCO, Label Studio, a manifest and others.",
)
@reading_options
@click.option(
    "--export",
    "export_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the boxes of all approved photos to a file, and open no page.",
)
@click.option(
    "--export-format",
    type=click.Choice(_FORMATS),
    default="coco",
    show_default=True,
    help="Format of --export; coco keeps every box exactly.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files that match; may be repeated.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Skip files that match; may be repeated.")
@jobs_option
@timeout_option()
@setting_options(without=VIDEO_SETTINGS, methods=METHODS)
def command(
    folder: Path,
    output: Path | None,
    port: int,
    no_browser: bool,
    unreviewed: str,
    import_file: Path | None,
    boxes_labels: tuple[str, ...],
    boxes_pixels: str,
    export_file: Path | None,
    export_format: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    jobs: int | None,
    timeout: float,
    **settings: str | None,
) -> int:
    """Opens a page on which the photos of a folder are reviewed, and writes the approved ones.

    The page is reachable from this machine only. Every change is saved at once, so the same command continues
    where it stopped. Photos that need a decision come first. Nothing is written before you confirm it on the
    page.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    config, _ = single_config(given, "the review page").resolved()
    keep = unreviewed == "keep"
    source = PathSource(
        [folder],
        leave_out=[path for path in (output, import_file) if path],
        patterns=Patterns(include, exclude),
    )
    if export_file:
        return _export(source, folder, config, export_file, export_format, keep=keep)
    if output is None:
        raise click.UsageError("name the output folder: -o FOLDER")
    try:
        from ..serve.run_review import ReviewOptions, review
    except ModuleNotFoundError as error:
        raise MissingExtra("unionveil review", str(error.name), "web") from error
    options = ReviewOptions(
        folder=folder,
        output=output,
        port=port,
        opens_browser=not no_browser,
        keep_unreviewed=keep,
        imported=_imported(source, import_file, boxes_labels, boxes_pixels),
        jobs=jobs or default_jobs(),
        timeout_seconds=timeout,
    )
    review(source, config, options, say)
    return EXIT_DONE


def _imported(
    source: PathSource, path: Path | None, labels: tuple[str, ...], pixels: str
) -> dict[str, Imported]:
    if path is None:
        return {}
    from ..annotations import Pixels, Reading
    from ..annotations.plan import read_boxes
    from ..review.exchange import imported

    return imported(*read_boxes(path, source, Reading(Pixels(pixels), labels)))


def _export(
    source: PathSource, folder: Path, config: AnonymizeConfig, path: Path, form: str, *, keep: bool
) -> int:
    from ..annotations import Format, write
    from ..review.exchange import exported
    from ..review.survey import survey_run

    with Log(folder) as log:
        log.board.run = survey_run(config)
        found = exported(source, log, keep_unreviewed=keep)
    stale = (
        f"approved photos without a search for faces by these settings and this version: {found.stale}; give "
        "the settings of their review, or open the review with these first"
    )
    if not found.boxes and found.stale:
        raise InputError(stale)
    if not found.boxes:
        raise InputError(f"no photo of {folder} has been approved, so there are no boxes to export")
    write(path, found.boxes, Format(form), found.contents)
    say(f"{counted(len(found.boxes), 'photo')} with boxes in {path}")
    if found.stale:
        say(f"left out {stale}")
    return EXIT_DONE
