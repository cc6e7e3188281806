"""The network: a narrow MobileNetV1, a feature pyramid down to stride 4, context modules, one prior a cell.

RetinaFace (arXiv:1905.00641) with one level more: stride 4, where a 10 px face has cells of its own. That
level has a third of the channels, and one separable convolution for a context module, as it has three
quarters of all cells. MobileNetV1 (arXiv:1704.04861) is three eighths as wide as published, its first two
layers a half, with one layer more at strides 4 and 8 each: faces are small, and what is lost before stride 8
is lost to them. SCRFD (arXiv:2105.04714), which searched for the best place for computation, found it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "FEATURES",
    "FaceNet",
    "Unit",
    "count_macs",
    "folded",
    "load_onnx",
    "parameters",
    "read_graph",
    "restored",
    "units",
]

_SLOPE = 0.1
_LOWEST_SCORE = 0.01
"""Every cell's score before training (arXiv:1708.02002, section 4.1)."""

_STEM, _STAGE2, _STAGE4, _STAGE8, _STAGE16, _STAGE32 = 16, 32, 48, 96, 192, 384
"""Channels of the backbone's first layer, and from each stride on."""

_NECK, _FINE = 96, 32
"""Channels of the pyramid's levels, and of the one at stride 4."""

FEATURES = (_FINE, _NECK, _NECK, _NECK)
"""Channels of what the heads read, level by level."""


class Unit(nn.Module):
    """Convolution, batch norm, and a leaky rectifier if `active`.

    Once folded, batch norm is part of the convolution, which then has a bias: so weights are exported, and so
    exported weights are trained on, which costs a third less time.
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
        x = self._convolved(x)
        x = x if self.norm is None else self.norm(x)
        return functional.leaky_relu(x, _SLOPE, inplace=True) if self.active else x

    def _convolved(self, x: Tensor) -> Tensor:
        strided = self.conv.groups > 1 and self.conv.stride != (1, 1)
        if not (strided and torch.is_autocast_enabled("cpu")):
            out: Tensor = self.conv(x)
            return out
        # In 16 bits torch takes four times as long for the gradient of a strided depthwise convolution.
        with torch.autocast("cpu", enabled=False):
            return self.conv(x.float()).to(x.dtype)

    @torch.no_grad()
    def fold(self) -> None:
        """Makes batch norm, as it is in evaluation, part of the convolution; does nothing the second time."""
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


class _Deeper(nn.Module):
    """A separable convolution that adds to what it reads, and adds nothing before training.

    As in MobileNetV2 (arXiv:1801.04381, section 3.2) its last part is linear. Nothing at first, so that a
    network grown from one without it begins by computing the same.
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
    """Three, five and seven pixels wide, side by side (SSH, arXiv:1708.03979, section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.near = Unit(channels, half, active=False)
        self.shared = Unit(channels, quarter)
        self.wide = Unit(quarter, quarter, active=False)
        self.wider = Unit(quarter, quarter)
        self.widest = Unit(quarter, quarter, active=False)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.shared(x)
        parts = [self.near(x), self.wide(shared), self.widest(self.wider(shared))]
        return functional.relu(torch.cat(parts, 1))


class _Head(nn.Module):
    """Score, box and landmarks of the one prior of each cell: 1 + 4 + 10 numbers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        self.points = nn.Conv2d(channels, 10, 1)
        for layer in (self.score, self.box, self.points):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.score.bias, float(np.log(_LOWEST_SCORE / (1 - _LOWEST_SCORE))))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [layer(x).permute(0, 2, 3, 1).flatten(1, 2) for layer in (self.box, self.score, self.points)]


class FaceNet(nn.Module):
    """The detector.

    `forward` takes `(N, 3, H, W)` float32, blue first, the mean subtracted, H and W multiples of 32. It
    gives `loc (N, P, 4)`, score logits `(N, P, 1)` and `landms (N, P, 10)`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage4 = nn.Sequential(
            Unit(3, _STEM, 3, 2),
            _separable(_STEM, _STAGE2),
            _separable(_STAGE2, _STAGE4, 2),
            _separable(_STAGE4, _STAGE4),
            _Deeper(_STAGE4),
        )
        self.stage8 = nn.Sequential(
            _separable(_STAGE4, _STAGE8, 2), _separable(_STAGE8, _STAGE8), _Deeper(_STAGE8)
        )
        self.stage16 = nn.Sequential(
            _separable(_STAGE8, _STAGE16, 2), *(_separable(_STAGE16, _STAGE16) for _ in range(5))
        )
        self.stage32 = nn.Sequential(_separable(_STAGE16, _STAGE32, 2), _separable(_STAGE32, _STAGE32))
        self.side4, self.side8 = Unit(_STAGE4, _FINE, 1), Unit(_STAGE8, _NECK, 1)
        self.side16, self.side32 = Unit(_STAGE16, _NECK, 1), Unit(_STAGE32, _NECK, 1)
        self.down4 = Unit(_NECK, _FINE, 1)
        self.merge4 = Unit(_FINE, _FINE)
        self.merge8, self.merge16 = Unit(_NECK, _NECK), Unit(_NECK, _NECK)
        self.context4 = _separable(_FINE, _FINE)
        self.context8, self.context16, self.context32 = (_Context(_NECK) for _ in range(3))
        self.heads = nn.ModuleList([_Head(_FINE), *(_Head(_NECK) for _ in range(3))])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the class says."""
        return self.read(self.features(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """What the heads read, `(N, FEATURES[i], H / STRIDES[i], W / STRIDES[i])` for each level."""
        at4 = self.stage4(x)
        at8 = self.stage8(at4)
        at16 = self.stage16(at8)
        at32 = self.side32(self.stage32(at16))
        at16 = self.merge16(self.side16(at16) + _double(at32))
        at8 = self.merge8(self.side8(at8) + _double(at16))
        at4 = self.merge4(self.side4(at4) + _double(self.down4(at8)))
        return [self.context4(at4), self.context8(at8), self.context16(at16), self.context32(at32)]

    def read(self, seen: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The heads, from `features`."""
        levels = [head(level) for head, level in zip(self.heads, seen, strict=True)]
        loc, logit, landms = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
        return loc, logit, landms


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def units(model: nn.Module) -> Iterator[tuple[str, Unit]]:
    """The model's `Unit`s with their names."""
    return ((name, part) for name, part in model.named_modules() if isinstance(part, Unit))


def restored(state: Mapping[str, Tensor]) -> FaceNet:
    """A network from its state, whose units are folded where they were."""
    model = FaceNet()
    for name, unit in units(model):
        if f"{name}.conv.bias" in state:
            unit.fold()
    model.load_state_dict(state)
    return model


def folded(model: FaceNet) -> FaceNet:
    """A copy for evaluation and export in which every `Unit` is one convolution with a bias."""
    copy = restored(model.state_dict())
    for _, unit in units(copy):
        unit.fold()
    return copy.eval()


def parameters(model: nn.Module) -> int:
    """How many numbers training moves."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: FaceNet, size_wh: tuple[int, int]) -> int:
    """Multiplications with additions of one picture's convolutions; GFLOPs are twice that over 1e9."""
    total = 0

    def add(layer: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    hooks = [
        layer.register_forward_hook(add)  # type: ignore[arg-type]
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, size_wh[1], size_wh[0]))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return total


def read_graph(path: Path) -> onnx.ModelProto:
    """Reads an ONNX file.

    Raises:
        ValueError: it is none.
    """
    try:
        return onnx.load(path)
    except DecodeError as error:
        raise ValueError(f"{path} is no ONNX file: {error}") from error


def load_onnx(model: FaceNet, path: Path) -> list[str]:
    """Starts a model from weights that this project exported, of this network or of a narrower one.

    A narrower one grows: its channels are the first ones of each layer, and no old channel hears a new one
    yet, so the model begins by computing what the file does. Batch norm is folded there, and so it stays.

    Args:
        model: changed in place.
        path: the ONNX file.

    Returns:
        Names of the layers that the file does not have; they stay random.

    Raises:
        ValueError: the file is no ONNX file, or of another network, or of a wider one.
    """
    graph = read_graph(path).graph
    arrays = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer
    }
    layers = {
        node.input[1].removesuffix(".weight").removesuffix(".conv"): tuple(
            arrays[name] for name in node.input[1:]
        )
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 3 and arrays.keys() >= set(node.input[1:])
    }
    for _, unit in units(model):
        unit.fold()
    convolutions = {name: unit.conv for name, unit in units(model)} | {
        name: part for name, part in model.heads.named_modules(prefix="heads") if isinstance(part, nn.Conv2d)
    }
    known = layers.keys() & convolutions.keys()
    if not known:
        raise ValueError(f"{path} has no layer of this network: give an ONNX file that this project exported")
    for name in known:
        after_context = name.startswith("heads.") and not name.startswith("heads.0.")
        weight, bias = layers[name]
        into = convolutions[name].weight.shape
        if weight.shape[2:] != into[2:] or weight.shape[0] > into[0] or weight.shape[1] > into[1]:
            raise ValueError(
                f"{path} does not fit: its layer {name} is {tuple(weight.shape)}, here {tuple(into)}"
            )
        _grow(convolutions[name], weight, bias, after_context=after_context)
    return sorted(convolutions.keys() - layers.keys())


@torch.no_grad()
def _grow(conv: nn.Conv2d, weight: Tensor, bias: Tensor, *, after_context: bool) -> None:
    """Copies a narrower convolution into the first channels of a wider one, deaf to the other inputs."""
    if conv.bias is None:
        raise ValueError("the convolution has no bias: fold its batch norm first")
    outputs, inputs = weight.shape[:2]
    heard = torch.arange(inputs)
    if after_context:
        # Three parts side by side, a half and two quarters of all channels, and each of them has grown.
        half, quarter, more = inputs // 2, inputs // 4, (conv.weight.shape[1] - inputs) // 4
        heard[half:] += 2 * more
        heard[half + quarter :] += more
    conv.weight[:outputs] = 0.0
    conv.weight[:outputs, heard] = weight
    conv.bias[:outputs] = bias
