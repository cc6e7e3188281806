"""Writes a run's averaged weights as ONNX, with the card that the program reads beside it.

`python -m training.export --work FOLDER --out FOLDER --threshold 0.5` writes `retinaface.onnx` and
`retinaface.json`. Batch, height and width are free. The graph is compared with torch before it is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from unionveil.models.session import Session

from .model import FaceNet, count_macs, folded, parameters, restored
from .photos import DataError
from .spec import LANDMARKS, MEAN_BGR, PRIORS_PX, SIZE_MULTIPLE_PX, STRIDES, VARIANCES

__all__ = ["card", "compare", "to_onnx"]

_OUTPUTS = ("loc", "conf", "landms")
_LARGEST_DIFFERENCE = 1e-3


class _Scored(nn.Module):
    """The network with its scores as probabilities."""

    def __init__(self, model: FaceNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loc, logit, landms = self.model(x)
        return loc, logit.sigmoid(), landms


def to_onnx(model: FaceNet, path: Path) -> None:
    """Writes the graph, batch norm folded, initializers named after the network's layers.

    Args:
        model: in whatever mode; not changed.
        path: the file to write.
    """
    shapes = {name: {0: "batch", 1: "priors"} for name in _OUTPUTS}
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript as well, and names what it folds by numbers.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            _Scored(folded(model)).eval(),
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            input_names=["input"],
            output_names=list(_OUTPUTS),
            dynamic_axes={"input": {0: "batch", 2: "height", 3: "width"}, **shapes},
            opset_version=17,
            dynamo=False,
        )
    graph = onnx.load(path)
    for tensor in graph.graph.initializer:
        tensor.name = tensor.name.removeprefix("model.")
    for node in graph.graph.node:
        # Of equal tensors one is kept, and nodes hand it on: their outputs have the prefix too.
        for names in (node.input, node.output):
            renamed = [name.removeprefix("model.") for name in names]
            del names[:]
            names.extend(renamed)
        node.ClearField("doc_string")
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def compare(model: FaceNet, path: Path) -> float:
    """Largest difference between torch and ONNX Runtime on noise of two sizes; scores, and boxes in sides."""
    session = Session(path, threads=1)
    rng = np.random.default_rng(0)
    largest = 0.0
    for height, width in ((64, 96), (160, 128)):
        blob = rng.normal(0, 60, (1, 3, height, width)).astype(np.float32)
        with torch.no_grad():
            expected = _Scored(folded(model)).eval()(torch.from_numpy(blob))
        for want, got in zip(expected, session.run(blob, _OUTPUTS), strict=True):
            largest = max(largest, float(np.abs(want.numpy() - got).max()))
    return largest


def card(model: FaceNet, path: Path, threshold: float) -> dict[str, Any]:
    """What the program must know of the weights, as `unionveil.models.cards` reads it."""
    return {
        "schema_version": 1,
        "name": "retinaface",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT",
        "source": "trained by this project, from random initialisation",
        "architecture": "RetinaFace (arXiv:1905.00641), MobileNetV1 of three eighths of its width and one "
        "layer more at strides 4 and 8 each, four levels from stride 4, one prior a cell",
        "parameters": parameters(folded(model)),
        "gflops_at_640x480": round(2 * count_macs(model, (640, 480)) / 1e9, 2),
        "input": {
            "name": "input",
            "layout": "NCHW",
            "dtype": "float32",
            "channels": "BGR",
            "mean": list(MEAN_BGR),
            "std": [1.0, 1.0, 1.0],
            "size_multiple_px": SIZE_MULTIPLE_PX,
            "dynamic_axes": ["batch", "height", "width"],
        },
        "outputs": {name: name for name in _OUTPUTS},
        "conf": "probability of face",
        "strides": list(STRIDES),
        "priors_px": [list(sides) for sides in PRIORS_PX],
        "variances": list(VARIANCES),
        "landmarks": list(LANDMARKS),
        "threshold": threshold,
        "nms_iou": 0.4,
    }


def write(work: Path, out: Path, threshold: float) -> dict[str, Any]:
    """Writes the graph and the card of a run's checkpoint into a folder.

    Returns:
        The card.

    Raises:
        DataError: there is no checkpoint, or ONNX Runtime does not compute what torch does.
    """
    checkpoint = work / "checkpoint.pt"
    if not checkpoint.is_file():
        raise DataError(f"there is no {checkpoint}: train first, or name another folder with WORK=FOLDER")
    model = restored(torch.load(checkpoint, weights_only=True)["average"])
    out.mkdir(parents=True, exist_ok=True)
    path = out / "retinaface.onnx"
    to_onnx(model, path)
    difference = compare(model, path)
    if difference > _LARGEST_DIFFERENCE:
        raise DataError(f"ONNX Runtime and torch differ by {difference:.2g}: do not use {path}")
    written = card(model, path, threshold)
    (out / "retinaface.json").write_text(json.dumps(written, indent=2) + "\n")
    return written


def main() -> int:
    """Exports the checkpoint of a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the run, with its checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--threshold", type=float, required=True, help="least score, for the card")
    args = parser.parse_args()
    try:
        written = write(args.work, args.out, args.threshold)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.out / written['file']}: sha256 {written['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
