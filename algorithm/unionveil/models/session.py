"""A loaded network, independent of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .inference import Inference

__all__ = ["Opener", "Session", "open_session"]


class Session(Protocol):
    """A loaded ONNX graph with one image input.

    Attributes:
        input_shape: the graph's `(N, C, H, W)`; a free dimension is a string or None.
        output_names: names of the graph's outputs, in its order.
        multiple_px: sides of an input are padded to a multiple of this: 32 for the networks' strides, more
            if each new shape costs time.
    """

    @property
    def input_shape(self) -> tuple[int | str | None, ...]: ...  # noqa: D102

    @property
    def output_names(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def multiple_px(self) -> int: ...  # noqa: D102

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        """Width and height that the graph requires, or None if they are free."""
        ...

    def run(self, blob: npt.NDArray[np.float32], outputs: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        """Runs the graph on float32, `(N, 3, H, W)` for pictures, and returns the named outputs.

        Raises:
            ModelError: the graph lacks these outputs or fails on this input.
        """
        ...


Opener: TypeAlias = Callable[[Path | bytes], Session]
"""Loads a graph: the path of its file, or the serialized graph."""


def open_session(model: Path | bytes, threads: int, inference: Inference) -> Session:
    """Loads a graph on the chosen engine.

    Args:
        model: path of the file, or the serialized graph.
        threads: threads for one call, at least 1.
        inference: as returned by `inference.choose`.

    Raises:
        ModelError: the engine cannot run the graph, or cannot be used on this machine.
    """
    if inference.engine == "openvino":
        from .openvino_session import OpenVinoSession  # an extra, and slow to import

        return OpenVinoSession(model, threads, inference)
    from .onnx_session import OnnxSession

    return OnnxSession(model, threads, inference)
