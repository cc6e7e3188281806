"""How much of a person remains behind a k-same face, and how useful the pictures remain.

The attackers know every original and the positions of eyes, nose and mouth, and use networks that did not
form the groups; one is trained on anonymized photos whose people it knows. `UNIONVEIL_LFW` names the folder
of LFW (deep-funnelled, a folder per person); only permitted people on whom the generator was not fitted are
used.
"""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmark_tools import measure, report
from ksame_plot import ANONFACES, plot
from ksame_world import (
    World,
    fitted_people,
    found_share,
    mobilefacenet,
    portraits,
    rank_1,
    regions,
    small_chips,
    trained_attacker,
    unit,
    vectors,
)
from paths import shared_folder
from unionveil import AnonymizeConfig
from unionveil.config import KSame
from unionveil.detect import FaceFinder
from unionveil.identity.embedders import load_embedder
from unionveil.surrogate.generators import generator_file
from unionveil.surrogate.linear import load_linear
from unionveil.surrogate.template import lay, to_frame, yaw_of

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

KS = (2, 5, 10, 20)
PHOTOS = 2
"""Photos of each person: one to train an attacker on, and one to test it on."""

FIGURES: dict[str, dict[int, float]] = {}
"""By name and k, collected for the plot."""

TRUE_PEOPLE: dict[int, npt.NDArray[Any]] = {}
"""By k, the number of people in each group by their names."""


@pytest.fixture(scope="module")
def shared():
    folder = shared_folder()
    if folder is None:
        pytest.skip("no shared photos and models here: set UNIONVEIL_SHARED to their folder")
    os.environ["UNIONVEIL_MODEL_DIR"] = str(folder / "models")
    return folder


@pytest.fixture(scope="module")
def lfw():
    named = os.environ.get("UNIONVEIL_LFW")
    if not named:
        pytest.skip("no LFW here: set UNIONVEIL_LFW to its folder, with a folder for each person")
    return Path(named)


@pytest.fixture(scope="module")
def people(shared, lfw):
    """Names of everyone with two photos: on whom the generator was not fitted, and on whom it was."""
    permitted = (shared / "people" / "lfw_permitted.txt").read_text().split()
    fitted = fitted_people(shared)
    several = [name for name in permitted if len(list((lfw / name).glob("*.jpg"))) >= PHOTOS]
    return [name for name in several if name not in fitted], [name for name in several if name in fitted]


@pytest.fixture(scope="module")
def world(lfw, people):
    with World(portraits(lfw, people[0], PHOTOS)) as world:
        yield world


@pytest.fixture(scope="module")
def attackers(shared):
    """None of them formed the groups; `UNIONVEIL_ATTACKER` adds one, as `onnx:FILE.onnx`."""
    found = {"dlib": load_embedder("dlib", 1), "mobilefacenet": mobilefacenet(shared)}
    if added := os.environ.get("UNIONVEIL_ATTACKER"):
        found[Path(added).stem] = load_embedder(added, 1)
    return found


def known(attackers, photos):
    """The attackers' vectors of the originals; the last combines the others."""
    return joined(
        {name: vectors(embed, [photo.image for photo in photos], photos) for name, embed in attackers.items()}
    )


def joined(found):
    return found | {
        "all": np.concatenate([unit(each - each.mean(axis=0)) for each in found.values()], axis=1)
    }


@pytest.fixture(scope="module")
def originals(attackers, world):
    return known(attackers, world.photos)


def named(attackers, originals, world, images):
    """Rank 1 of each attacker, with its standard error, and their vectors."""
    asked = joined({name: vectors(embed, images, world.photos) for name, embed in attackers.items()})
    return {name: rank_1(originals[name], world.person, asked[name], world.person) for name in asked}, asked


@pytest.mark.parametrize("k", KS)
def test_attackers_guess_among_k(k, world, attackers, originals):
    redaction = KSame(k=k)
    plan = world.plan(redaction)
    images = world.redacted(redaction, plan)
    shares, asked = named(attackers, originals, world, images)
    open_region = regions(images, world.photos)
    features = [0.3 * small_chips(open_region, world.photos)]
    features += [unit(vectors(embed, open_region, world.photos)) for embed in attackers.values()]
    trained = trained_attacker(np.concatenate(features, axis=1), world.person)
    TRUE_PEOPLE[k] = world.true_people(plan)
    true = (TRUE_PEOPLE[k] >= k).mean()
    loss = float(np.linalg.norm(asked["dlib"] - originals["dlib"], axis=1).mean())
    for name, (share, _) in shares.items():
        FIGURES.setdefault(f"rank 1, {name}", {})[k] = share
    FIGURES.setdefault("rank 1, trained attacker", {})[k] = trained[0]
    FIGURES.setdefault("information loss", {})[k] = loss
    report(
        f"k = {k}, {world.person.max() + 1} people, {plan.groups} groups",
        **{name: f"{share:.3f}" for name, (share, _) in shares.items()},
        trained=f"{trained[0]:.3f}",
        **{"groups with k people": f"{true:.1%}", "information loss": f"{loss:.3f}"},
        filled=int((plan.group < 0).sum()),
    )
    for share, error in shares.values():
        assert share <= 1 / k + 2 * error
    assert trained[0] <= 1 / k + 0.02


def test_groups_have_k_people_by_name():
    """Over all k: at k = 20 there are fewer groups than would show one in 200."""
    if not TRUE_PEOPLE:
        pytest.skip("nothing was measured")
    enough = np.concatenate([people >= k for k, people in TRUE_PEOPLE.items()])
    report("groups of all k", groups=len(enough), **{"with k people": f"{enough.mean():.2%}"})
    assert enough.mean() >= 0.995


@pytest.mark.parametrize("surrogate", ["mean", "synthetic"])
@pytest.mark.parametrize("k", KS)
def test_faces_stay_faces(k, surrogate, shared, world):
    redaction = KSame(k=k, surrogate=surrogate)
    plan = world.plan(redaction)
    some = slice(0, None, 4)
    images = world.redacted(redaction, plan)[some]
    figures = {}
    for detector in ("retinaface", "yunet"):
        find = FaceFinder(AnonymizeConfig(detector=(detector,)), 1)
        figures[detector], moved = found_share(find, images, world.photos[some])
        figures["moved"] = figures.get("moved", moved)
    FIGURES.setdefault(f"found, {surrogate}", {})[k] = min(figures["retinaface"], figures["yunet"])
    report(f"utility, {surrogate}, k = {k}", **{name: f"{value:.3f}" for name, value in figures.items()})
    assert figures["retinaface"] >= 0.98
    assert figures["yunet"] >= 0.98
    assert figures["moved"] <= 0.06


@pytest.mark.parametrize("who", ["strangers", "fitted"])
def test_a_synthetic_person_matches_nobody(who, lfw, people, attackers, world, originals):
    redaction = KSame(surrogate="synthetic")
    with ExitStack() as stack:
        if who == "fitted":
            world = stack.enter_context(World(portraits(lfw, people[1], PHOTOS)))
            originals = known(attackers, world.photos)
        shares, _ = named(attackers, originals, world, world.redacted(redaction, world.plan(redaction)))
    report(f"synthetic faces of {who}", **{name: f"{share:.4f}" for name, (share, _) in shares.items()})
    assert max(share for share, _ in shares.values()) <= 0.02


def test_the_plot(tmp_path):
    """Written to the path in `UNIONVEIL_KSAME_PLOT`."""
    if not FIGURES:
        pytest.skip("nothing was measured")
    ranks = {name: values for name, values in FIGURES.items() if name.startswith("rank 1")}
    rest = {name: values for name, values in FIGURES.items() if not name.startswith("rank 1")}
    chance = {"1/k": {k: 1 / k for k in KS}}
    svg = plot({"Named rightly": {**chance, **ranks, **ANONFACES}, "Utility": rest})
    Path(os.environ.get("UNIONVEIL_KSAME_PLOT", tmp_path / "ksame.svg")).write_text(svg)
    assert svg.count("<polyline") == len(FIGURES) + 1 + len(ANONFACES)


def test_a_face_is_laid_in_milliseconds():
    generator = load_linear(generator_file(KSame()))
    rng = np.random.default_rng(1)
    code, image = rng.standard_normal((1, 160)).astype(np.float32), np.zeros((600, 600, 3), np.uint8)
    for eyes_px in (20, 40, 80):
        points = np.asarray([[[-0.5, 0], [0.5, 0], [0, 0.57], [-0.41, 1.15], [0.41, 1.15]]], np.float32)
        points = points * eyes_px + 300
        start = time.process_time()
        for _ in range(50):
            matrix = to_frame(points)[0]
            laid = lay(generator.faces(code, yaw_of(points))[0], generator.to_face, matrix, (600, 600))
            assert laid is not None
            under = image[laid.rows, laid.columns]
            image[laid.rows, laid.columns] = np.rint(under + (laid.rgb - under) * laid.alpha)
        report(f"a face with eyes {eyes_px} px apart", ms=f"{(time.process_time() - start) / 50 * 1e3:.2f}")


MILLION = """
import os, sys, time
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
import numpy as np
from unionveil.identity.people import group_people
count, photos, k = map(int, sys.argv[1:])
rng = np.random.default_rng(1)
rows = np.empty((count, 128), np.float16)
for start in range(0, count, 50_000):
    part = rng.standard_normal((min(50_000, count - start) // photos, 128)).astype(np.float32)
    part = np.repeat(part / np.linalg.norm(part, axis=1, keepdims=True), photos, axis=0)
    part += (photos > 1) * 0.6 / 128**0.5 * rng.standard_normal(part.shape).astype(np.float32)
    rows[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
rng.shuffle(rows)
start = time.process_time()
found = group_people(rows, k)
sizes = np.bincount(found.group)
print(time.process_time() - start, len(sizes), sizes.min())
"""


@pytest.mark.parametrize("photos", [1, 5])
def test_a_million_faces_are_grouped(photos):
    done = measure(sys.executable, "-c", MILLION, 1_000_000, photos, 10)
    seconds, groups, least = map(float, done.output.split())
    report(
        f"a million faces, {photos} of each person",
        seconds=f"{seconds:.0f}",
        memory=f"{done.peak_bytes / 1e9:.2f} GB",
        groups=f"{groups:.0f}",
    )
    assert least >= 10
    assert done.peak_bytes < 1.5e9
