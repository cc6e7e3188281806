"""Chooses the engine that runs the networks, and its precision, without loading any engine."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ..errors import ModelError

__all__ = ["PROCESSOR", "Engine", "EngineSetting", "Inference", "Machine", "choose"]

Engine: TypeAlias = Literal["onnxruntime", "openvino", "cuda", "tensorrt", "coreml", "directml"]
"""`onnxruntime` is ONNX Runtime on the processor; the last four are its other devices."""

EngineSetting: TypeAlias = Literal["auto", Engine]
"""One of `Engine`, or the fastest that is installed."""

Precision: TypeAlias = Literal["float32", "bfloat16"]

_OF_ONNX_RUNTIME = ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime")
"""Packages of ONNX Runtime, one per family of devices; one of them is installed."""


@dataclass(frozen=True)
class Inference:
    """A chosen engine.

    Attributes:
        engine: its name.
        version: of the package that provides it.
        precision: of its arithmetic. Boxes of two precisions differ by some tenths of a pixel.
        why: the reason for the choice, in words.
    """

    engine: Engine
    version: str
    precision: Precision
    why: str

    def __str__(self) -> str:
        """For a log."""
        return f"{self.engine} {self.version}, {self.precision} ({self.why})"


PROCESSOR = Inference("onnxruntime", "", "float32", "asked for")
"""ONNX Runtime on the processor: every threshold was measured with it."""


@dataclass(frozen=True)
class Machine:
    """The properties of a machine that decide the engine.

    Attributes:
        packages: versions of the installed engines, by package.
        has_bfloat16: whether the processor multiplies bfloat16.
        has_nvidia: whether this process sees an NVIDIA GPU.
    """

    packages: Mapping[str, str]
    has_bfloat16: bool
    has_nvidia: bool

    @classmethod
    def this(cls, root: Path = Path("/")) -> Machine:
        """This machine.

        Args:
            root: where the kernel lists processors and devices. On systems other than Linux neither is found,
                and an engine for them must be requested.
        """
        return cls(_installed(), _has_bfloat16(root), _has_nvidia(root))


def choose(engine: EngineSetting, machine: Machine | None = None) -> Inference:
    """The engine that a setting names; for `auto`, the fastest on this machine.

    Args:
        engine: the setting.
        machine: what it has; by default this one.

    Raises:
        ModelError: the requested engine is not installed.
    """
    machine = machine or Machine.this()
    match engine:
        case "auto":
            return _quickest(machine)
        case "openvino":
            return _openvino(machine, "asked for")
        case _:
            return _onnx_runtime(engine, machine, "asked for")


def _quickest(machine: Machine) -> Inference:
    if machine.has_nvidia and "onnxruntime-gpu" in machine.packages:
        return _onnx_runtime("cuda", machine, "this machine has an NVIDIA GPU")
    if "openvino" not in machine.packages:
        return _onnx_runtime("onnxruntime", machine, "OpenVINO is not installed")
    if not machine.has_bfloat16:
        return _onnx_runtime("onnxruntime", machine, "the processor does not have bfloat16")
    return _openvino(machine, "the processor has bfloat16")


def _openvino(machine: Machine, why: str) -> Inference:
    version = machine.packages.get("openvino")
    if version is None:
        raise ModelError("engine openvino: it is not installed: pip install 'unionveil[openvino]'")
    return Inference("openvino", version, "bfloat16" if machine.has_bfloat16 else "float32", why)


def _onnx_runtime(engine: Engine, machine: Machine, why: str) -> Inference:
    version = next((machine.packages[name] for name in _OF_ONNX_RUNTIME if name in machine.packages), "")
    return Inference(engine, version, "float32", why)


def _installed() -> dict[str, str]:
    wanted = (*_OF_ONNX_RUNTIME, "openvino")
    return {name: version for name in wanted if (version := _version(name))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _has_bfloat16(root: Path) -> bool:
    """Whether x86's AVX512_BF16 or AMX_BF16 is among the flags of the first processor."""
    try:
        lines = (root / "proc" / "cpuinfo").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def _has_nvidia(root: Path) -> bool:
    """Whether the driver's device, or that of WSL, exists."""
    return any((root / "dev" / name).exists() for name in ("nvidia0", "dxg"))
