"""Tests of videos need PyAV."""

from __future__ import annotations

import pytest

from unionveil.video.extra import has_video

NEEDS_VIDEO = ("test_reader", "test_planes", "test_act", "test_parts", "test_proof")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in NEEDS_VIDEO and not has_video():
            item.add_marker(pytest.mark.skip(reason="needs the extra video: pip install 'unionveil[video]'"))
