"""The layout of a TIFF page's pixels, checked before anything is decoded.

Tags: TIFF 6.0 (Adobe, 1992); technical notes 1 and 2 (Adobe, 1995 and 2002) for JPEG and Deflate; DNG 1.7 for
the raw files that share TIFF's signature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

from ..errors import UnreadableImage, UnsupportedImage
from .tiff_structure import Tags

__all__ = ["OPAQUE", "WANTED", "Compression", "Extra", "Layout", "Photometric", "read_layout"]

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 274, 277, 278, 279
_X_RESOLUTION, _Y_RESOLUTION, _PLANAR, _T4_OPTIONS, _UNIT, _PREDICTOR = 282, 283, 284, 292, 296, 317
_COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 320, 322, 323, 324, 325
_SUB_IFDS, _INK_SET, _EXTRA, _SAMPLE_FORMAT, _JPEG_TABLES, _ICC, _DNG = 330, 332, 338, 339, 347, 34675, 50706

WANTED = frozenset(
    {
        _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIP_OFFSETS,
        _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _X_RESOLUTION, _Y_RESOLUTION, _PLANAR,
        _T4_OPTIONS, _UNIT, _PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS,
        _SUB_IFDS, _INK_SET, _EXTRA, _SAMPLE_FORMAT, _JPEG_TABLES, _ICC, _DNG,
    }
)  # fmt: skip
OPAQUE = frozenset({_JPEG_TABLES, _ICC})

_EXPORT = "; export it as 8-bit or 16-bit RGB"


class Compression(Enum):
    """Kinds of compression that are handled; the value is the tag's."""

    NONE = 1
    CCITT_RLE = 2
    CCITT_G3 = 3
    CCITT_G4 = 4
    LZW = 5
    OLD_JPEG = 6
    JPEG = 7
    DEFLATE = 8
    PACKBITS = 32773
    LZMA = 34925
    ZSTD = 50000

    @property
    def fax(self) -> bool:
        """Whether it is for one bit per pixel."""
        return self in (Compression.CCITT_RLE, Compression.CCITT_G3, Compression.CCITT_G4)

    @property
    def predicts(self) -> bool:
        """Whether it may store differences of neighbours instead of samples."""
        return self in (Compression.LZW, Compression.DEFLATE, Compression.LZMA, Compression.ZSTD)


class Photometric(Enum):
    """Meaning of the samples; the value is the tag's."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    CMYK = 5
    YCBCR = 6

    @property
    def channels(self) -> int:
        """Samples without extra ones."""
        return {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}[self.value]

    @property
    def depths(self) -> tuple[int, ...]:
        """Bits per sample that are handled."""
        grey, colours = (1, 2, 4, 8, 16), (8, 16)
        return {0: grey, 1: grey, 2: colours, 3: grey[:4], 5: (8,), 6: (8,)}[self.value]


class Extra(Enum):
    """Meaning of the sample after the colours; the value is the tag's."""

    UNSPECIFIED = 0
    ASSOCIATED_ALPHA = 1
    ALPHA = 2


_OTHER_PHOTOMETRICS = {
    4: "transparency masks",
    8: "L*a*b* colours",
    9: "L*a*b* colours",
    10: "L*a*b* colours",
    32803: "raw sensor data",
    32844: "logarithmic colours",
    32845: "logarithmic colours",
    34892: "raw sensor data",
}
_OTHER_FORMATS = {
    2: "signed samples",
    3: "floating-point samples",
    5: "complex samples",
    6: "complex samples",
}


@dataclass(frozen=True)
class Layout:
    """How one page is stored.

    Attributes:
        width: pixels.
        height: pixels.
        bits: bits per sample.
        samples: samples per pixel.
        photometric: their meaning.
        extra: meaning of the sample after the colours; None if there is no such sample.
        compression: of the segments.
        predicted: whether samples are differences to their left neighbours.
        planar: whether each sample has its own segments.
        reversed_bits: whether the first pixel is in the lowest bit of a byte.
        t4_options: options of fax compression.
        tiled: whether the segments are tiles.
        segment_wh: width and height of a whole segment.
        segments: offset and length of each.
        colour_map: 3 * 2^bits 16-bit values, reds first.
        jpeg_tables: tables for all segments.
        orientation: of the rows and columns, 1 to 8.
        icc: colour profile as stored in the file, unchecked.
        density_xy: pixels per metre as stored.
    """

    width: int
    height: int
    bits: int
    samples: int
    photometric: Photometric
    extra: Extra | None
    compression: Compression
    predicted: bool
    planar: bool
    reversed_bits: bool
    t4_options: int
    tiled: bool
    segment_wh: tuple[int, int]
    segments: tuple[tuple[int, int], ...]
    colour_map: tuple[int, ...]
    jpeg_tables: bytes
    orientation: int
    icc: bytes | None
    density_xy: tuple[float, float] | None

    @property
    def segment_samples(self) -> int:
        """Samples per pixel in one segment."""
        return 1 if self.planar else self.samples

    @property
    def across(self) -> int:
        """Number of segments side by side."""
        return -(-self.width // self.segment_wh[0])

    @property
    def down(self) -> int:
        """Number of segments one below the other."""
        return -(-self.height // self.segment_wh[1])

    @property
    def stored_wh(self) -> tuple[int, int]:
        """Width and height of all segments together: tiles extend beyond the page."""
        return (
            (self.across * self.segment_wh[0], self.down * self.segment_wh[1])
            if self.tiled
            else (self.width, self.height)
        )

    @property
    def row_bytes(self) -> int:
        """Bytes per row of a segment."""
        return -(-self.segment_wh[0] * self.segment_samples * self.bits // 8)


def read_layout(tags: Tags, data_size: int) -> Layout:
    """Reads and checks the tags of one page.

    Args:
        tags: of one directory.
        data_size: bytes of the file.

    Raises:
        UnreadableImage: tags are missing or contradict each other.
        UnsupportedImage: a variant that is not handled; the message names it.
    """
    numbers = _Numbers(tags)
    if _DNG in tags or (numbers.one(_SUBFILE, 0) & 1 and _SUB_IFDS in tags):
        raise UnsupportedImage("camera raw files are not handled; export the photo as JPEG or TIFF")
    photometric = _photometric(numbers.one(_PHOTOMETRIC))
    compression = _compression(numbers.one(_COMPRESSION, 1))
    samples = numbers.one(_SAMPLES, 1)
    bits = _bits(numbers.all(_BITS) or (1,), samples)
    width, height = numbers.one(_WIDTH), numbers.one(_HEIGHT)
    _check_samples(numbers, photometric, bits, compression)
    planar = numbers.one(_PLANAR, 1) == 2 and samples > 1
    tiled = _TILE_WIDTH in tags
    strip_height = min(numbers.one(_ROWS_PER_STRIP, height), height)
    segment_wh = (numbers.one(_TILE_WIDTH), numbers.one(_TILE_HEIGHT)) if tiled else (width, strip_height)
    if not width or not height or not all(segment_wh):
        raise UnreadableImage("the TIFF is damaged: a page, strip or tile has no size")
    layout = Layout(
        width=width,
        height=height,
        bits=bits,
        samples=samples,
        photometric=photometric,
        extra=_extra(numbers.all(_EXTRA), samples - photometric.channels, photometric, bits),
        compression=compression,
        predicted=_predicted(numbers.one(_PREDICTOR, 1), compression, bits),
        planar=planar,
        reversed_bits=numbers.one(_FILL_ORDER, 1) == 2,
        t4_options=numbers.one(_T4_OPTIONS, 0),
        tiled=tiled,
        segment_wh=segment_wh,
        segments=(),
        colour_map=numbers.all(_COLOUR_MAP) if photometric is Photometric.PALETTE else (),
        jpeg_tables=numbers.bytes(_JPEG_TABLES),
        orientation=orientation if 1 <= (orientation := numbers.one(_ORIENTATION, 1)) <= 8 else 1,
        icc=numbers.bytes(_ICC) or None,
        density_xy=_density(numbers),
    )
    return _with_segments(layout, numbers, data_size)


class _Numbers:
    """Tags by their type.

    Args:
        tags: of one directory.
    """

    def __init__(self, tags: Tags) -> None:
        self._tags = tags

    def all(self, tag: int) -> tuple[int, ...]:
        """All values of an integer tag; empty if it is missing."""
        value = self._tags.get(tag, ())
        if isinstance(value, bytes) or not all(isinstance(number, int) and number >= 0 for number in value):
            raise UnreadableImage(f"the TIFF is damaged: tag {tag} has a wrong type")
        return tuple(int(number) for number in value)

    def one(self, tag: int, default: int | None = None) -> int:
        """The first value of a tag.

        Raises:
            UnreadableImage: it is missing and there is no default.
        """
        values = self.all(tag)
        if not values and default is None:
            raise UnreadableImage(f"the TIFF is damaged: tag {tag} is missing")
        return values[0] if values else default or 0

    def bytes(self, tag: int) -> bytes:
        """The value of an opaque tag; empty if it is missing."""
        value = self._tags.get(tag, b"")
        return value if isinstance(value, bytes) else b""

    def ratio(self, tag: int) -> float:
        """The first value of a rational tag; 0 if it is missing."""
        value = self._tags.get(tag, ())
        return 0.0 if isinstance(value, bytes) or not value else float(Fraction(value[0]))


def _photometric(value: int) -> Photometric:
    try:
        return Photometric(value)
    except ValueError:
        kind = _OTHER_PHOTOMETRICS.get(value, f"colours of the unknown kind {value}")
        raise UnsupportedImage(f"a TIFF with {kind} is not handled{_EXPORT}") from None


def _compression(value: int) -> Compression:
    try:
        return Compression({32946: 8}.get(value, value))
    except ValueError:
        raise UnsupportedImage(
            f"a TIFF with compression {value} is not handled; save it with LZW or Deflate"
        ) from None


def _bits(values: tuple[int, ...], samples: int) -> int:
    if not 1 <= samples <= 64 or len(values) not in (1, samples):
        raise UnreadableImage("the TIFF is damaged: its samples per pixel contradict each other")
    if len(set(values)) > 1:
        raise UnsupportedImage(f"a TIFF with samples of different depths is not handled{_EXPORT}")
    return values[0]


def _check_samples(numbers: _Numbers, photometric: Photometric, bits: int, compression: Compression) -> None:
    for value in numbers.all(_SAMPLE_FORMAT):
        if value in _OTHER_FORMATS:
            raise UnsupportedImage(f"a TIFF with {_OTHER_FORMATS[value]} is not handled{_EXPORT}")
    if bits not in photometric.depths:
        raise UnsupportedImage(f"a {photometric.name} TIFF of {bits} bits per sample is not handled{_EXPORT}")
    if photometric is Photometric.CMYK and numbers.one(_INK_SET, 1) != 1:
        raise UnsupportedImage(f"a TIFF with inks other than CMYK is not handled{_EXPORT}")
    if compression.fax and bits != 1:
        raise UnreadableImage("the TIFF is damaged: fax compression with more than one bit per sample")
    if compression in (Compression.JPEG, Compression.OLD_JPEG) and bits != 8:
        raise UnsupportedImage(f"a TIFF with JPEG compression of {bits} bits is not handled{_EXPORT}")
    if photometric is Photometric.PALETTE and len(numbers.all(_COLOUR_MAP)) != 3 << bits:
        raise UnreadableImage("the TIFF is damaged: its colour map is missing or has a wrong length")


def _extra(values: tuple[int, ...], count: int, photometric: Photometric, bits: int) -> Extra | None:
    """An extra sample is alpha if the file does not specify it: older writers leave the tag out."""
    if count < 0 or len(values) > max(count, 0):
        raise UnreadableImage("the TIFF is damaged: its samples per pixel contradict each other")
    if not count:
        return None
    if (
        count > 1
        or bits < 8
        or photometric
        not in (
            Photometric.WHITE_IS_ZERO,
            Photometric.BLACK_IS_ZERO,
            Photometric.RGB,
        )
    ):
        raise UnsupportedImage(
            f"a {photometric.name} TIFF with {count} extra samples is not handled{_EXPORT}"
        )
    return Extra(values[0]) if values and values[0] in (0, 1, 2) else Extra.ALPHA


def _predicted(value: int, compression: Compression, bits: int) -> bool:
    if value == 1 or not compression.predicts:
        return False
    if value != 2 or bits < 8:
        raise UnsupportedImage(f"a TIFF with predictor {value} of {bits} bits is not handled{_EXPORT}")
    return True


def _density(numbers: _Numbers) -> tuple[float, float] | None:
    # TIFF 6.0, page 38: 2 means inches, which is also the default, and 3 means centimetres.
    per_metre = {2: 1 / 0.0254, 3: 100.0}.get(numbers.one(_UNIT, 2))
    x, y = numbers.ratio(_X_RESOLUTION), numbers.ratio(_Y_RESOLUTION)
    return (x * per_metre, y * per_metre) if per_metre and x > 0 and y > 0 else None


def _with_segments(layout: Layout, numbers: _Numbers, data_size: int) -> Layout:
    """The layout with the offsets of its segments, which must be inside the file."""
    offsets = numbers.all(_TILE_OFFSETS if layout.tiled else _STRIP_OFFSETS)
    counts = numbers.all(_TILE_COUNTS if layout.tiled else _STRIP_COUNTS)
    planes = layout.samples if layout.planar else 1
    expected = layout.across * layout.down * planes
    if not counts and layout.compression is Compression.NONE and expected == len(offsets) == 1:
        counts = (layout.row_bytes * layout.height,)  # writers before TIFF 6.0 leave it out
    if len(offsets) < expected or len(counts) < expected:
        raise UnreadableImage("the TIFF is damaged: strips or tiles are missing")
    segments = tuple(zip(offsets[:expected], counts[:expected], strict=True))
    if any(not count or offset + count > data_size for offset, count in segments):
        raise UnreadableImage("the TIFF is cut off: a strip or tile is outside the file")
    return replace(layout, segments=segments)
