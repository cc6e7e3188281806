"""Rows of quantised DCT blocks on their way from one JPEG to another: refused, edited, and compared again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray

__all__ = [
    "BLOCK_SIDE",
    "Coefficients",
    "Comparison",
    "Edit",
    "NotTransformable",
    "Reading",
    "Shown",
    "Writing",
]

Coefficients: TypeAlias = npt.NDArray[np.int16]
"""Quantised DCT coefficients, `(N, 64)`: N blocks of a row, each in row-major (not zigzag) order."""

BLOCK_SIDE = 8
"""Samples per side of a block (ITU-T T.81, A.1.1)."""

_MIDDLE = 128

_MOST_DC, _MOST_AC = 1024, 1023
"""Largest magnitudes of 8-bit samples that also have codes in the standard Huffman tables (T.81, F.1.2)."""

_MOST_ENERGY = 1.2 * 64 * 128**2
"""Largest sum of the squares of a block's 64 values. Samples of only 0 and 255 give 64 x 128^2, since the
transform is orthonormal (Parseval), and rounding adds a few per cent. Decoders clip anything beyond: a block
with more could show plain white and hide an image that one changed byte of a table brings back."""

_MOST_SUM = 8 * 128 + 8
"""Largest magnitude of a block's first coefficient, eight times its mean, and one level for an encoder's
rounding; half a quantisation step is added. Anything beyond is white or black, and could hide an image."""

_MOST_HIDDEN, _VISIBLE_PIXELS = 6, 64
"""Luma is hidden if this many pixels differ by more than this many levels from what is shown. Twice that, 12
levels of contrast, are what `views.py` calls visible; natural photos stay below it."""


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


@dataclass(frozen=True)
class Shown:
    """The first component as the picture shows it: luma after the conversion to RGB and back.

    Colours outside RGB are clipped. A bright green shows no difference between luma of 120 and 180, which any
    viewer in grey does. Greys have no such range: a viewer in grey clips the same samples.

    Attributes:
        levels: `(R side, C side)` uint8, mean levels of the R x C blocks that lie within the image.
        hiding: of the same shape, where luma can be hidden: some colour is clipped, and they are not grey.
        side: levels per side of a block, 1 or 2.
    """

    levels: npt.NDArray[np.uint8]
    hiding: BoolArray
    side: int


class Comparison:
    """Refuses luma that differs visibly from what the picture shows.

    Args:
        shown: of the picture.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._hidden_pixels = 0

    def add(self, stored: npt.NDArray[Any], levels: slice) -> None:
        """Compares some rows of levels.

        Args:
            stored: their luma, 0 to 255, of any dtype; decoders clip what is beyond.
            levels: the rows.

        Raises:
            NotTransformable: a viewer in grey would show something that the detector did not see.
        """
        shown, hiding = self._shown.levels[levels], self._shown.hiding[levels]
        differ = np.abs(np.clip(stored, 0, 255) - shown.astype(np.float32)) > _MOST_HIDDEN
        self._hidden_pixels += int(np.count_nonzero(differ & hiding)) * (BLOCK_SIDE // self._shown.side) ** 2
        if self._hidden_pixels >= _VISIBLE_PIXELS:
            raise NotTransformable("it stores luma that it does not show")


class Writing:
    """Refuses blocks that no samples produce, and applies edits to rows of blocks.

    Args:
        edits: in the order in which they are applied.
        tables: quantisation table of each component.
        shown: the first component as the picture shows it; None for colours that are not clipped.
        keeps: whether the result is recorded, for `Reading`.
    """

    def __init__(
        self,
        edits: Sequence[Edit],
        tables: Sequence[npt.NDArray[np.int32]],
        shown: Shown | None,
        *,
        keeps: bool,
    ) -> None:
        self._keeps = keeps
        self._luma = _Luma(shown, tables[0]) if shown else None
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
            NotTransformable: a block or a coefficient is out of range, or luma is not shown.
        """
        values = blocks.astype(np.float32)
        if self._luma and component == 0:
            self._luma.add(row, values)
        self._limits[component].check(blocks, values)
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


class _Luma:
    """Compares the luma of blocks with what the picture shows, wherever it can hide something.

    Args:
        shown: of the picture.
        table: quantisation table of the luma.
    """

    def __init__(self, shown: Shown, table: npt.NDArray[np.int32]) -> None:
        self._side = shown.side
        self._columns = shown.levels.shape[1] // shown.side
        rows = shown.hiding.reshape(-1, shown.side * shown.hiding.shape[1])
        self._rows = frozenset(np.flatnonzero(rows.any(axis=1)).tolist())
        self._means = _means_of(table, shown.side)
        self._comparison = Comparison(shown)

    def add(self, row: int, values: npt.NDArray[np.float32]) -> None:
        """Compares one row of blocks, `(N, 64)` quantised coefficients.

        Raises:
            NotTransformable: as for `Comparison.add`.
        """
        if row in self._rows:
            side = self._side
            means = (values[: self._columns] @ self._means).reshape(-1, side, side)
            levels = means.swapaxes(0, 1).reshape(side, -1) + _MIDDLE
            self._comparison.add(levels, slice(row * side, (row + 1) * side))


def _means_of(table: npt.NDArray[np.int32], side: int) -> npt.NDArray[np.float32]:
    """`(64, side^2)`: quantised coefficients to the mean levels of parts of a block, less 128.

    The inverse DCT (ITU-T T.81, A.3.3) and a mean are both linear.
    """
    place, frequency = np.arange(BLOCK_SIDE), np.arange(BLOCK_SIDE)[:, None]
    waves = np.cos((2 * place + 1) * frequency * np.pi / (2 * BLOCK_SIDE)) * np.where(frequency, 0.5, 8**-0.5)
    means = waves.reshape(BLOCK_SIDE, side, -1).mean(axis=2)
    both = np.einsum("ui,vj->uvij", means, means) * table[:, :, None, None]
    return np.ascontiguousarray(both.reshape(BLOCK_SIDE * BLOCK_SIDE, side * side), np.float32)


class _Limits:
    """What the blocks of one component may hold.

    Args:
        table: its quantisation table.
    """

    def __init__(self, table: npt.NDArray[np.int32]) -> None:
        self._squares = np.square(table.ravel(), dtype=np.float32)
        step = int(table[0, 0])
        self._most_mean = min(_MOST_DC, (_MOST_SUM + step / 2) / step)
        self._least_energy = float((self._most_mean * step) ** 2)
        # With quantisation steps of two or more, the energy limit already keeps every coefficient in range.
        self._has_small_steps = bool(self._squares.min() < 4)

    def check(self, blocks: Coefficients, values: npt.NDArray[np.float32]) -> None:
        """Refuses `(N, 64)` blocks, at least one, that no samples produce.

        Args:
            blocks: the blocks.
            values: the same, which are squared in place.

        Raises:
            NotTransformable: a block or a coefficient is out of range.
        """
        # This runs for every row of every picture: each call of numpy counts.
        values *= values
        energy = np.dot(values, self._squares).max()
        if energy > _MOST_ENERGY:
            raise NotTransformable("a block is brighter or darker than any samples")
        if energy > self._least_energy and values[:, 0].max() > self._most_mean**2:
            raise NotTransformable("the mean of a block is brighter or darker than any samples")
        if self._has_small_steps and values.max() > _MOST_AC**2:
            means, others = blocks[:, 0], values[:, 1:]
            if others.max() > _MOST_AC**2 or means.max() >= _MOST_DC:
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
