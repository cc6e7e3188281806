"""Exports a run's averaged weights as ONNX, with the card that the detector reads.

`python -m training.export --work FOLDER --out FOLDER --threshold 0.5` writes `retinaface.onnx` and
`retinaface.json`. Batch, height and width are free. The graph's results are compared with torch's first; if
they differ, nothing is exported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from unionveil.models.onnx_session import OnnxSession

from .data.files import DataError
from .net.checkpoint import read_checkpoint
from .net.model import FaceNet, count_macs, count_parameters, folded, restored
from .spec import LANDMARKS, MEAN_BGR, PRIORS_PX, SIZE_MULTIPLE_PX, STRIDES, VARIANCES

__all__ = ["export", "make_card", "max_difference", "shift_scores", "to_onnx"]

_OUTPUTS = ("loc", "conf", "landms")
_OPSET = 17
_MAX_DIFFERENCE = 1e-3
_EVEN_LOGITS = (0.0,) * len(STRIDES)


class _Probabilities(nn.Module):
    """The network with probabilities instead of score logits."""

    def __init__(self, model: FaceNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loc, logit, landms = self.model(x)
        return loc, logit.sigmoid(), landms


def to_onnx(model: FaceNet, path: Path) -> None:
    """Writes the graph with batch norm folded and initializers named after the network's layers.

    Args:
        model: the network, in any mode; not changed.
        path: the file to write.
    """
    axes = {name: {0: "batch", 1: "priors"} for name in _OUTPUTS}
    with warnings.catch_warnings():
        # The newer exporter also needs onnxscript, and gives folded weights numbers for names.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            _Probabilities(folded(model)).eval(),
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            input_names=["input"],
            output_names=list(_OUTPUTS),
            dynamic_axes={"input": {0: "batch", 2: "height", 3: "width"}, **axes},
            opset_version=_OPSET,
            dynamo=False,
        )
    graph = onnx.load(path)
    _strip_names(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _strip_names(graph: onnx.GraphProto) -> None:
    """Removes the wrapper's prefix from all names, and the exporter's notes with their local paths."""
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix("model.")
    for node in graph.node:
        # Of equal tensors the exporter keeps one and adds Identity nodes, whose outputs have the prefix too.
        for names in (node.input, node.output):
            stripped = [name.removeprefix("model.") for name in names]
            del names[:]
            names.extend(stripped)
        node.ClearField("doc_string")


def max_difference(model: FaceNet, path: Path) -> float:
    """Largest absolute difference between the outputs of torch and ONNX Runtime, on noise of two sizes."""
    session = OnnxSession(path, threads=1)
    rng = np.random.default_rng(0)
    reference = _Probabilities(folded(model)).eval()
    largest = 0.0
    for height, width in ((64, 96), (160, 128)):
        blob = rng.normal(0, 60, (1, 3, height, width)).astype(np.float32)
        with torch.no_grad():
            expected = reference(torch.from_numpy(blob))
        for want, got in zip(expected, session.run(blob, _OUTPUTS), strict=True):
            largest = max(largest, float(np.abs(want.numpy() - got).max()))
    return largest


def make_card(model: FaceNet, path: Path, threshold: float) -> dict[str, Any]:
    """The weights' card, with everything that the detector needs to know of them."""
    return {
        "schema_version": 1,
        "name": "retinaface",
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT",
        "source": "trained by this project, from random initialisation",
        "architecture": "RetinaFace (arXiv:1905.00641), MobileNetV1 of three eighths of its width and one "
        "layer more at strides 4 and 8 each, four levels from stride 4, one prior per cell",
        "parameters": count_parameters(folded(model)),
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


def shift_scores(model: FaceNet, logits: Sequence[float]) -> None:
    """Adds to the score logits of each level, in place.

    On holdout photos, most false boxes of a given score are on the finest level. Ranked lower, they leave
    room for larger faces; how much is chosen on those photos (`LOG.md`).

    Args:
        model: the network.
        logits: one for each level, finest first.
    """
    for head, logit in zip(model.heads, logits, strict=True):
        layer = head.get_submodule("score")
        with torch.no_grad():
            layer.get_parameter("bias").add_(logit)


def averaged(checkpoints: Sequence[Path]) -> FaceNet:
    """The mean of the weights of several runs, of which each started from the one before (arXiv:2203.05482).

    Args:
        checkpoints: of the runs; one makes its own network.

    Raises:
        DataError: a checkpoint is missing, invalid or of another network.
    """
    states = [read_checkpoint(checkpoint).ema for checkpoint in checkpoints]
    try:
        return restored({name: _mean([state[name] for state in states]) for name in states[0]})
    except (RuntimeError, KeyError) as error:
        names = " or ".join(map(str, checkpoints))
        raise DataError(
            f"{names} belongs to another network: export it with the version that made it"
        ) from error


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Batch norm's count of batches is an integer, and not part of the weights."""
    return torch.stack(list(values)).mean(0) if values[0].is_floating_point() else values[0]


def export(
    checkpoints: Sequence[Path], out: Path, threshold: float, logits: Sequence[float] = _EVEN_LOGITS
) -> dict[str, Any]:
    """Writes the graph and the card of a checkpoint, or of the mean of several, into a folder.

    Args:
        checkpoints: as for `averaged`.
        out: the folder.
        threshold: default score threshold, for the card.
        logits: as for `shift_scores`.

    Returns:
        The card.

    Raises:
        DataError: a checkpoint is missing or invalid, or ONNX Runtime's results differ from torch's.
    """
    model = averaged(checkpoints)
    shift_scores(model, logits)
    out.mkdir(parents=True, exist_ok=True)
    path, partial = out / "retinaface.onnx", out / "retinaface.onnx.part"
    to_onnx(model, partial)
    difference = max_difference(model, partial)
    if difference > _MAX_DIFFERENCE:
        partial.unlink()
        raise DataError(
            f"ONNX Runtime and torch differ by {difference:.2g}, so nothing was exported: try other versions"
        )
    partial.replace(path)
    card = make_card(model, path, threshold)
    (out / "retinaface.json").write_text(json.dumps(card, indent=2) + "\n")
    return card


def main() -> int:
    """Exports a run's checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work",
        type=Path,
        nargs="+",
        required=True,
        help="folder of the run, with its checkpoint; of several, the mean of their weights is exported",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--threshold", type=float, required=True, help="default score threshold, for the card"
    )
    parser.add_argument(
        "--level-logits",
        type=float,
        nargs=len(STRIDES),
        default=_EVEN_LOGITS,
        help="added to the score logits of each level, finest first; default: nothing",
    )
    args = parser.parse_args()
    try:
        checkpoints = [work / "checkpoint.pt" for work in args.work]
        card = export(checkpoints, args.out, args.threshold, args.level_logits)
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.out / card['file']}: sha256 {card['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
