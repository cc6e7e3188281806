"""The only place that imports ONNX Runtime: its telemetry is switched off before it loads.

`UNIONVEIL_PROVIDER` chooses the device: `cpu`, the default, or `cuda`. The outcome does not depend on it, so
it is not a setting. A GPU that was asked for and cannot be used is an error; the processor never takes its
place.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, ModelError

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

__all__ = ["Session"]

_CUDA = "CUDAExecutionProvider"


def _providers() -> list[Any]:
    """Execution providers in the order of preference, as `UNIONVEIL_PROVIDER` says."""
    named = os.environ.get("UNIONVEIL_PROVIDER", "cpu")
    if named == "cpu":
        return ["CPUExecutionProvider"]
    if named != "cuda":
        raise ConfigError(f"UNIONVEIL_PROVIDER is {named!r}; it must be cpu or cuda")
    if _CUDA not in ort.get_available_providers():
        raise ModelError(
            "UNIONVEIL_PROVIDER is cuda, but this ONNX Runtime was built without CUDA; install "
            "onnxruntime-gpu in its place, or set UNIONVEIL_PROVIDER=cpu"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        ort.preload_dlls()
    # Shape arithmetic runs on the processor. HEURISTIC: an exhaustive search would start anew for every size.
    return [(_CUDA, {"cudnn_conv_algo_search": "HEURISTIC"}), "CPUExecutionProvider"]


class Session:
    """A loaded ONNX graph with one image input.

    Args:
        model: path of the file, or the serialized graph.
        threads: threads for one call, at least 1. (ONNX Runtime takes 0 for all cores and pins a thread to
            each; where a container is pinned to some of them, that fails with an error in every log.)

    Attributes:
        input_shape: the graph's `(N, C, H, W)`; a dimension that is free is a string or None.

    Raises:
        ModelError: the file is not a graph that this ONNX Runtime can run, or the GPU that was asked for
            cannot be used.
        ConfigError: `UNIONVEIL_PROVIDER` is neither cpu nor cuda.
    """

    def __init__(self, model: Path | bytes, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"a session needs at least one thread, got {threads}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait for the next operator sleep: with two, spinning takes a third of processor time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        # Pictures come in all sizes, and a memory plan would be kept for each of them. The arena itself
        # stays: it is bounded by the largest view, and without it the heap fragments to more than that.
        options.enable_mem_pattern = False
        # Weights that are stored as integers become floats once, when the graph is loaded, not at every call.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        source = model if isinstance(model, bytes) else str(model)
        providers = _providers()
        try:
            self._session = ort.InferenceSession(source, options, providers=providers)
        except Exception as error:
            what = "the model" if isinstance(model, bytes) else str(model)
            raise ModelError(f"{what} cannot be loaded as an ONNX model: {error}") from error
        if len(providers) > 1:
            # ONNX Runtime takes the next provider without a word, when it loads and again when it runs.
            self._session.disable_fallback()
            if self._session.get_providers()[0] != _CUDA:
                raise ModelError(
                    "CUDA cannot be started: no GPU was given to this process, or its driver is too old; "
                    "give it one, or set UNIONVEIL_PROVIDER=cpu"
                )
        inputs = self._session.get_inputs()
        self._input = inputs[0].name
        self.input_shape: tuple[int | str | None, ...] = tuple(inputs[0].shape)
        self.output_names = tuple(output.name for output in self._session.get_outputs())

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        """Width and height that the graph insists on, or None if it takes any."""
        *_, height, width = self.input_shape
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def run(self, blob: npt.NDArray[np.float32], outputs: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        """Runs the graph on a `(N, 3, H, W)` float32 blob and gives the named outputs.

        Raises:
            ModelError: the graph does not have these outputs or fails on this input.
        """
        try:
            return [np.asarray(output) for output in self._session.run(list(outputs), {self._input: blob})]
        except Exception as error:
            raise ModelError(
                f"the model failed on a picture of {blob.shape[3]}x{blob.shape[2]}: {error}"
            ) from error
