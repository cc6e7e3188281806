"""The network: a narrow MobileNetV1, a feature pyramid down to stride 4, context modules, one prior per cell.

RetinaFace (arXiv:1905.00641) with one more level: stride 4, where a 10 px face has cells of its own. That
level has a third of the channels, and one separable convolution instead of a context module, as it has three
quarters of all cells. MobileNetV1 (arXiv:1704.04861) is three eighths as wide as published, its first two
layers half as wide, with one more layer at strides 4 and 8 each: faces are small, and detail lost before
stride 8 cannot be recovered. SCRFD (arXiv:2105.04714), which searched for the best place for computation,
found it there. At strides 8 and 16 the 3x3 convolutions of the pyramid and of the context modules read half
of the channels, mixed by a linear convolution of one cell (a bottleneck, arXiv:1512.03385, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "WIDTHS",
    "FaceNet",
    "Unit",
    "Widths",
    "count_macs",
    "count_parameters",
    "folded",
    "restored",
    "units",
]

_SLOPE = 0.1
_INITIAL_SCORE = 0.01
"""Every cell's score before training (arXiv:1708.02002, section 4.1)."""


@dataclass(frozen=True)
class Widths:
    """Channels of the network's parts.

    Attributes:
        stem: the backbone's first layer, at stride 2.
        stage2: the rest of stride 2.
        stage4: the backbone at stride 4; `stage8`, `stage16` and `stage32` likewise.
        neck: the pyramid's levels at strides 8, 16 and 32.
        squeezed: what the 3x3 convolutions read at strides 8 and 16.
        fine: the pyramid's level at stride 4.
        residual: whether strides 4 and 8 have a residual layer more.
    """

    stem: int = 16
    stage2: int = 32
    stage4: int = 48
    stage8: int = 96
    stage16: int = 192
    stage32: int = 384
    neck: int = 96
    squeezed: int = 48
    fine: int = 32
    residual: bool = True

    @property
    def features(self) -> tuple[int, ...]:
        """Channels of the heads' input, level by level."""
        return (self.fine, self.neck, self.neck, self.neck)


WIDTHS = Widths()
"""The widths of the committed weights."""


class Unit(nn.Module):
    """Convolution, batch norm, and a leaky ReLU if `active`.

    Once folded, batch norm is part of the convolution, which then has a bias. Exported weights are folded,
    and training that starts from them keeps them so, which takes a third less time.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        depthwise: bool = False,
        active: bool = True,
    ) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, a=_SLOPE)
        self.norm: nn.BatchNorm2d | None = nn.BatchNorm2d(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        x = self._convolve(x)
        x = x if self.norm is None else self.norm(x)
        return functional.leaky_relu(x, _SLOPE, inplace=True) if self.active else x

    def _convolve(self, x: Tensor) -> Tensor:
        strided = self.conv.groups > 1 and self.conv.stride != (1, 1)
        out: Tensor
        if not (strided and torch.is_autocast_enabled("cpu")):
            out = self.conv(x)
            return out
        # In 16 bits torch takes four times as long for the gradient of a strided depthwise convolution.
        with torch.autocast("cpu", enabled=False):
            out = self.conv(x.float())
        return out.to(x.dtype)

    @torch.no_grad()
    def fold(self) -> None:
        """Folds batch norm, in its evaluation mode, into the convolution; idempotent."""
        norm = self.norm
        if norm is None:
            return
        if norm.running_mean is None or norm.running_var is None:
            raise RuntimeError("batch norm keeps no statistics: there is nothing to fold")
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.conv.weight.mul_(scale[:, None, None, None])
        self.conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self.norm = None


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(Unit(inputs, inputs, 3, stride, depthwise=True), Unit(inputs, outputs, 1))


class _Residual(nn.Module):
    """A separable convolution added to its input; it adds zero before training.

    As in MobileNetV2 (arXiv:1801.04381, section 3.2) its last part is linear. It starts at zero so that a
    network grown from one without it starts with the same outputs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = Unit(channels, channels, 3, depthwise=True)
        self.mix = Unit(channels, channels, 1, active=False)
        if self.mix.norm is not None:
            nn.init.zeros_(self.mix.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.mix(self.near(x))
        return out


class _Context(nn.Module):
    """Receptive fields of three, five and seven cells side by side (SSH, arXiv:1708.03979, section 3.3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.near = Unit(inputs, half, active=False)
        self.shared = Unit(inputs, quarter)
        self.wide = Unit(quarter, quarter, active=False)
        self.wider = Unit(quarter, quarter)
        self.widest = Unit(quarter, quarter, active=False)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.shared(x)
        parts = [self.near(x), self.wide(shared), self.widest(self.wider(shared))]
        return functional.relu(torch.cat(parts, 1))


def _squeezed(inputs: int, narrow: int, layer: nn.Module) -> nn.Sequential:
    """A layer that reads `narrow` linear combinations of its input."""
    return nn.Sequential(Unit(inputs, narrow, 1, active=False), layer)


class _Head(nn.Module):
    """Score, box and landmarks of each cell's prior: 1 + 4 + 10 numbers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        self.points = nn.Conv2d(channels, 10, 1)
        initial_logit = float(np.log(_INITIAL_SCORE / (1 - _INITIAL_SCORE)))
        for layer, bias in ((self.score, initial_logit), (self.box, 0.0), (self.points, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            layer.bias = nn.Parameter(torch.full((layer.out_channels,), bias))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [layer(x).permute(0, 2, 3, 1).flatten(1, 2) for layer in (self.box, self.score, self.points)]


class FaceNet(nn.Module):
    """The detector.

    `forward` takes `(N, 3, H, W)` float32, BGR, the mean subtracted, H and W multiples of 32. It returns
    `loc (N, P, 4)`, score logits `(N, P, 1)` and `landms (N, P, 10)`.

    Args:
        widths: channels of its parts.
    """

    def __init__(self, widths: Widths = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self._make_backbone(widths)
        self._make_neck(widths)
        self.heads = nn.ModuleList([_Head(channels) for channels in widths.features])

    def _make_backbone(self, widths: Widths) -> None:
        w4, w8, w16, w32 = widths.stage4, widths.stage8, widths.stage16, widths.stage32

        def extra(channels: int) -> nn.Module:
            return _Residual(channels) if widths.residual else nn.Identity()

        self.stage4 = nn.Sequential(
            Unit(3, widths.stem, 3, 2),
            _separable(widths.stem, widths.stage2),
            _separable(widths.stage2, w4, 2),
            _separable(w4, w4),
            extra(w4),
        )
        self.stage8 = nn.Sequential(_separable(w4, w8, 2), _separable(w8, w8), extra(w8))
        self.stage16 = nn.Sequential(_separable(w8, w16, 2), *(_separable(w16, w16) for _ in range(5)))
        self.stage32 = nn.Sequential(_separable(w16, w32, 2), _separable(w32, w32))

    def _make_neck(self, widths: Widths) -> None:
        neck, narrow, fine = widths.neck, widths.squeezed, widths.fine
        self.side4, self.side8 = Unit(widths.stage4, fine, 1), Unit(widths.stage8, neck, 1)
        self.side16, self.side32 = Unit(widths.stage16, neck, 1), Unit(widths.stage32, neck, 1)
        self.down4 = Unit(neck, fine, 1)
        self.merge4 = Unit(fine, fine)
        self.merge8, self.merge16 = (_squeezed(neck, narrow, Unit(narrow, neck)) for _ in range(2))
        self.context4 = _separable(fine, fine)
        self.context8, self.context16 = (_squeezed(neck, narrow, _Context(narrow, neck)) for _ in range(2))
        self.context32 = _Context(neck, neck)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns `loc`, score logits and `landms`; shapes are in the class."""
        return self.predict(self.features(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """The heads' input, `(N, widths.features[i], H / STRIDES[i], W / STRIDES[i])` for each level."""
        at4 = self.stage4(x)
        at8 = self.stage8(at4)
        at16 = self.stage16(at8)
        at32 = self.side32(self.stage32(at16))
        at16 = self.merge16(self.side16(at16) + _upsample(at32))
        at8 = self.merge8(self.side8(at8) + _upsample(at16))
        at4 = self.merge4(self.side4(at4) + _upsample(self.down4(at8)))
        return [self.context4(at4), self.context8(at8), self.context16(at16), self.context32(at32)]

    def predict(self, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Runs the heads on `features`."""
        levels = [head(level) for head, level in zip(self.heads, features, strict=True)]
        loc, logit, landms = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
        return loc, logit, landms


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def units(model: nn.Module) -> Iterator[tuple[str, Unit]]:
    """The model's `Unit`s with their names."""
    return ((name, part) for name, part in model.named_modules() if isinstance(part, Unit))


def restored(state: Mapping[str, Tensor], widths: Widths = WIDTHS) -> FaceNet:
    """Makes a network from its state; units that were folded are folded again.

    Raises:
        RuntimeError: the state belongs to another network.
    """
    model = FaceNet(widths)
    for name, unit in units(model):
        if f"{name}.conv.bias" in state:
            unit.fold()
    model.load_state_dict(state)
    return model


def folded(model: FaceNet) -> FaceNet:
    """A copy for evaluation and export in which every `Unit` is one convolution with a bias."""
    copy = restored(model.state_dict(), model.widths)
    for _, unit in units(copy):
        unit.fold()
    return copy.eval()


def count_parameters(model: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: FaceNet, size_wh: tuple[int, int]) -> int:
    """Multiply-accumulates of one image's convolutions; GFLOPs are twice that over 1e9."""
    total = 0

    def add(layer: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    copy = folded(model)
    for layer in copy.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(add)
    with torch.no_grad():
        copy(torch.zeros(1, 3, size_wh[1], size_wh[0]))
    return total
