"""Archives as nodes and attackers make them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

from unionveil.config import AnonymizeConfig
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.schema import RedactedRecord, RejectedRecord

Mode: TypeAlias = Literal["w", "w:gz", "w:bz2", "w:xz"]


def tar_of(*members: tuple[str, bytes] | tarfile.TarInfo, mode: Mode = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder(name: str) -> tarfile.TarInfo:
    return special(name, tarfile.DIRTYPE)


def record(number: int, name: str, data: bytes, preview: bytes | None = None) -> RedactedRecord:
    return RedactedRecord(
        input=number,
        output=name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        format="jpeg",
        size_wh=(1, 1),
        frames=1,
        faces=(),
        preview=None if preview is None else f"preview/{name}",
        preview_sha256=None if preview is None else hashlib.sha256(preview).hexdigest(),
    )


def outputs(**files: bytes) -> dict[str, bytes]:
    builder = ManifestBuilder(AnonymizeConfig())
    for number, (name, data) in enumerate(files.items(), 1):
        builder.add(record(number, name, data))
    builder.add(RejectedRecord(input=len(files) + 1, reason="unreadable", detail="It is cut off."))
    return {**files, "manifest.json": builder.to_bytes()}


GOOD = outputs(a=b"one", b=b"two")


def archive(tmp_path: Path, *members: tuple[str, bytes] | tarfile.TarInfo, mode: Mode = "w") -> Path:
    path = tmp_path / "outputs.tar"
    path.write_bytes(tar_of(*members, mode=mode))
    return path


def good_members(**changed: bytes | None) -> list[tuple[str, bytes]]:
    files = {**GOOD, **changed}
    return [(f"outputs/{name}", data) for name, data in files.items() if data is not None]
