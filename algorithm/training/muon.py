"""The optimizer of the convolutions that mix channels: Muon.

Muon (K. Jordan, kellerjordan.github.io/posts/muon, 2024) moves a matrix by its momentum with all singular
values brought to about one, so directions to which the gradient seldom points are learned as fast as the
others. `torch.optim.Muon` takes matrices only; here a convolution's weight is a matrix with a row for each
output channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalized"]

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Newton-Schulz coefficients of the same text: five steps bring any singular value to between 0.7 and 1.2."""

_STEPS = 5
_LIKE_ADAM = 0.2
"""Root mean square of a step over its learning rate, as of AdamW: so one rate fits both (arXiv:2502.16982,
section 2.2)."""


class Muon(torch.optim.Optimizer):
    """Muon for convolutions without groups.

    Args:
        weights: `(out, in, height, width)` each, or groups of them.
        lr: learning rate, on AdamW's scale.
        momentum: share of the running mean of gradients that each step keeps, with Nesterov's look ahead.
        weight_decay: as in AdamW.
    """

    def __init__(
        self,
        weights: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Moves every weight that has a gradient; takes no closure."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                mean = state.setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"]).flatten(1)
                step = orthogonalized(ahead) * (_LIKE_ADAM * max(ahead.shape) ** 0.5)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step.reshape(weight.shape), alpha=-group["lr"])


def orthogonalized(matrix: Tensor) -> Tensor:
    """The nearest matrix, about, whose singular values are one: `(M, N)` to `(M, N)`."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
