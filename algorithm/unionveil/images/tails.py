"""Whether a decoder needs a coded image to its last byte, and no byte more.

Entropy-coded data do not mark their end: a decoder stops when it has all blocks. Anything could follow that
point, and if the data stop too early, decoders make up the rest. Changing the end reveals both: other last
bytes must give other pixels, and bytes after the end must not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import UnreadableImage
from . import av1, hevc
from .coded import NotAccounted
from .isobmff import Item
from .picture import Pixels
from .still import bare

__all__ = ["check_tails", "end_exactly"]

_BEHIND = b"\x5a\xc3\x96\x0f\xf0\x69\x3c\xa5"
"""Bytes to append: not a run of zeros, which could be a valid end."""

_CHANGES = [(4, 0xFF), (4, 0x55), (4, 0xAA), (4, 0x0F), (4, 0x33), (6, 0xFF), (6, 0x66), (8, 0xFF), (8, 0x99)]
"""Last bytes to change, and the bits in them. A single change can leave the pixels unchanged by chance."""


def check_tails(
    items: Sequence[Item], decode: Callable[[bytes], Pixels], whole: Pixels | None = None
) -> None:
    """Checks the ends of the coded items of one image.

    Args:
        items: of the types `hvc1` or `av01`.
        decode: a file with one item to its pixels; may raise anything.
        whole: pixels of the only item, if known.

    Raises:
        UnreadableImage: an item ends too early, or continues after its image.
        NotAccounted: an item is coded in layers, or cannot be parsed.
    """
    for item in {item.data: item for item in items}.values():
        longer = _ending(item, 0, _BEHIND)
        pixels = decode(bare(item)) if whole is None else whole
        try:
            same = np.array_equal(decode(longer), pixels)
        except Exception:  # the decoder's own errors: it read the appended bytes
            same = False
        if not same:
            raise UnreadableImage("the picture is damaged: its coded data end too early")
        if not any(_changes(item, cut, mask, pixels, decode) for cut, mask in _CHANGES):
            raise UnreadableImage("the picture is damaged, or other data follow it inside its coded data")


def end_exactly(items: Sequence[Item], decodes: Callable[[bytes], bool]) -> bool | None:
    """Whether a strict decoder accepts all items, and none of them with appended bytes.

    libaom checks the bits after the last symbol of every tile (AV1, `exit_symbol`), so a stream that it
    decodes holds nothing else.

    Args:
        items: of the type `av01`.
        decodes: whether a decoder accepts a file with one item.

    Returns:
        None for a decoder that accepts appended bytes.
    """
    if not all(decodes(bare(item)) for item in items):
        return False
    return None if any(decodes(_ending(item, 0, _BEHIND)) for item in items) else True


def _changes(item: Item, cut: int, mask: int, pixels: Pixels, decode: Callable[[bytes], Pixels]) -> bool:
    """Whether other last bytes give other pixels."""
    changed = _ending(item, cut, bytes(byte ^ mask for byte in _end(item, cut)))
    try:
        return not np.array_equal(decode(changed), pixels)
    except Exception:  # a decoder that fails has read them
        return True


def _end(item: Item, cut: int) -> bytes:
    if item.kind == b"av01":
        return av1.read_end(item.data, cut)
    return hevc.read_end(item.data, _length_size(item), cut)


def _ending(item: Item, cut: int, more: bytes) -> bytes:
    """A file with only this item, with another end; raises `NotAccounted` if the end is not found."""
    try:
        if item.kind == b"av01":
            data = av1.replace_end(item.data, cut, more)
        else:
            data = hevc.replace_end(item.data, _length_size(item), cut, more)
    except (ValueError, IndexError) as error:
        raise NotAccounted(str(error)) from error
    return bare(replace(item, data=data))


def _length_size(item: Item) -> int:
    return hevc.length_size(item.bodies(b"hvcC")[0])
