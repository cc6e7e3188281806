"""Whether a decoder needs a coded picture to its last byte, and no byte more.

Entropy coded data do not say where they end: a decoder stops when it has all blocks. Behind that point
anything could lie, and where the data stop too early decoders make up the rest. Both show when the end is
changed: other last bytes must give other pixels, and bytes behind the end must not.
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
"""Bytes to put behind the end: no run of zeros, which could be an end of its own."""

_CHANGES = [(4, 0xFF), (4, 0x55), (4, 0xAA), (4, 0x0F), (4, 0x33), (6, 0xFF), (6, 0x66), (8, 0xFF), (8, 0x99)]
"""Last bytes to change, and the bits in them. One change can leave the pixels as they are by chance."""


def check_tails(
    items: Sequence[Item], decode: Callable[[bytes], Pixels], whole: Pixels | None = None
) -> None:
    """Checks the ends of the coded items of one picture.

    Args:
        items: of the kind `hvc1` or `av01`.
        decode: a file with one item to its pixels; may raise anything.
        whole: pixels of the only item, if they are known.

    Raises:
        UnreadableImage: an item ends too early, or goes on behind its picture.
        NotAccounted: an item is coded in layers, or cannot be taken apart.
    """
    for item in {item.data: item for item in items}.values():
        longer = _ending(item, 0, _BEHIND)
        pixels = decode(bare(item)) if whole is None else whole
        try:
            same = np.array_equal(decode(longer), pixels)
        except Exception:  # the decoder's own errors: it read what lies behind the end
            same = False
        if not same:
            raise UnreadableImage("the picture is damaged: its coded data end too early")
        if not any(_changes(item, cut, mask, pixels, decode) for cut, mask in _CHANGES):
            raise UnreadableImage("the picture is damaged, or other data follow it inside its coded data")


def end_exactly(items: Sequence[Item], decodes: Callable[[bytes], bool]) -> bool | None:
    """Whether a strict decoder takes all items, and none of them with bytes behind its end.

    libaom checks the bits behind the last symbol of every tile (AV1, `exit_symbol`), so what it decodes holds
    nothing else.

    Args:
        items: of the kind `av01`.
        decodes: whether a decoder takes a file with one item.

    Returns:
        None for a decoder that lets bytes behind the end pass.
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
    """A file with the item alone, with another end; raises `NotAccounted` where the end is not found."""
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
