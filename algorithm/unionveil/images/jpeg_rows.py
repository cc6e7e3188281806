"""Rows of quantised DCT blocks on their way from one JPEG to another: refused, edited, and compared again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray

__all__ = ["Coefficients", "Edit", "NotTransformable", "Reading", "Writing"]

Coefficients: TypeAlias = npt.NDArray[np.int16]
"""Quantised DCT coefficients, `(N, 64)`: N blocks of a row, each in row-major (not zigzag) order."""

_MOST_DC, _MOST_AC = 1024, 1023
"""Largest magnitudes of 8-bit samples that also have codes in the standard Huffman tables (T.81, F.1.2)."""

_MOST_ENERGY = 1.2 * 64 * 128**2
"""Largest sum of the squares of a block's 64 values. Samples of only 0 and 255 give 64 x 128^2, since the
transform is orthonormal (Parseval), and rounding adds a few per cent. Decoders clip anything beyond: a block
with more could show plain white and hide an image that one changed byte of a table brings back."""


class NotTransformable(Exception):
    """The library cannot rewrite these coefficients; the image has to be encoded from pixels."""


@dataclass(frozen=True)
class Edit:
    """New coefficients for a rectangle of blocks of one component, in the upright image.

    Attributes:
        component: its index.
        rows: rows of blocks, half-open.
        columns: blocks of each row, half-open.
        blocks: `(rows, columns, 64)` int16, or `(64,)` for all of them.
        where: `(rows, columns)`, the blocks that are replaced; None replaces all of them.
    """

    component: int
    rows: slice
    columns: slice
    blocks: Coefficients
    where: BoolArray | None = None


class Writing:
    """Refuses blocks that no samples produce, and applies edits to rows of blocks.

    Args:
        edits: in the order in which they are applied.
        tables: quantisation table of each component.
        keeps: whether the result is recorded, for `Reading`.
    """

    def __init__(
        self, edits: Sequence[Edit], tables: Sequence[npt.NDArray[np.int32]], *, keeps: bool
    ) -> None:
        self._keeps = keeps
        self._limits = [_Limits(table) for table in tables]
        self._edits: defaultdict[tuple[int, int], list[Edit]] = defaultdict(list)
        for edit in edits:
            for row in range(edit.rows.start, edit.rows.stop):
                self._edits[edit.component, row].append(edit)
        self.means: dict[tuple[int, int], Coefficients] = {}
        self.edited: dict[tuple[int, int], Coefficients] = {}

    def __call__(self, component: int, row: int, blocks: Coefficients) -> None:
        """Checks and edits one row of blocks, `(N, 64)`, in place.

        Raises:
            NotTransformable: a block or a coefficient is out of range.
        """
        self._limits[component].check(blocks)
        place = component, row
        for edit in self._edits.get(place, ()):
            _apply(edit, row, blocks)
        if self._keeps:
            self._record(place, blocks)

    def _record(self, place: tuple[int, int], blocks: Coefficients) -> None:
        self.means[place] = blocks[:, 0].copy()
        if place in self._edits:
            self.edited[place] = blocks.copy()


def _apply(edit: Edit, row: int, blocks: Coefficients) -> None:
    """Replaces the blocks of one row, as far as the component has columns."""
    target = blocks[edit.columns]
    number, width = row - edit.rows.start, len(target)
    new = edit.blocks if edit.blocks.ndim == 1 else edit.blocks[number, :width]
    np.copyto(target, new, where=True if edit.where is None else edit.where[number, :width, None])


class _Limits:
    """What the blocks of one component may hold.

    Args:
        table: its quantisation table.
    """

    def __init__(self, table: npt.NDArray[np.int32]) -> None:
        self._squares = np.square(table.ravel(), dtype=np.float32)
        # With quantisation steps of two or more, the energy limit already keeps every coefficient in range.
        self._has_small_steps = bool(self._squares.min() < 4)

    def check(self, blocks: Coefficients) -> None:
        """Refuses `(N, 64)` blocks, at least one, that no samples produce.

        Raises:
            NotTransformable: a block or a coefficient is out of range.
        """
        # This runs for every row of every picture: each call of numpy counts.
        values = blocks.astype(np.float32)
        values *= values
        if np.dot(values, self._squares).max() > _MOST_ENERGY:
            raise NotTransformable("a block is brighter or darker than any samples")
        if self._has_small_steps and values.max() > _MOST_AC**2:
            means, others = blocks[:, 0], values[:, 1:]
            if others.max() > _MOST_AC**2 or means.max() >= _MOST_DC or means.min() < -_MOST_DC:
                raise NotTransformable("a coefficient is larger than any that 8-bit samples give")


class Reading:
    """Compares the rewritten file with what was written: every DC value, and every block of an edited row."""

    def __init__(self, written: Writing) -> None:
        self._written = written
        self._differs = False
        self._rows = 0

    def __call__(self, component: int, row: int, blocks: Coefficients) -> None:
        """Compares one row of blocks, `(N, 64)`."""
        place = component, row
        self._rows += 1
        means = self._written.means.get(place)
        self._differs |= means is None or not np.array_equal(means, blocks[:, 0])
        if place in self._written.edited:
            self._differs |= not np.array_equal(self._written.edited[place], blocks)

    @property
    def same(self) -> bool:
        """Whether every row was there and as it was written."""
        return not self._differs and self._rows == len(self._written.means)
