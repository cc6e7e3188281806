"""Files and folders of annotations: recognizes their format, and reads and writes them as a whole."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from ..content import Content
from ..errors import InputError, OutputError
from ..files.paths import files_below, is_file, is_folder, unreadable
from ..runs.schema import MANIFEST
from ..text import printable
from . import coco, labelstudio, record, table, voc, wider, yolo
from .boxes import Annotations
from .entries import Entry, Reading, assemble
from .geometry import Geometry

__all__ = ["Format", "encode", "read", "read_sniffed", "write"]


class Format(Enum):
    """A format of annotations; the value is its name on the command line."""

    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    WIDER = "wider"
    LABEL_STUDIO = "labelstudio"
    CSV = "csv"
    MANIFEST = "manifest"


def read(
    path: Path,
    pictures: Mapping[str, Geometry],
    form: Format | None = None,
    reading: Reading | None = None,
) -> Annotations:
    """Reads boxes.

    Args:
        path: a file, or for YOLO and VOC a folder of files.
        pictures: geometries of all pictures by name, as `Pictures` reads them.
        form: of the file; None detects it.
        reading: how to interpret the boxes; None uses the defaults.

    Returns:
        Boxes by picture, upright.

    Raises:
        InputError: the file cannot be read, does not follow its format or does not fit the pictures.
    """
    return read_sniffed(path, pictures, form, reading)[0]


def read_sniffed(
    path: Path,
    pictures: Mapping[str, Geometry],
    form: Format | None = None,
    reading: Reading | None = None,
) -> tuple[Annotations, Format]:
    """As `read`, with the format; a file is read once, so that it may be a pipe."""
    form, files = _opened(path, form)
    return assemble(_parse(files, form, path), pictures, reading or Reading(), _name(path)), form


def _opened(path: Path, form: Format | None) -> tuple[Format, dict[str, bytes]]:
    """The format, and contents by the path in a folder; for a single file, by its name.

    Raises:
        InputError: it cannot be read, its format is unknown, or it is a folder instead of a file.
    """
    if is_folder(path):
        form = form or _of_folder(path)
        return form, _files(path, form)
    data = _bytes(path)
    return form or _of_file(data, path), {path.name: data}


def _of_folder(path: Path) -> Format:
    if is_file(path / MANIFEST):
        return Format.MANIFEST
    suffixes = {file.suffix for file in _below(path)}
    for form, suffix in ((Format.VOC, ".xml"), (Format.YOLO, ".txt")):
        if suffix in suffixes:
            return form
    raise InputError(f"{_name(path)} holds no annotations: neither .xml nor .txt files nor {MANIFEST}")


def _of_file(data: bytes, path: Path) -> Format:
    data = data.removeprefix(codecs.BOM_UTF8).lstrip()
    found = _of_json(data) if data[:1] in (b"{", b"[") else _of_text(data)
    if found is None:
        known = ", ".join(form.value for form in Format)
        raise InputError(f"{_name(path)} is not in a known format; known formats are {known}")
    return found


def _of_json(data: bytes) -> Format | None:
    if data[:1] == b"[":
        return Format.LABEL_STUDIO
    if b'"annotations"' in data and b'"images"' in data:
        return Format.COCO
    return Format.MANIFEST if b'"schema_version"' in data else None


def _of_text(data: bytes) -> Format | None:
    if data.startswith(b"<"):
        return Format.VOC
    lines = data.splitlines()[:2]
    if lines and b"picture" in lines[0].split(b","):
        return Format.CSV
    return Format.WIDER if len(lines) == 2 and lines[1].strip().isdigit() else None


def _files(path: Path, form: Format) -> dict[str, bytes]:
    """Contents of a folder by the path in it.

    Raises:
        InputError: one cannot be read, or the format is a single file.
    """
    match form:
        case Format.VOC:
            suffixes: tuple[str, ...] = (".xml",)
        case Format.YOLO:
            suffixes = (".txt", ".names")
        case Format.MANIFEST:
            return {MANIFEST: _bytes(path / MANIFEST)}
        case _:
            raise InputError(f"{_name(path)} is a folder, but {form.value} is a single file")
    found = sorted(file for file in _below(path) if file.suffix in suffixes)
    return {file.relative_to(path).as_posix(): _bytes(file) for file in found}


def _below(folder: Path) -> list[Path]:
    """All files of a folder.

    Raises:
        InputError: a folder below it cannot be read; its boxes would be missing.
    """
    try:
        return list(files_below(folder))
    except OSError as error:
        raise unreadable(error.filename, error) from error


def _parse(files: dict[str, bytes], form: Format, path: Path) -> list[Entry]:
    name = _name(path)
    single = next(iter(files.values()), b"")
    match form:
        case Format.COCO:
            return coco.parse(single, name)
        case Format.YOLO:
            return yolo.parse(files, name)
        case Format.VOC:
            return voc.parse(files, name)
        case Format.WIDER:
            return wider.parse(single, name)
        case Format.LABEL_STUDIO:
            return labelstudio.parse(single, name)
        case Format.CSV:
            return table.parse(single, name)
        case Format.MANIFEST:
            return record.parse(single, name)


def encode(
    annotations: Annotations, form: Format, contents: Mapping[str, Content] | None = None
) -> dict[str, bytes]:
    """Boxes in a format.

    Args:
        annotations: boxes by picture.
        form: the format.
        contents: the pictures; a manifest needs them.

    Returns:
        Files by their paths in a folder; the only file of a format without a folder is named "".

    Raises:
        InputError: the format cannot store some of the boxes.
    """
    _check_frames(annotations, form)
    match form:
        case Format.COCO:
            return {"": coco.encode(annotations)}
        case Format.YOLO:
            return yolo.encode(annotations)
        case Format.VOC:
            return voc.encode(annotations)
        case Format.WIDER:
            return {"": wider.encode(annotations)}
        case Format.LABEL_STUDIO:
            return {"": labelstudio.encode(annotations)}
        case Format.CSV:
            return {"": table.encode(annotations)}
        case Format.MANIFEST:
            return {"": record.encode(annotations, contents or {})}


def _check_frames(annotations: Annotations, form: Format) -> None:
    if form in (Format.CSV, Format.MANIFEST):
        return
    for name, picture in annotations.items():
        if (picture.frame != 0).any():
            raise InputError(
                f"{printable(name)} has boxes on several frames, which {form.value} cannot store; choose "
                f"{Format.CSV.value}"
            )


def write(
    path: Path, annotations: Annotations, form: Format, contents: Mapping[str, Content] | None = None
) -> None:
    """Writes boxes to a new file, or for YOLO and VOC into a new folder.

    Args:
        path: must not exist; nothing is overwritten.
        annotations: boxes by picture.
        form: the format.
        contents: the pictures; a manifest needs them.

    Raises:
        InputError: the format cannot store some of the boxes.
        OutputError: the path already exists or cannot be written.
    """
    files = encode(annotations, form, contents)
    try:
        for name, data in files.items():
            file = path / name if name else path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as out:
                out.write(data)
    except FileExistsError as error:
        raise OutputError(f"{path} already exists; choose another path for the boxes") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or type(error).__name__}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _name(path: Path) -> str:
    return printable(path.name or str(path), quoted=False)
