"""Sessions of ONNX Runtime: the only module that imports it, with its telemetry switched off first."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from .inference import PROCESSOR, Inference

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

__all__ = ["OnnxSession"]

_CPU = "CPUExecutionProvider"

_AS_REQUESTED = 1
"""`kSameAsRequested` of ONNX Runtime's arenas."""

_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    # HEURISTIC: an exhaustive search would start over for every size of a tile.
    "cuda": ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}),
    "tensorrt": ("TensorrtExecutionProvider", {}),
    "coreml": ("CoreMLExecutionProvider", {}),
    "directml": ("DmlExecutionProvider", {}),
}
"""Execution providers and their options, by engine."""


def _providers(engine: str) -> list[Any]:
    """Execution providers in order of preference; shape arithmetic always runs on the processor.

    Raises:
        ModelError: this build of ONNX Runtime lacks the engine.
    """
    if engine == PROCESSOR.engine:
        return [_CPU]
    name, options = _PROVIDERS[engine]
    if name not in ort.get_available_providers():
        raise ModelError(
            f"engine {engine}: this ONNX Runtime was built without it; install the package that has it in "
            "place of onnxruntime (CUDA, TensorRT: onnxruntime-gpu; DirectML: onnxruntime-directml; CoreML: "
            "onnxruntime on macOS), or say --engine onnxruntime"
        )
    if engine in ("cuda", "tensorrt"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a list of missing providers
            ort.preload_dlls()
    return [(name, options), _CPU]


@cache
def _register_arena() -> None:
    """Makes all sessions share one arena that grows by what is needed; by default it doubles each time."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"arena_extend_strategy": _AS_REQUESTED}))


class OnnxSession:
    """As `session.Session`, on ONNX Runtime.

    Args:
        model: path of the file, or the serialized graph.
        threads: threads for one call, at least 1. (With 0, ONNX Runtime starts a thread per core and pins
            each; in a container limited to some cores, that fails with an error in every log.)
        inference: the engine, any but OpenVINO.

    Raises:
        ModelError: this ONNX Runtime cannot run the file as a graph, or the requested engine cannot be
            used.
    """

    multiple_px = 32

    def __init__(self, model: Path | bytes, threads: int, inference: Inference = PROCESSOR) -> None:
        if threads < 1:
            raise ValueError(f"a session needs at least one thread, got {threads}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait for the next operator sleep: with two threads, spinning wastes a third of the
        # time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        # Pictures come in all sizes, and a memory plan would be kept for each. The arena itself is used: it
        # is bounded by the largest view, and without it the heap fragments to more than that.
        options.enable_mem_pattern = False
        _register_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Weights stored as integers are converted to floats once, when the graph is loaded, not at every
        # call.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        source = model if isinstance(model, bytes) else str(model)
        providers = _providers(inference.engine)
        try:
            self._session = ort.InferenceSession(source, options, providers=providers)
        except Exception as error:
            what = "the model" if isinstance(model, bytes) else str(model)
            raise ModelError(f"{what} cannot be loaded as an ONNX model: {error}") from error
        if len(providers) > 1:
            # ONNX Runtime silently falls back to the next provider, at loading and again at running.
            self._session.disable_fallback()
            if self._session.get_providers()[0] == _CPU:
                raise ModelError(
                    f"engine {inference.engine} cannot be started: no such device was given to this process, "
                    "or its driver is too old; give it one, or say --engine onnxruntime"
                )
        inputs = self._session.get_inputs()
        self._input = inputs[0].name
        self.input_shape: tuple[int | str | None, ...] = tuple(inputs[0].shape)
        self.output_names = tuple(output.name for output in self._session.get_outputs())

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        """As `Session.fixed_wh`."""
        *_, height, width = self.input_shape
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    def run(self, blob: npt.NDArray[np.float32], outputs: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        """As `Session.run`."""
        try:
            return [np.asarray(output) for output in self._session.run(list(outputs), {self._input: blob})]
        except Exception as error:
            is_picture = blob.ndim == 4
            what = f"a picture of {blob.shape[3]}x{blob.shape[2]}" if is_picture else f"{blob.shape}"
            raise ModelError(f"the model failed on {what}: {error}") from error
