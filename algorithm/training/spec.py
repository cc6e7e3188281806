"""The network's interface: constants that training, export and the card share."""

from __future__ import annotations

STRIDES = (4, 8, 16, 32)
"""Input pixels per cell, one stride per level. Stride 4 serves faces below 20 px: at stride 8 neighbouring
ones would share a cell."""

PRIORS_PX = ((12.0,), (28.0,), (80.0,), (240.0,))
"""Sides of the square priors in each cell: one per cell, each level about three times the previous one, so
that faces from 7 to 415 px lie within a factor of 1.75 of a prior."""

VARIANCES = (0.1, 0.2)
"""Scale of the box regression, centre and size (as in SSD and RetinaFace)."""

MEAN_BGR = (104.0, 117.0, 123.0)
"""Subtracted from blue, green and red in [0, 255]."""

SIZE_MULTIPLE_PX = 32
"""The input's height and width are multiples of this."""

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
"""Left and right are the image's, not the person's."""

FLIPPED_LANDMARKS = (1, 0, 2, 4, 3)
"""Index of each landmark after a horizontal flip."""
