"""OpenVINO compared with ONNX Runtime: the same graph, equal numbers in float32, close ones in bfloat16."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from unionveil.errors import ModelError
from unionveil.models.cards import CARDS
from unionveil.models.inference import Inference, Machine
from unionveil.models.onnx_session import OnnxSession
from unionveil.models.session import open_session
from unionveil.models.store import find

pytest.importorskip(
    "openvino", reason="OpenVINO is not installed: pip install '.[openvino]'", exc_type=ImportError
)

FLOAT32 = Inference("openvino", "", "float32", "asked for")
BFLOAT16 = Inference("openvino", "", "bfloat16", "asked for")
CARD = CARDS["retinaface"]


@pytest.fixture(scope="module")
def blob() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 60, (1, 3, 128, 192)).astype(np.float32)


def test_float32_equals_onnx_runtime(blob):
    session, other = open_session(find(CARD), 1, FLOAT32), OnnxSession(find(CARD), 1)
    assert session.output_names == other.output_names
    assert session.fixed_wh is None
    for ours, theirs in zip(session.run(blob, CARD.outputs), other.run(blob, CARD.outputs), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.skipif(not Machine.this().has_bfloat16, reason="this processor does not have bfloat16")
def test_bfloat16_is_close(blob):
    session, other = open_session(find(CARD), 1, BFLOAT16), OnnxSession(find(CARD), 1)
    _, ours, _ = session.run(blob, CARD.outputs)
    _, theirs, _ = other.run(blob, CARD.outputs)
    assert 0 < np.abs(ours - theirs).max() < 0.02


def test_results_stay_when_the_session_runs_again(blob):
    session = open_session(find(CARD), 1, FLOAT32)
    first = session.run(blob, CARD.outputs)
    copies = [output.copy() for output in first]
    session.run(-blob, CARD.outputs)
    for output, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(output, copy)


def test_files_that_are_not_graphs_are_refused():
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_session(b"not a graph", 1, FLOAT32)


def test_loads_no_converter_which_a_program_can_still_import():
    code = (
        "import sys, unionveil.models.openvino_session;"
        "assert 'openvino.tools.ovc' not in sys.modules;"
        "import openvino.tools.ovc; openvino.tools.ovc.convert_model"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loads_no_telemetry():
    code = (
        "import sys, unionveil.models.openvino_session;"
        "assert not [name for name, module in sys.modules.items() if module and 'telemetry' in name"
        " and not name.startswith('openvino.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
