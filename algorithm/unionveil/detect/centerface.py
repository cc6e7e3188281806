"""CenterFace (arXiv:1911.03599): a heat map of face centres at stride 4."""

from __future__ import annotations

import importlib.util

import numpy as np

from ..detections import Detections, RgbImage
from ..errors import ModelError
from ..models.cards import DetectorCard
from ..models.session import Opener
from ..models.store import find
from .blob import to_blob

__all__ = ["CenterFace", "free_sizes"]


class CenterFace:
    """CenterFace on ONNX Runtime.

    A cell `(i, j)` with offset `o` and scale `s` gives centre = ((i, j) + o + 0.5) * stride, size =
    exp(s) * stride, landmark = left top + lms * size (sections 3.2 and 3.3 of the paper; the graph outputs
    the vertical value of each pair first).

    Args:
        card: model card with outputs heat map, scale, offset and landmarks.
        open_session: loads the graph on the chosen engine.

    Raises:
        ModelError: the weights, or the package that makes their input size free, are missing or cannot be
            loaded.
    """

    fixed_wh = None

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self._session = open_session(free_sizes(find(card).read_bytes()))

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """As `Network.candidates`."""
        card = self.card
        stride = card.strides[0]
        blob = to_blob(image, channels="rgb", multiple_px=self._session.multiple_px)
        heat, scale, offset, lms = (output[0] for output in self._session.run(blob, card.outputs))
        rows, columns = np.nonzero(heat[0] >= least)
        cell = np.stack([columns, rows], axis=1).astype(np.float32)
        size = np.exp(np.clip(scale[::-1, rows, columns].T, -20, 8)) * stride
        corner = (cell + offset[::-1, rows, columns].T + 0.5) * stride - size / 2
        points = lms[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1] * size[:, None] + corner[:, None]
        return Detections.of(np.concatenate([corner, corner + size], axis=1), heat[0, rows, columns], points)


def free_sizes(model: bytes) -> bytes:
    """Makes batch, height and width free: the published graph says 32x32 although it is fully convolutional.

    Args:
        model: the serialized graph.

    Raises:
        ModelError: the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ModelError(
            "detector 'centerface' needs the package onnx: install the extra `unionveil[centerface]`"
        )
    import onnx

    graph = onnx.load_from_string(model)
    for value in (graph.graph.input[0], *graph.graph.output):
        for axis, name in ((0, "batch"), (2, f"{value.name}_h"), (3, f"{value.name}_w")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    return bytes(graph.SerializeToString())
