"""`python -m training.plates.train`: trains the detector of number plates from random weights.

Photos come from the folder of labelled photos, fonts from files of a free licence, such as those of Debian's
packages fonts-liberation, fonts-freefont-ttf, fonts-roboto-unhinted and fonts-b612.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from PIL import ImageFont
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from ..data.files import DataError, read_jsonl
from ..data.photos import read_photo
from ..net.muon import Muon
from .cars import Pixels
from .layouts import Drawer, draw_words
from .net import Block, PlateNet, Whole, loss
from .scenes import SIDE_PX, Scene, Scenes

__all__ = ["Batches", "State", "backgrounds", "export", "load", "save", "train"]

_BATCH = 8
_PLATES, _WORDS = 2500, 1000
_SOURCES = ("nus_crowd", "osie", "imagenet1k_sample", "bsds500", "fossasia")
"""Sets of photos of streets and things. The others show little but faces."""

_WITH_PLATES = (
    "imagenet1k_sample/n03417042_garbage_truck.jpg",
    "imagenet1k_sample/n04065272_recreational_vehicle.jpg",
    "imagenet1k_sample/n04487081_trolleybus.jpg",
)
"""Photos of these sources that show a plate, chosen by hand among the 1,146 boxes of the detector of text."""

_RATE = 3e-3
_FONT_PX = 64


def backgrounds(people: Path) -> list[Pixels]:
    """Photos without plates, `(H, W, 3)` uint8, blue first.

    Raises:
        DataError: a file is missing or damaged.
    """
    photos = []
    for record in read_jsonl(people / "labels.jsonl"):
        is_known = any(record["name"].endswith(name) for name in _WITH_PLATES)
        if (record["negative"] or record["source"] in _SOURCES) and not is_known:
            with zipfile.ZipFile(people / record["shard"]) as shard:
                photo = read_photo(shard.read(record["name"]), record["name"])
            if min(photo.shape[:2]) >= 64:
                photos.append(photo)
    return photos


class Batches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches: images `(N, 3, H, W)`, cores and weights `(N, 1, S, S)`, all uint8.

    Args:
        photos: backgrounds.
        plates: drawn plates.
        words: drawn words.
        seed: decides everything.
    """

    def __init__(self, photos: list[Pixels], plates: list[Pixels], words: list[Pixels], seed: int) -> None:
        self._parts, self._seed = (photos, plates, words), seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        cv2.setNumThreads(1)
        make = Scenes(*self._parts, np.random.default_rng(self._seed))
        while True:
            scenes = [make() for _ in range(_BATCH)]
            yield images_of(scenes), maps_of(scenes, "core"), maps_of(scenes, "weight")


def images_of(scenes: Sequence[Scene]) -> Tensor:
    """`(N, 3, H, W)` uint8."""
    stacked = np.stack([scene.image for scene in scenes]).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked))


def maps_of(scenes: Sequence[Scene], name: Literal["core", "weight"]) -> Tensor:
    """`(N, 1, S, S)` uint8."""
    return torch.from_numpy(np.stack([getattr(scene, name) for scene in scenes])[:, None])


class State:
    """What a checkpoint holds."""

    def __init__(self) -> None:
        self.net = PlateNet().to(memory_format=torch.channels_last)
        ema = get_ema_multi_avg_fn(0.998)  # type: ignore[no-untyped-call]
        self.mean = AveragedModel(self.net, multi_avg_fn=ema, use_buffers=True)
        # Muon for convolutions that mix channels, but the first and the last layer, as its author advises.
        mixing = [block.weight for block in self.net.modules() if isinstance(block, Block)][1:]
        others = [p for p in self.net.parameters() if not any(p is weight for weight in mixing)]
        self.muon = Muon(mixing, lr=_RATE, weight_decay=1e-2)
        self.adam = torch.optim.AdamW(others, lr=_RATE, weight_decay=0)


_PARTS = ("net", "mean", "muon", "adam")


def save(state: State, path: Path) -> None:
    """Writes a checkpoint, and the moving average as ONNX beside it."""
    torch.save({name: getattr(state, name).state_dict() for name in _PARTS}, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
    export(state.mean.module, path.with_suffix(".onnx"))


def load(path: Path) -> State:
    """Reads a checkpoint."""
    state = State()
    for name, part in torch.load(path, weights_only=True).items():
        getattr(state, name).load_state_dict(part)
    return state


def train(
    state: State,
    batches: Iterator[tuple[Tensor, Tensor, Tensor]],
    minutes: float,
    keep: Callable[[str], None],
    *,
    bfloat16: bool = False,
    rate: float = _RATE,
) -> None:
    """Trains for some minutes; the learning rate follows the clock.

    Args:
        state: is trained.
        batches: as `Batches` gives.
        minutes: length.
        keep: is called every three minutes with a line for the log.
        bfloat16: whether convolutions run in bfloat16.
        rate: highest learning rate.
    """
    begun, step, running, kept = time.monotonic(), 0, 3.0, 0.0
    while (done := (time.monotonic() - begun) / (60 * minutes)) < 1:
        now = rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-5
        for group in (*state.muon.param_groups, *state.adam.param_groups):
            group["lr"] = now
        images, core, weight = next(batches)
        blob = images.to(memory_format=torch.channels_last).float().sub_(127.5).div_(127.5)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = state.net(blob)
        value = loss(logits.float(), core.float(), weight.float())
        state.net.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.net.parameters(), 5.0)
        state.muon.step()
        state.adam.step()
        state.mean.update_parameters(state.net)
        running += 0.02 * (value.item() - running)
        step += 1
        if step % 20 == 0 and time.monotonic() - kept > 180:
            kept = time.monotonic()
            keep(f"{step} steps, {(kept - begun) / 60:.1f} minutes, loss {running:.3f}")
    keep(f"{step} steps, loss {running:.3f}")


def export(net: torch.nn.Module, path: Path) -> None:
    """Writes the network as ONNX, free in height and width."""
    whole = Whole(net).eval()
    free = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        # The newer exporter also needs onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            whole,
            (torch.zeros(1, 3, SIDE_PX, SIDE_PX),),
            str(path),
            input_names=["x"],
            output_names=["probability"],
            dynamic_axes={"x": free, "probability": free},
            opset_version=17,
            dynamo=False,
        )
    whole.train()


def main() -> int:
    """Trains, and writes `plates.pt` and `plates.onnx`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of labelled photos")
    parser.add_argument("--fonts", type=Path, nargs="+", required=True, help="files of fonts")
    parser.add_argument(
        "--wide-fonts", type=Path, nargs="*", default=[], help="those with Chinese characters"
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=_RATE, help="highest learning rate")
    parser.add_argument(
        "--bfloat16", action="store_true", help="faster on processors with AVX512_BF16 or AMX"
    )
    parser.add_argument("--init", type=Path, help="checkpoint to start from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    try:
        photos = backgrounds(args.people)
        fonts, wide = (
            [ImageFont.truetype(path, _FONT_PX) for path in paths] for paths in (args.fonts, args.wide_fonts)
        )
        drawer = Drawer(fonts, wide, rng)
        plates, words = [drawer() for _ in range(_PLATES)], [draw_words(drawer, rng) for _ in range(_WORDS)]
        args.out.mkdir(parents=True, exist_ok=True)
        state = load(args.init) if args.init else State()
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    batches = DataLoader(
        Batches(photos, plates, words, args.seed), batch_size=None, num_workers=1, prefetch_factor=8
    )

    def keep(line: str) -> None:
        print(line, flush=True)
        save(state, args.out / "plates.pt")

    train(state, iter(batches), args.minutes, keep, bfloat16=args.bfloat16, rate=args.rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
