"""Thousands of damaged files: each becomes one outcome, and nothing of an original comes out.

The stand-in for the detector says that the whole picture is a face. Whatever is written must then be black
all over, and hold none of the secrets that lie in the metadata of the originals.
"""

import numpy as np
import pytest

import samples
from unionveil import Anonymized, Rejected
from unionveil.images import Rendering, decode, rgb_views

ALL = samples.all_samples()


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flips, overwrites, cuts, repeats or inserts bytes, in the head more often than in the rest."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        head = min(len(changed), 400)
        place = int(rng.integers(0, head if rng.random() < 0.5 else len(changed)))
        length = int(rng.integers(1, 40))
        match rng.integers(0, 6):
            case 0:
                changed[place] ^= 1 << int(rng.integers(0, 8))
            case 1:
                changed[place : place + length] = rng.bytes(length)
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length]
            case 4:
                changed[place : place + 4] = (0xFFFFFFFF if rng.random() < 0.5 else 0).to_bytes(4, "big")
            case 5:
                del changed[int(rng.integers(1, len(changed))) :]
        if not changed:
            break
    return bytes(changed)


def check(name: str, data: bytes, outcome: object) -> bool:
    if isinstance(outcome, Rejected):
        assert outcome.detail
        assert "\n" not in outcome.detail
        return False
    assert isinstance(outcome, Anonymized)
    assert samples.SECRET not in outcome.data, name
    for frame in decode(outcome.data, 1e8).frames:
        shown = next(rgb_views(frame, Rendering()))
        assert shown.max() < 40, f"{name}: something of the picture is left"
    return True


def run(make_anonymizer, rounds: int, seed: int) -> tuple[int, int]:
    anonymizer = make_anonymizer([(0, 0, 1, 1)], max_megapixels="4")
    rng = np.random.default_rng(seed)
    redacted = total = 0
    for name, data in ALL.items():
        for _ in range(rounds):
            broken = mutate(data + samples.SECRET, rng)
            redacted += check(name, broken, anonymizer(broken))
            total += 1
    return redacted, total


def test_a_few_hundred_damaged_files(make_anonymizer):
    redacted, total = run(make_anonymizer, 8, seed=1)
    assert total > 300
    assert 0.1 * total < redacted < 0.9 * total  # the damage is neither nothing nor everything


@pytest.mark.slow
def test_several_thousand_damaged_files(make_anonymizer):
    redacted, total = run(make_anonymizer, 120, seed=2)
    assert total > 5000
    assert redacted > 500


def test_a_frame_beyond_the_screen_counts_for_the_size(make_anonymizer):
    """Pillow enlarges a GIF's screen for such a frame: a few bytes would take gigabytes."""
    data = bytearray(ALL["gif-transparent"])
    place = data.index(b"\x2c", 20)
    data[place + 1 : place + 5] = b"\xf0\xff\xf0\xff"
    outcome = make_anonymizer([(0, 0, 1, 1)])(bytes(data))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "too-large"


def test_random_bytes_behind_every_signature(make_anonymizer):
    anonymizer = make_anonymizer([(0, 0, 1, 1)])
    rng = np.random.default_rng(3)
    for name, data in ALL.items():
        for keep in (4, 12, 40):
            broken = data[:keep] + rng.bytes(300)
            check(name, broken, anonymizer(broken))
