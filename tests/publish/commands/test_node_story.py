"""`tests/node_story.sh` against the node double, as anybody would run it against their own node."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

import samples
from command_world import FILE_SECRET, PASSWORD
from node_double import ProcessRunner
from ocean_assets import CHECKOUT, skip_without_escrow

SCRIPT = CHECKOUT / "tests" / "node_story.sh"
STEPS = 21


@pytest.fixture
def story(world, files):
    """Runs the script; returns exit code and lines."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(samples.SCENES / "street.jpg", "street.jpg")
    world.chain.mint_ocean(world.account.address, 100 * 10**18)
    world.node.hooks.runner = ProcessRunner()
    keystore = world.folder / "key.json"
    keystore.write_text(json.dumps(world.account.encrypt(PASSWORD, kdf="pbkdf2", iterations=1000)))
    main = (CHECKOUT / "algorithm" / "main.py").read_bytes()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(world.folder),
        "PYTHON": sys.executable,
        "KEYSTORE": str(keystore),
        "KEYSTORE_PASSWORD": PASSWORD,
        "ADDRESS_FILE": str(world.folder / "address.json"),
        "ALGORITHM_URL": files.add(f"main.py?token={FILE_SECRET}", main),
        "PHOTOS_URL": files.add(f"photos.zip?token={FILE_SECRET}", buffer.getvalue()),
        "IMAGE_CHECKSUM": "sha256:" + "ab" * 32,
        "OUT": str(world.folder / "out"),
    }

    def run(**settings):
        done = subprocess.run(
            [SCRIPT, world.node.url, world.rpc.url],
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr).splitlines()

    return run


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the script is for bash")
def test_every_step_passes_against_the_double(world, story):
    skip_without_escrow(world.chain)
    code, lines = story(PAID="1", PRICE="2")
    assert [line for line in lines if not line.startswith("PASS ")] == [
        f"0 of {STEPS} steps failed; logs, journals and results in {world.folder / 'out'}"
    ]
    assert code == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the script is for bash")
def test_it_fails_where_a_node_fails(world, story):
    world.node.settings.free_access = {"addresses": [], "accessLists": []}
    code, lines = story()
    assert code == 0
    assert any(line.startswith("PASS  refuse a node that lets anybody read originals") for line in lines)
    assert any(line.startswith("SKIP  the rest: free compute of this node is open") for line in lines)

    world.node.hooks.fault = lambda received: b"{}" if received.path.endswith("validate") else None
    world.node.hooks.change = lambda received, value: 7 if received.path.endswith("encrypt") else value
    code, lines = story(OUT=str(world.folder / "second"))
    assert code == 1
    assert any(line.startswith("FAIL  register the algorithm: exit code 2 instead of 0") for line in lines)
    assert lines[-1].startswith("1 of 3 steps failed")


@pytest.mark.skipif(os.name != "posix", reason="the script is for bash")
def test_a_missing_setting_is_named(story):
    code, lines = story(PHOTOS_URL="")
    assert code == 2
    assert lines == ["node_story: set PHOTOS_URL; tests/node_story.sh without arguments shows all settings"]
