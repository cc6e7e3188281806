"""Processor time against an earlier release, as ratios in one run; `UNIONVEIL_RELEASE` names its checkout.

The release is commit 078a7ff, in a worktree. It does not mirror pictures, so that is switched off here.
"""

import os
from pathlib import Path

import pytest

from benchmark_tools import cpu_seconds, report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

MOST = {"standard": 0.6, "fast": 0.8, "crowd": 0.47}
"""Ratios that hold without bfloat16."""


@pytest.mark.parametrize("detail", MOST)
def test_processor_time_beside_the_release(mix, tmp_path, detail):
    release = os.environ.get("UNIONVEIL_RELEASE")
    if release is None:
        pytest.skip("no release to compare with: name a checkout of 078a7ff with UNIONVEIL_RELEASE")
    root = Path(__file__).parents[2]
    here = cpu_seconds(root, mix, tmp_path / "here", "--detail", detail, "--mirror", "no")
    there = cpu_seconds(Path(release), mix, tmp_path / "there", "--detail", detail)
    ratio = here / there
    report(
        f"CPU seconds for forty phone-like photos at `{detail}`",
        here=f"{here:.1f}",
        release=f"{there:.1f}",
        ratio=f"{ratio:.2f}",
    )
    assert ratio <= MOST[detail]
