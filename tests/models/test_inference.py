"""The choice of the engine, by the properties of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from unionveil.errors import ModelError
from unionveil.models.inference import Machine, choose

ONNX_RUNTIME = {"onnxruntime": "1.23"}
BOTH = ONNX_RUNTIME | {"openvino": "2026.4"}
WITH_CUDA = {"onnxruntime-gpu": "1.23", "openvino": "2026.4"}


@pytest.mark.parametrize(
    ("packages", "has_bfloat16", "has_nvidia", "engine", "precision", "why"),
    [
        (ONNX_RUNTIME, True, False, "onnxruntime", "float32", "OpenVINO is not installed"),
        (BOTH, False, False, "onnxruntime", "float32", "does not have bfloat16"),
        (BOTH, True, False, "openvino", "bfloat16", "has bfloat16"),
        (BOTH, True, True, "openvino", "bfloat16", "has bfloat16"),
        (WITH_CUDA, True, True, "cuda", "float32", "NVIDIA"),
        (WITH_CUDA, True, False, "openvino", "bfloat16", "has bfloat16"),
    ],
)
def test_auto_chooses_the_fastest_and_gives_the_reason(
    packages, has_bfloat16, has_nvidia, engine, precision, why
):
    taken = choose("auto", Machine(packages, has_bfloat16, has_nvidia))
    assert (taken.engine, taken.precision) == (engine, precision)
    assert why in taken.why
    assert why in str(taken)


def test_a_requested_engine_is_used_or_refused():
    machine = Machine(ONNX_RUNTIME, has_bfloat16=True, has_nvidia=False)
    assert choose("cuda", machine).engine == "cuda"
    assert choose("onnxruntime", machine).version == "1.23"
    with pytest.raises(ModelError, match=r"pip install 'unionveil\[openvino\]'"):
        choose("openvino", machine)
    assert choose("openvino", Machine(BOTH, has_bfloat16=False, has_nvidia=False)).precision == "float32"


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16 sse", True), ("amx_bf16", True), ("fpu avx512f", False)]
)
def test_reads_the_processor_and_the_devices(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\n")
    (tmp_path / "dev").mkdir()
    machine = Machine.this(tmp_path)
    assert machine.has_bfloat16 is expected
    assert not machine.has_nvidia
    (tmp_path / "dev" / "nvidia0").touch()
    assert Machine.this(tmp_path).has_nvidia


def test_without_the_kernels_flags_no_feature_is_assumed(tmp_path: Path) -> None:
    machine = Machine.this(tmp_path)
    assert not machine.has_bfloat16
    assert not machine.has_nvidia
    assert machine.packages  # of this environment, regardless of the folder
