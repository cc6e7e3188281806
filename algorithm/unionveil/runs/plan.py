"""The faces that a k-same run has found in all inputs, and the face of each group."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray, Detections, FloatArray
from ..errors import OutputError, TooFewPeople
from ..identity.people import Groups, group_people, rows_by_bytes
from ..outcomes import Rejected

__all__ = ["Plan", "PlannedPicture", "Surveyed", "Table", "misfit", "row_type"]

Rows: TypeAlias = npt.NDArray[np.void]
"""`(N,)` of `row_type`."""

CodeOfGroups: TypeAlias = Callable[[FloatArray, list[bytes]], npt.NDArray[np.float16]]
"""Takes `(G, C)` mean codes and a seed for each group; returns the codes of the groups' faces."""

_CHUNK = 65_536


def row_type(vector: int, code: int) -> np.dtype[np.void]:
    """One face, or line of text: 646 bytes for vectors of 128 and codes of 160 numbers.

    Args:
        vector: length of an embedding.
        code: length of a surrogate code; 0 if the generator reads none from faces.
    """
    return np.dtype(
        [
            ("frame", "<i4"),
            ("xyxy", "<f4", (4,)),
            ("score", "<f4"),
            ("kind", "u1"),
            ("landmarks", "<f4", (5, 2)),
            ("usable", "?"),
            ("vector", "<f2", (vector,)),
            ("code", "<f2", (code,)),
        ]
    )


@dataclass(frozen=True)
class Surveyed:
    """The faces that a worker has found in one input.

    Attributes:
        digest: SHA-256 of its bytes.
        frames: number of frames or pages.
        kept: faces that stay visible.
        rows: `(N,)` of `row_type`, its faces, by frame.
    """

    digest: bytes
    frames: int
    kept: int
    rows: Rows


@dataclass(frozen=True)
class PlannedPicture:
    """The plan for one input.

    Attributes:
        digest: SHA-256 of the surveyed bytes.
        faces: of each frame; `identity` is the group, -1 for a face that could not be compared.
        codes: the code of each group's face.
        kept: faces that stay visible.
    """

    digest: bytes
    faces: tuple[Detections, ...]
    codes: Mapping[int, FloatArray]
    kept: int

    @property
    def held_bytes(self) -> int:
        """Approximate memory in use."""
        return 200 * sum(map(len, self.faces)) + sum(code.nbytes for code in self.codes.values())


@dataclass(frozen=True)
class _Input:
    digest: bytes
    frames: int
    kept: int
    start: int
    count: int


class Table:
    """The faces of all inputs, in an unnamed temporary file that disappears with the process.

    Use it in a `with` statement; a plan made from it reads the file.

    Args:
        rows: type of a row.
        folder: of the file; by default the system's folder of temporary files.
    """

    def __init__(self, rows: np.dtype[np.void], folder: Path | None = None) -> None:
        self._type = rows
        self._folder = folder or Path(tempfile.gettempdir())
        self._inputs: list[_Input | Rejected] = []
        self._count = 0
        self._file: Any = None

    def __enter__(self) -> Table:
        opened = self._guarded(lambda: tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  closed at exit
        self._file = opened
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, found: Surveyed | Rejected) -> None:
        """Adds the next input.

        Raises:
            OutputError: the disk of temporary files is full.
        """
        if isinstance(found, Rejected):
            self._inputs.append(found)
            return
        self._inputs.append(_Input(found.digest, found.frames, found.kept, self._count, len(found.rows)))
        self._count += len(found.rows)
        data = found.rows.astype(self._type).tobytes()
        self._guarded(lambda: self._file.write(data))

    def plan(self, k: int, code: CodeOfGroups) -> Plan:
        """Groups the people of all inputs.

        Args:
            k: least number of people in a group.
            code: returns the codes of the groups' faces.

        Raises:
            TooFewPeople: there are fewer than k people.
        """
        self._guarded(self._file.flush)
        rows = self._rows()
        usable = np.flatnonzero(rows["usable"])
        vectors = _gathered(rows["vector"], usable)
        groups = group_people(vectors, k)
        if groups.people < k:
            raise TooFewPeople(groups.people, k)
        group = np.full(len(rows), -1, np.int32)
        group[usable] = groups.group[groups.person]
        members = _members(vectors, groups)
        seeds = [hashlib.sha256(vectors[some].tobytes()).digest() for some in _parts(groups, members)]
        codes = code(_mean_codes(rows["code"], usable, groups, members), seeds)
        return Plan(tuple(self._inputs), rows, group, codes, groups.people)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OSError as error:
            raise OutputError(
                f"the faces of all files cannot be stored in {self._folder}: {error.strerror or error}; free "
                "some space there, or name another folder with TMPDIR"
            ) from error

    def _rows(self) -> Rows:
        if self._count == 0:
            return np.zeros(0, self._type)
        return np.memmap(self._file, self._type, mode="r", shape=(self._count,))


@dataclass(frozen=True)
class Plan:
    """The assignment of faces to people.

    Attributes:
        inputs: the results of all inputs, in order.
        rows: the faces of all inputs.
        group: `(N,)` int32 group of each face; -1 if it could not be compared.
        codes: `(G, C)` float16, code of each group's face.
        people: number of different people.
    """

    inputs: tuple[_Input | Rejected, ...]
    rows: Rows = field(repr=False)
    group: npt.NDArray[np.int32] = field(repr=False)
    codes: npt.NDArray[np.float16] = field(repr=False)
    people: int

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self.codes)

    @property
    def digest(self) -> str:
        """Equal for plans that make the same outputs from the same inputs; hexadecimal."""
        digest = hashlib.sha256()
        for each in self.inputs:
            digest.update(b"-" * 32 if isinstance(each, Rejected) else each.digest)
        digest.update(self.group.tobytes())
        digest.update(self.codes.tobytes())
        return digest.hexdigest()

    def of(self, number: int) -> PlannedPicture | Rejected:
        """The plan for one input.

        Args:
            number: the input's number, from 1.
        """
        if number > len(self.inputs):
            return _CHANGED
        found = self.inputs[number - 1]
        if isinstance(found, Rejected):
            return found
        mine = slice(found.start, found.start + found.count)
        rows, group = self.rows[mine], self.group[mine]
        faces = tuple(_detections(rows[at], group[at]) for at in _frames(rows, found.frames))
        codes = {int(each): self.codes[each].astype(np.float32) for each in np.unique(group[group >= 0])}
        return PlannedPicture(found.digest, faces, codes, found.kept)


def misfit(planned: PlannedPicture | Rejected | None, data: bytes) -> Rejected | None:
    """The reason why a plan does not fit a picture; None if it does.

    Args:
        planned: the plan for the picture; None without a plan.
        data: the picture's bytes.
    """
    if planned is None:
        return Rejected("failed", "the run has no plan for this picture")
    if isinstance(planned, Rejected):
        return planned
    if hashlib.sha256(data).digest() != planned.digest:
        return Rejected("changed", "the file changed after the faces of all files were compared")
    return None


_CHANGED = Rejected("changed", "the file was added or moved after the faces of all files were compared")


def _frames(rows: Rows, frames: int) -> Iterator[BoolArray]:
    return (rows["frame"] == frame for frame in range(frames))


def _detections(rows: Rows, group: npt.NDArray[np.int32]) -> Detections:
    faces = Detections.of(rows["xyxy"], rows["score"], rows["landmarks"], kind=rows["kind"])
    return replace(faces, identity=group.astype(np.int32))


def _gathered(column: npt.NDArray[np.float16], which: npt.NDArray[np.intp]) -> npt.NDArray[np.float16]:
    """Some rows of a column, copied."""
    result = np.empty((len(which), column.shape[1]), np.float16)
    for start in range(0, len(which), _CHUNK):
        result[start : start + _CHUNK] = column[which[start : start + _CHUNK]]
    return result


def _members(vectors: npt.NDArray[np.float16], groups: Groups) -> npt.NDArray[np.intp]:
    """Faces by group, then by person, then in an order that does not depend on that of the inputs."""
    rank = np.empty(len(vectors), np.intp)
    rank[rows_by_bytes(vectors)] = np.arange(len(vectors))
    return np.lexsort((rank, groups.person, groups.group[groups.person]))


def _parts(groups: Groups, members: npt.NDArray[np.intp]) -> Sequence[npt.NDArray[np.intp]]:
    """The faces of each group."""
    return np.split(members, _starts(groups.group[groups.person[members]])[1:])


def _starts(sorted_labels: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.diff(sorted_labels, prepend=-1))


def _mean_codes(
    codes: npt.NDArray[np.float16],
    usable: npt.NDArray[np.intp],
    groups: Groups,
    members: npt.NDArray[np.intp],
) -> FloatArray:
    """`(G, C)` mean code of each group over its people, after averaging all faces of each person.

    Otherwise, a person with more photos than others would dominate the mean.
    """
    result = np.zeros((int(groups.group.max(initial=-1)) + 1, codes.shape[1]), np.float32)
    for number, faces in enumerate(_parts(groups, members) if codes.shape[1] else ()):
        rows = codes[usable[faces]].astype(np.float32)
        starts = _starts(groups.person[faces])
        people = np.add.reduceat(rows, starts, axis=0) / np.diff(starts, append=len(faces))[:, None]
        result[number] = people.mean(axis=0)
    return result
