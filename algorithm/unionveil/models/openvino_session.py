"""Sessions of OpenVINO: the only module that imports it, without its telemetry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from .inference import Inference

_CONVERTER = "openvino.tools.ovc"
"""OpenVINO would import its model converter, which takes half of the time and loads its telemetry."""

if "openvino" not in sys.modules:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
import openvino as ov  # noqa: E402

if sys.modules.get(_CONVERTER) is None:
    sys.modules.pop(_CONVERTER, None)  # so that a program that uses this package can import it

__all__ = ["OpenVinoSession"]

_KEPT_KERNELS = 1000
"""Number of kernels cached for recurring shapes, some 60 per shape and 4 MB; without a bound each new shape
adds memory. Pictures of all shapes take 450 MiB and 50 ms per megapixel with it, 590 MiB and 47 ms
without."""


class OpenVinoSession:
    """As `session.Session`, on the processor by OpenVINO.

    Args:
        model: path of the file, or the serialized graph.
        threads: threads for one call, at least 1.
        inference: including its precision. bfloat16 takes about half the time of float32.

    Raises:
        ModelError: OpenVINO cannot run the file as a graph, or the processor lacks the precision.
    """

    multiple_px = 64
    """The first input of each shape takes 20 to 50 ms more; padding to 128 would cost as much for each tile
    of a phone's photo."""

    def __init__(self, model: Path | bytes, threads: int, inference: Inference) -> None:
        if threads < 1:
            raise ValueError(f"a session needs at least one thread, got {threads}")
        core = ov.Core()
        is_bfloat16 = inference.precision == "bfloat16"
        if is_bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ModelError(
                "engine openvino: this processor does not have bfloat16; say --engine onnxruntime"
            )
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "bf16" if is_bfloat16 else "f32",
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_KERNELS,
            "ENABLE_CPU_PINNING": False,  # workers share the cores
        }
        try:
            graph = core.read_model(model)
            compiled = core.compile_model(graph, "CPU", options)
        except Exception as error:
            what = "the model" if isinstance(model, bytes) else str(model)
            raise ModelError(f"{what} cannot be loaded as an ONNX model: {error}") from error
        shape = graph.input(0).get_partial_shape()
        self.input_shape: tuple[int | str | None, ...] = tuple(
            side.get_length() if side.is_static else None for side in shape
        )
        self.output_names = tuple(output.get_any_name() for output in graph.outputs)
        self._request = compiled.create_infer_request()

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        """As `Session.fixed_wh`."""
        *_, height, width = self.input_shape
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def run(self, blob: npt.NDArray[np.float32], outputs: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        """As `Session.run`."""
        try:
            self._request.infer([blob], share_inputs=True)
            # The next call reuses the same memory.
            return [np.array(self._request.get_tensor(name).data) for name in outputs]
        except Exception as error:
            raise ModelError(
                f"the model failed on a picture of {blob.shape[3]}x{blob.shape[2]}: {error}"
            ) from error
