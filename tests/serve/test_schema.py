"""Schemathesis sends requests described in `/openapi.json`, and checks the answers against it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPOSITORY

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("UNIONVEIL_EXAMPLES", "500"))


def test_the_description_is_true(server, tmp_path):
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("no Schemathesis here: pip install schemathesis")
    support = REPOSITORY / "tests" / "support"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(support), os.environ.get("PYTHONPATH", "")]),
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
    }
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(command, "run", f"http://{server.host}/openapi.json", "--max-examples", str(EXAMPLES)),
            # Settings of one method are refused with another, which a schema cannot express.
            *("--exclude-checks", "positive_data_acceptance", "--generation-deterministic"),
            *("--report-json-path", str(report), "--report", "json", "--no-color"),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-6000:]
    assert report.is_file() and json.loads(report.read_text())
