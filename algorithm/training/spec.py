"""What the network looks like from outside: one place for training, export and the card."""

from __future__ import annotations

STRIDES = (4, 8, 16, 32)
"""Pixels of input for each cell, one a level. Stride 4 is for faces below 20 px, which share a cell at 8."""

PRIORS_PX = ((12.0,), (28.0,), (80.0,), (240.0,))
"""Sides of the square priors at each cell: one a cell, each level about three times the one before, so that
faces from 7 to 415 px lie within a factor of 1.75 of a prior."""

VARIANCES = (0.1, 0.2)
"""What box regressions are divided by, centre and size: SSD's, as in RetinaFace."""

MEAN_BGR = (104.0, 117.0, 123.0)
"""Subtracted from blue, green and red in [0, 255]."""

SIZE_MULTIPLE_PX = 32
"""Sides of the input are multiples of this."""

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
"""Left and right as they stand in the picture."""

FLIPPED_LANDMARKS = (1, 0, 2, 4, 3)
"""Where each landmark goes when the picture is mirrored."""
