"""The image of a HEIC or AVIF, taken from its container and put into a new one.

Only the primary image, its tiles and its alpha plane are kept. EXIF, XMP, thumbnails, depth maps, gain maps,
secondary images, names and free space are dropped; properties are written from parsed values.

Items and properties: ISO/IEC 23008-12 (HEIF), 6 and 7; colours: ISO/IEC 14496-12, 12.1.5; AVIF: AV1 Image
File Format 1.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction

from . import av1, hevc
from .coded import Cicp, Codec, CodedImage, NotAccounted
from .isobmff import Container, Item, Property, Reference, write

__all__ = [
    "Layer",
    "Still",
    "bare",
    "coded_items",
    "read_colours",
    "read_crop",
    "read_light_level",
    "read_still",
    "write_still",
]

_ALPHA_KINDS = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00",
    b"urn:mpeg:hevc:2015:auxid:1\x00",
)
_CODED = frozenset(each.value for each in Codec)
_BLOCK = 16
"""Largest number of hidden columns or rows: the rest of the last blocks, as encoders fill them."""

_TRANSFORMS = (b"irot", b"imir")
_OF_THE_PICTURE = frozenset(b"ispe pixi hvcC av1C colr".split())
"""Properties of coded samples, not of how to show them."""

_DROPPED = frozenset(b"ispe pixi colr hvcC av1C irot imir clap pasp auxC clli mdcv cclv amve".split())
"""Properties that are rewritten, or that viewers can do without."""


@dataclass(frozen=True)
class Layer:
    """Colours or alpha: one coded image, or a grid of images of equal size."""

    tiles: tuple[CodedImage, ...]
    columns: int = 1

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.tiles[0].size_wh
        return width * self.columns, height * (len(self.tiles) // self.columns)


@dataclass(frozen=True)
class Still:
    """One image.

    Attributes:
        colours: its colour samples.
        alpha: its alpha plane, of the same size.
        crop_wh: columns and rows that are shown, from the top left corner; None for all. The hidden
            rest is part of the last blocks, or was written by our own encoder.
        transforms: name and argument of `irot` (quarter turns anticlockwise) and `imir` (axis), in order.
        cicp: colours that the container gives.
        icc: colour profile.
        light_level: maximum content and maximum average light level in cd/m² (`clli`).
    """

    colours: Layer
    alpha: Layer | None = None
    crop_wh: tuple[int, int] | None = None
    transforms: tuple[tuple[bytes, int], ...] = ()
    cicp: Cicp | None = None
    icc: bytes | None = None
    light_level: tuple[int, int] | None = None


def coded_items(container: Container) -> list[Item]:
    """The coded items of a container's primary image and its alpha plane, each once."""
    numbers = [container.primary, *_alphas(container)]
    for number in numbers:  # grows during the loop: parts of parts
        for each in container.references:
            if (each.kind, each.source) == (b"dimg", number):
                numbers += [part for part in dict.fromkeys(each.targets) if part not in numbers]
    return [item for item in (container.items[number] for number in numbers) if item.kind in _CODED]


def read_colours(item: Item) -> tuple[Cicp | None, bytes | None]:
    """Colour description and ICC profile of an item, as stored; the first of each."""
    cicp = icc = None
    for body in item.bodies(b"colr"):
        if body.startswith(b"nclx") and cicp is None:
            primaries, transfer, matrix, full = struct.unpack_from(">HHHB", body, 4)
            cicp = (primaries, transfer, matrix, full >= 128)
            if max(cicp) > 255:
                raise NotAccounted("colours of an unknown kind")
        elif body[:4] in (b"prof", b"rICC") and icc is None:
            icc = body[4:]
    return cicp, icc


def read_light_level(item: Item) -> tuple[int, int] | None:
    """Maximum content and maximum average light level in cd/m² of a `clli` property."""
    body = item.body(b"clli")
    return None if body is None else struct.unpack_from(">HH", body)


def read_still(container: Container, *, own: bool = False) -> Still:
    """The primary image of a container; its profile is still as stored.

    Args:
        container: a file.
        own: whether our encoder wrote it, which pads images to whole blocks.

    Raises:
        NotAccounted: the image is constructed in another way, or hides some of its pixels or bytes.
    """
    try:
        still = _read_still(container)
    except (struct.error, IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        raise NotAccounted(str(error)) from error
    if not own and max(_hidden_wh(still)) >= _BLOCK:
        raise NotAccounted("a picture that hides coded rows or columns")
    return still


def _hidden_wh(still: Still) -> tuple[int, int]:
    size_wh, hidden_wh = still.colours.size_wh, still.colours.tiles[0].hidden_wh
    shown_wh = still.crop_wh or size_wh
    return size_wh[0] - shown_wh[0] + hidden_wh[0], size_wh[1] - shown_wh[1] + hidden_wh[1]


def _read_still(container: Container) -> Still:
    primary = container.items[container.primary]
    first = primary if primary.kind != b"grid" else container.items[_tiles(container, container.primary)[0]]
    own, inner = read_colours(primary), read_colours(first)
    cicp, icc = own[0] or inner[0], own[1] or inner[1]
    colours = _read_layer(container, container.primary, cicp)
    alphas = _alphas(container)
    if len(alphas) > 1:
        raise NotAccounted("a picture with two alpha planes")
    alpha = _read_layer(container, alphas[0], None) if alphas else None
    crop_wh, transforms = _read_crop(primary), _read_transforms(primary)
    if alpha is not None:
        item = container.items[alphas[0]]
        if (alpha.size_wh, _read_crop(item)) != (colours.size_wh, crop_wh):
            raise NotAccounted("an alpha plane of another size")
        if _read_transforms(item) not in ((), transforms):
            raise NotAccounted("an alpha plane with another orientation")
        if any(each.kind == b"prem" for each in container.references):
            # Divided by an alpha of 0, colours are gone; viewers that ignore the plane show them.
            raise NotAccounted("colours that were multiplied by alpha")
    return Still(
        colours,
        alpha,
        crop_wh,
        transforms,
        cicp,
        icc,
        read_light_level(primary),
    )


def _alphas(container: Container) -> list[int]:
    return [
        each.source
        for each in container.references
        if each.kind == b"auxl"
        and container.primary in each.targets
        and any(body[4:].startswith(_ALPHA_KINDS) for body in container.items[each.source].bodies(b"auxC"))
    ]


def _tiles(container: Container, number: int) -> tuple[int, ...]:
    lists = [each.targets for each in container.references if (each.kind, each.source) == (b"dimg", number)]
    if len(lists) != 1 or not lists[0]:
        raise NotAccounted("a grid with no list of its tiles, or two")
    return lists[0]


def _read_layer(container: Container, number: int, cicp: Cicp | None) -> Layer:
    item = container.items[number]
    _check_properties(item)
    if item.kind != b"grid":
        return Layer((_read_coded(item, cicp),))
    rows, columns, size_wh = _read_grid(item.data)
    numbers = _tiles(container, number)
    tiles = []
    for each in numbers:
        tile = container.items[each]
        _check_properties(tile)
        if _read_transforms(tile) or _read_crop(tile) or read_colours(tile)[0] not in (None, cicp):
            raise NotAccounted("a grid whose tiles are shown in different ways")
        tiles.append(_read_coded(tile, cicp))
    layer = Layer(tuple(tiles), columns)
    shapes = {(tile.size_wh, tile.depth, tile.chroma) for tile in tiles}
    if len(shapes) != 1 or len(tiles) != rows * columns or layer.size_wh != size_wh or _ispe(item) != size_wh:
        raise NotAccounted("a grid that hides some of its tiles")
    return layer


def _check_properties(item: Item) -> None:
    """Refuses unknown properties that a reader must understand."""
    unknown = [each.kind for each in item.properties if each.essential and each.kind not in _DROPPED]
    if unknown:
        raise NotAccounted(f"a picture with the property {unknown[0]!r}")


def _read_crop(item: Item) -> tuple[int, int] | None:
    """Size of the area that a `clap` property shows, which must start at the top left corner."""
    crop = read_crop(item)
    if crop is None:
        return None
    if crop[:2] != (0, 0) or (item.kind == b"grid" and crop[2:] != _ispe(item)):
        raise NotAccounted("a picture that is cropped")
    return None if crop[2:] == _ispe(item) else crop[2:]


def read_crop(item: Item) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of the area that a `clap` property shows (ISO/IEC 14496-12, 12.1.4).

    Raises:
        NotAccounted: the area is not on whole pixels, or extends beyond the image.
    """
    clap = item.body(b"clap")
    if clap is None:
        return None
    width, width_by, height, height_by, x, x_by, y, y_by = struct.unpack_from(">IIIIiIiI", clap)
    full_wh = _ispe(item)
    sides = Fraction(width, width_by), Fraction(height, height_by)
    corner = [
        offset + Fraction(full - side, 2)
        for offset, full, side in zip((Fraction(x, x_by), Fraction(y, y_by)), full_wh, sides, strict=True)
    ]
    numbers = [*corner, *sides]
    if any(number.denominator != 1 for number in numbers):
        raise NotAccounted("a picture that is cropped inside pixels")
    left, top, across, down = (number.numerator for number in numbers)
    if min(left, top) < 0 or min(across, down) < 1 or left + across > full_wh[0] or top + down > full_wh[1]:
        raise NotAccounted("a picture that is cropped to an area beyond its edges")
    return left, top, across, down


def _read_grid(data: bytes) -> tuple[int, int, tuple[int, int]]:
    """Rows, columns, and width and height of the canvas (ISO/IEC 23008-12, 6.6.2.3)."""
    version, flags, rows, columns = struct.unpack_from(">4B", data)
    if version:
        raise NotAccounted("a grid of an unknown version")
    size_wh = struct.unpack_from(">II" if flags & 1 else ">HH", data, 4)
    return rows + 1, columns + 1, size_wh


def _ispe(item: Item) -> tuple[int, int]:
    body = item.body(b"ispe")
    if body is None:
        raise NotAccounted("a picture whose size is missing")
    return struct.unpack_from(">II", body, 4)


def _read_coded(item: Item, cicp: Cicp | None) -> CodedImage:
    match item.kind:
        case b"hvc1":
            coded = hevc.account(item.body(b"hvcC") or b"", item.data, cicp)
        case b"av01":
            coded = av1.account(item.data)
        case _:
            raise NotAccounted("a picture constructed in an unknown way")
    if coded.size_wh != _ispe(item):
        raise NotAccounted("a picture that hides coded rows or columns")
    return coded


def _read_transforms(item: Item) -> tuple[tuple[bytes, int], ...]:
    masks = {b"irot": 3, b"imir": 1}
    found = tuple(
        (each.kind, each.body[0] & masks[each.kind]) for each in item.properties if each.kind in _TRANSFORMS
    )
    if len({kind for kind, _ in found}) < len(found):
        raise NotAccounted("a picture that is turned twice")
    return found


def bare(item: Item) -> bytes:
    """A file with one coded item, unchanged, without its crop."""
    kept = (*_OF_THE_PICTURE, *_TRANSFORMS)
    properties = tuple(each for each in item.properties if each.kind in kept)
    brands = (b"avif", b"avif", b"mif1") if item.kind == b"av01" else (b"heic", b"mif1", b"heic")
    return write(Container(1, {1: replace(item, properties=properties, hidden=False)}), brands)


def write_still(still: Still) -> bytes:
    """A file with this image and nothing else."""
    items: dict[int, Item] = {}
    references: list[Reference] = []
    colours = _colour_properties(still)
    turned = tuple(Property(kind, bytes([value]), True) for kind, value in still.transforms)
    if still.crop_wh:
        turned = (_crop(still.colours.size_wh, still.crop_wh), *turned)
    grey = still.colours.tiles[0].chroma == 400
    primary = _add_layer(items, references, still.colours, colours, turned, grey)
    if still.alpha is not None:
        codec = still.alpha.tiles[0].codec
        kind = _ALPHA_KINDS[1] if codec is Codec.HEVC else _ALPHA_KINDS[0]
        marks = (Property(b"auxC", bytes(4) + kind, True),)
        alpha = _add_layer(items, references, still.alpha, marks, turned, True)
        references.append(Reference(b"auxl", alpha, (primary,)))
    return write(Container(primary, items, tuple(references)), _brands(still.colours.tiles[0]))


def _colour_properties(still: Still) -> tuple[Property, ...]:
    found = []
    if still.icc:
        found.append(Property(b"colr", b"prof" + still.icc))
    if still.cicp:
        *codes, full = still.cicp
        found.append(Property(b"colr", b"nclx" + struct.pack(">HHHB", *codes, 128 if full else 0)))
    if still.light_level:
        found.append(Property(b"clli", struct.pack(">HH", *still.light_level)))
    return tuple(found)


def _add_layer(
    items: dict[int, Item],
    references: list[Reference],
    layer: Layer,
    marks: tuple[Property, ...],
    turned: tuple[Property, ...],
    grey: bool,
) -> int:
    """Adds the items of a layer; returns the number of the one that is shown."""
    number = len(items) + 1
    first = layer.tiles[0]
    channels = 1 if grey else 3
    pixi = Property(b"pixi", bytes([0, 0, 0, 0, channels, *[first.depth] * channels]))
    if len(layer.tiles) == 1:
        items[number] = _coded_item(first, (pixi, *marks), turned)
        return number
    rows = len(layer.tiles) // layer.columns
    wide = max(layer.size_wh) > 65535
    head = struct.pack(">4B", 0, wide, rows - 1, layer.columns - 1)
    data = head + struct.pack(">II" if wide else ">HH", *layer.size_wh)
    items[number] = Item(b"grid", (_size(layer.size_wh), pixi, *marks, *turned), data)
    tile_marks = tuple(mark for mark in marks if mark.kind == b"colr")
    numbers = tuple(range(number + 1, number + 1 + len(layer.tiles)))
    for each, tile in zip(numbers, layer.tiles, strict=True):
        items[each] = replace(_coded_item(tile, (pixi, *tile_marks), ()), hidden=True)
    references.append(Reference(b"dimg", number, numbers))
    return number


def _coded_item(image: CodedImage, marks: tuple[Property, ...], turned: tuple[Property, ...]) -> Item:
    name = b"hvcC" if image.codec is Codec.HEVC else b"av1C"
    configuration = Property(name, image.configuration, True)
    return Item(image.codec.value, (_size(image.size_wh), configuration, *marks, *turned), image.data)


def _size(size_wh: tuple[int, int]) -> Property:
    return Property(b"ispe", struct.pack(">III", 0, *size_wh))


def _crop(full_wh: tuple[int, int], shown_wh: tuple[int, int]) -> Property:
    (width, height), (shown_width, shown_height) = full_wh, shown_wh
    offsets = shown_width - width, 2, shown_height - height, 2
    return Property(b"clap", struct.pack(">IIIIiIiI", shown_width, 1, shown_height, 1, *offsets), True)


def _brands(image: CodedImage) -> tuple[bytes, ...]:
    """Brands of ISO/IEC 23008-12, annex B, and of AVIF 1.1, 8."""
    if image.codec is Codec.AV1:
        profile = {0: (b"MA1B",), 1: (b"MA1A",)}.get(image.profile, ())
        return (b"avif", b"avif", b"mif1", b"miaf", *profile)
    if image.profile in (1, 3):
        return (b"heic", b"mif1", b"heic")
    return (b"heix", b"mif1", b"heix")
