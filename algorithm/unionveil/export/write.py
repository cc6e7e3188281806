"""Writes a run in another form, into a separate folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from ..errors import OutputError
from ..files.paths import real
from ..files.sinks import FolderSink
from ..merge.shards import Merged
from ..runs.schema import MANIFEST
from ..text import printable
from .croissant import About, DataFile, croissant
from .folders import write_coco, write_csv, write_metadata, write_yolo
from .packed import write_parquet, write_webdataset

__all__ = ["CROISSANT", "ExportForm", "check_describable", "describe", "describe_export", "export"]

CROISSANT = "croissant.json"
"""Name of the description in the folder of an export, and the ending of one beside a folder of outputs."""


class ExportForm(Enum):
    """A form; the value is its name on the command line."""

    METADATA = "metadata.jsonl"
    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    COCO = "coco"
    YOLO = "yolo"
    CSV = "csv"


def export(
    merged: Merged,
    sink: FolderSink,
    form: ExportForm,
    *,
    link: bool = False,
    on_done: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Writes the outputs of a run in a form.

    Every picture is compared with its record on the way. The pictures themselves do not change.

    Args:
        merged: a whole run, or one merged from its shards.
        sink: writes into an empty folder.
        form: the form.
        link: as `FolderSink.adopt`, if pictures stay files.
        on_done: called for every picture.

    Returns:
        Names of the files that contain the rows: beside the pictures, or with the pictures inside.

    Raises:
        InputError: a picture is missing or was altered, a manifest is damaged, or the form cannot hold a
            picture's boxes.
        OutputError: the folder is not empty, or cannot be written to.
        ConfigError: a package that the form needs is not installed.
    """
    with sink.locked():
        sink.sweep()
        first = next(sink.files(), None)
        if first is not None:
            raise OutputError(f"{sink.folder} contains {printable(first)}; an export needs an empty folder")
        match form:
            case ExportForm.METADATA:
                return write_metadata(merged, sink, link=link, on_done=on_done)
            case ExportForm.PARQUET:
                return write_parquet(merged, sink, on_done=on_done)
            case ExportForm.WEBDATASET:
                return write_webdataset(merged, sink, on_done=on_done)
            case ExportForm.COCO:
                return write_coco(merged, sink, link=link, on_done=on_done)
            case ExportForm.YOLO:
                return write_yolo(merged, sink, link=link, on_done=on_done)
            case ExportForm.CSV:
                return write_csv(merged, sink, link=link, on_done=on_done)


def describe_export(
    about: About, merged: Merged, sink: FolderSink, form: ExportForm, files: tuple[str, ...]
) -> Path:
    """Writes the description of an export into its folder.

    Args:
        about: the data set.
        merged: the run.
        sink: of the export.
        form: of the export.
        files: as `export` returned them.
    """
    found = [DataFile(name, sink.digest(name) or "") for name in files]
    pictures = "images/" if form in (ExportForm.COCO, ExportForm.YOLO) else ""
    sink.replace(CROISSANT, [croissant(about, merged.head, found, pictures)])
    return sink.folder / CROISSANT


def check_describable(folder: Path) -> None:
    """Checks, before the work, that the name of a folder of outputs can stand in a description.

    Raises:
        OutputError: it is not UTF-8.
    """
    name = real(folder).name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise OutputError(
            f"a description names the output folder, and {printable(name)} is not UTF-8; choose another"
        ) from error


def describe(about: About, merged: Merged, folder: Path) -> Path:
    """Writes the description of a folder of outputs beside it: the folder holds what its manifest lists.

    Args:
        about: the data set.
        merged: the run.
        folder: of the outputs.

    Raises:
        OutputError: it cannot be written.
    """
    place = real(folder)
    name = f"{place.name}.{CROISSANT}"
    try:
        digest = hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest()
        files = [DataFile(f"{place.name}/{MANIFEST}", digest)]
        (place.parent / name).write_bytes(croissant(about, merged.head, files, f"{place.name}/"))
    except OSError as error:
        raise OutputError(f"{place.parent / name} cannot be written: {error.strerror or error}") from error
    return place.parent / name
