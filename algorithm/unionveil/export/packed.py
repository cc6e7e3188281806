"""Pictures and their rows packed into large files: WebDataset's tars, and Parquet."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, InputError
from ..files.sinks import FolderSink
from ..merge.shards import Merged
from ..text import printable
from .rows import ExportRow, rows_of

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["write_parquet", "write_webdataset"]

_MOST_BYTES = 256 << 20
"""Pictures in one file; the hubs advise some hundred megabytes."""

_GROUP_ROWS = 100
"""Rows of a group, which readers hold in memory together."""

OnDone = Callable[[], None]


def write_webdataset(
    merged: Merged, sink: FolderSink, *, on_done: OnDone, most_bytes: int = _MOST_BYTES
) -> tuple[str, ...]:
    """Tars whose members come in pairs, the picture and its row: `00000001.jpg`, `00000001.json`.

    Members have no times and no owners: the same run gives the same bytes.

    Returns:
        The names of the tars.
    """
    names = []
    for number, rows in enumerate(_batches(merged, most_bytes)):
        names.append(f"{number:06d}.tar")
        sink.replace(names[-1], _tar(rows, on_done))
    return tuple(names)


def _tar(rows: list[ExportRow], on_done: OnDone) -> Iterator[bytes]:
    for row in rows:
        # A key may hold no dot: members of one sample share what stands before the first.
        key = f"{row.record.input:08d}"
        facts = {"file_name": row.name, **row.facts()}
        yield _member(f"{key}.{row.suffix}", _read(row))
        yield _member(f"{key}.json", json.dumps(facts).encode())
        on_done()
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(name: str, data: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def write_parquet(
    merged: Merged, sink: FolderSink, *, on_done: OnDone, most_bytes: int = _MOST_BYTES
) -> tuple[str, ...]:
    """Parquet files with the pictures inside, as `load_dataset` and the viewers of hubs read them.

    Returns:
        The names of the files.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    arrow = _arrow()
    batches = list(_sizes(merged, most_bytes))
    names = tuple(f"data-{number:05d}-of-{len(batches):05d}.parquet" for number in range(len(batches)))
    for name, rows in zip(names, _batches(merged, most_bytes), strict=True):
        sink.replace(name, [_parquet(arrow, rows, on_done)])
    return names


def _arrow() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError("parquet needs pyarrow: pip install 'unionveil[parquet]'") from error
    return pyarrow


def _parquet(arrow: Any, rows: list[ExportRow], on_done: OnDone) -> bytes:
    out = io.BytesIO()
    schema = _schema(arrow)
    with arrow.parquet.ParquetWriter(out, schema, compression="NONE") as writer:
        for start in range(0, len(rows), _GROUP_ROWS):
            some = rows[start : start + _GROUP_ROWS]
            values = [{"image": {"bytes": _read(row), "path": row.name}, **row.facts()} for row in some]
            writer.write_table(arrow.Table.from_pylist(values, schema=schema))
            for _ in some:
                on_done()
    return out.getvalue()


def _schema(arrow: Any) -> Any:
    """The columns, and for Hugging Face's readers that the first holds pictures."""
    fields = [
        ("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
        *((name, arrow.int32()) for name in ("width", "height")),
        ("format", arrow.string()),
        ("frames", arrow.int32()),
        ("sha256", arrow.string()),
        ("faces", arrow.int32()),
        (
            "objects",
            arrow.struct(
                [
                    ("bbox", arrow.list_(arrow.list_(arrow.float32()))),
                    ("category", arrow.list_(arrow.int32())),
                    ("score", arrow.list_(arrow.float32())),
                    ("frame", arrow.list_(arrow.int32())),
                    ("method", arrow.list_(arrow.string())),
                ]
            ),
        ),
    ]
    hub = {"info": {"features": _features()}}
    return arrow.schema(fields, metadata={"huggingface": json.dumps(hub)})


def _features() -> dict[str, Any]:
    def value(dtype: str) -> dict[str, str]:
        return {"dtype": dtype, "_type": "Value"}

    def listed(inner: dict[str, Any]) -> dict[str, Any]:
        return {"feature": inner, "_type": "List"}

    return {
        "image": {"_type": "Image"},
        "width": value("int32"),
        "height": value("int32"),
        "format": value("string"),
        "frames": value("int32"),
        "sha256": value("string"),
        "faces": value("int32"),
        "objects": {
            "bbox": listed(listed(value("float32"))),
            "category": listed(value("int32")),
            "score": listed(value("float32")),
            "frame": listed(value("int32")),
            "method": listed(value("string")),
        },
    }


def _batches(merged: Merged, most_bytes: int) -> Iterator[list[ExportRow]]:
    """Rows whose pictures take at most so many bytes together; one that takes more stands alone."""
    batch: list[ExportRow] = []
    size = 0
    for row in rows_of(merged):
        if batch and size + row.record.size_bytes > most_bytes:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.record.size_bytes
    if batch:
        yield batch


def _sizes(merged: Merged, most_bytes: int) -> Iterator[int]:
    return (len(batch) for batch in _batches(merged, most_bytes))


def _read(row: ExportRow) -> bytes:
    """A picture's bytes, compared with its record.

    Raises:
        InputError: they cannot be read, or are others.
    """
    try:
        data = row.path.read_bytes()
    except OSError as error:
        shown = printable(str(row.path), quoted=False, most=None)
        raise InputError(f"{shown} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != row.record.sha256:
        raise InputError(f"{row.path} was altered: its SHA-256 is not the one in its manifest")
    return data
