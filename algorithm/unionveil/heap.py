"""The heaps of Python and of the C library."""

from __future__ import annotations

import gc
from contextlib import suppress

__all__ = ["collect_rarely", "end_without_collecting", "return_free_memory"]

_ALLOCATIONS = 50_000
"""Objects between two searches for garbage in cycles; Python's default is 700, from 3.13 on 2,000."""


def collect_rarely() -> None:
    """Makes Python search for garbage in cycles less often; a run makes hardly any.

    The imports at the start of a process make none either, and searching took a tenth of their time.
    """
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])


def end_without_collecting() -> None:
    """Spares the end of this process its last search for garbage in cycles, through every module's objects.

    It found nothing that had to be closed, and took a twentieth of the time of a run over one photo.
    """
    gc.freeze()


def return_free_memory() -> None:
    """Returns freed memory to the system, where the C library can.

    glibc keeps 90 MB of a pass over a video at 1080p, and some of a photo's views, which a large photo's
    coefficients would come on top of.
    """
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
