"""Muon, the optimizer of the convolutions that mix channels.

Muon (K. Jordan, kellerjordan.github.io/posts/muon, 2024) replaces the momentum matrix by a nearly orthogonal
one, so that directions in which gradients are rare are learned as fast as the others. `torch.optim.Muon`
takes matrices only; here a convolution's weight counts as a matrix with one row per output channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalized"]

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Newton-Schulz coefficients of the same source: five steps map every singular value to
between 0.7 and 1.2."""

_STEPS = 5
_ADAMW_RMS = 0.2
"""Root mean square of an update over its learning rate, as of AdamW, so that one learning rate suits both
(arXiv:2502.16982, section 2.2)."""


class Muon(torch.optim.Optimizer):
    """Muon for convolutions without groups.

    Args:
        weights: `(out, in, height, width)` each, or groups of them.
        lr: learning rate, on AdamW's scale.
        momentum: decay of the running mean of gradients; Nesterov momentum is used.
        weight_decay: decoupled, as in AdamW.
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
        """Updates every weight that has a gradient; a closure is not supported and ignored."""
        del closure
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.flatten(1).shape, []).append(weight)
            for weights in by_shape.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Updates weights of one shape together, which saves a GPU most of its time."""
        ahead = torch.stack([self._ahead(weight, group["momentum"]) for weight in weights])
        updates = orthogonalized(ahead) * (_ADAMW_RMS * max(ahead.shape[1:]) ** 0.5)
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update.reshape(weight.shape), alpha=-group["lr"])

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        """The gradient with Nesterov momentum, as a matrix."""
        gradient = weight.grad
        if gradient is None:
            raise RuntimeError("a weight without a gradient has no update")
        mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
        mean.lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum).flatten(1)


def orthogonalized(matrices: Tensor) -> Tensor:
    """`(..., M, N)` matrices with the same singular vectors and singular values near one (Newton-Schulz)."""
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
