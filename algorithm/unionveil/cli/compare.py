"""`unionveil compare`: compares detectors on the user's own photos."""

from __future__ import annotations

from pathlib import Path

import click

from ..annotations import Format, Pixels, Reading
from ..config import AnonymizeConfig
from ..engines.pool import PoolEngine
from ..engines.resources import default_jobs
from ..errors import ConfigError
from ..measure.compare_run import Request, compare_detectors, read_truth
from ..measure.photos import photos_in
from ..measure.report import check_folder, write_report
from ..models.cards import DETECTORS
from .console import EXIT_DONE, EXIT_SOME_REJECTED
from .options import jobs_option, timeout_option
from .report import Report, report_options

__all__ = ["command"]


@click.command("compare")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTOS...", type=click.Path(path_type=Path))
@click.option(
    "--detector",
    required=True,
    metavar="NAMES",
    help=f"Detectors to compare, separated by commas: {', '.join(DETECTORS[:-1])}, yolo:FILE.onnx.",
)
@click.option(
    "--truth", type=click.Path(path_type=Path), help="Labelled faces: a file, or a folder of files."
)
@click.option(
    "--truth-format",
    type=click.Choice([form.value for form in Format]),
    help="Format of the labels.  [default: detected]",
)
@click.option(
    "--truth-pixels",
    type=click.Choice([pixels.value for pixels in Pixels]),
    default=Pixels.BY_SIZE.value,
    help="Which pixels the boxes refer to where EXIF rotates a photo; by-size compares with the sizes that "
    "the labels state.  [default: by-size]",
)
@click.option(
    "--truth-label", multiple=True, metavar="LABEL", help="Label that counts as a face; may be repeated."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the report.",
)
@click.option("--detail", default=None, metavar="LEVEL", help="fast, standard or crowd.  [default: standard]")
@click.option("--margin", default=None, metavar="SHARE", help="Margin of the covers.  [default: 0.15]")
@click.option("--shape", default=None, metavar="SHAPE", help="Outline of the covers, box or ellipse.")
@click.option(
    "--show-faces", is_flag=True, help="Show uncovered faces in the report; keep such a report private."
)
@click.option("--show-names", is_flag=True, help="Name the photos in the report instead of numbering them.")
@jobs_option
@timeout_option("photo")
@report_options
def command(
    photos: tuple[Path, ...],
    detector: str,
    truth: Path | None,
    truth_format: str | None,
    truth_pixels: str,
    truth_label: tuple[str, ...],
    output: Path,
    show_faces: bool,
    show_names: bool,
    jobs: int | None,
    timeout: float,
    report: Report,
    **settings: str | None,
) -> int:
    """Compares detectors on your own photos: how many faces each finds and covers, by size.

    With labelled faces (COCO, YOLO, VOC, WIDER, Label Studio, CSV or a manifest) the report has figures with
    confidence intervals; without them it shows which faces one detector finds and others miss.
    """
    configs = _configs(detector, {key: value for key, value in settings.items() if value is not None})
    check_folder(output)  # before the work rather than after it
    found = photos_in(photos)
    form = Format(truth_format) if truth_format else None
    labels = read_truth(truth, found, form, Reading(Pixels(truth_pixels), truth_label)) if truth else None
    names = ",".join(name for name, _ in configs)
    shown = f"unionveil compare PHOTOS{' --truth FILE' if truth else ''} --detector {names}"
    request = Request(configs, show_faces, show_names, shown)
    total = len(found.contents) if labels is None else len(labels)
    with report.progress("comparing", total) as advance:
        engine = PoolEngine(jobs or min(default_jobs(), total), timeout)
        compared, rejected = compare_detectors(found, labels, request, engine, advance)
    page = write_report(compared, output)
    report.note(compared.verdict)
    report.note(f"report: {page}")
    for name, reason in rejected.items():
        report.problem("not read", name, reason.detail)
    return EXIT_SOME_REJECTED if rejected else EXIT_DONE


def _configs(detectors: str, settings: dict[str, str]) -> tuple[tuple[str, AnonymizeConfig], ...]:
    """Settings for each detector alone, under a name for the report that contains no path.

    Raises:
        ConfigError: a detector or a setting is unknown, or two detectors have one name.
    """
    names = AnonymizeConfig.from_parameters({"detector": detectors}).detector
    shown = [name.partition(":")[0] + (f" {Path(name).stem}" if ":" in name else "") for name in names]
    if len(set(shown)) != len(shown):
        raise ConfigError("detector: two files have the same name; rename one of them")
    return tuple(
        (short, AnonymizeConfig.from_parameters({"detector": name} | settings))
        for short, name in zip(shown, names, strict=True)
    )
