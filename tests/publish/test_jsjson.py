import json
import math
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil_ocean.jsjson import stringify

CASES = [
    (1.0, "1"),
    (-0.0, "0"),
    (1e21, "1e+21"),
    (1e20, "100000000000000000000"),
    (1.5e-7, "1.5e-7"),
    (1e-6, "0.000001"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (123456.789, "123456.789"),
    ('\u2028\x7f\ud800é\n\x01"\\', '"\u2028\x7f\\ud800é\\n\\u0001\\"\\\\"'),
    ({"b": 1, "10": 2, "9": 3, "01": 4, "a": [True, None]}, '{"9":3,"10":2,"b":1,"01":4,"a":[true,null]}'),
]


@pytest.mark.parametrize(("value", "text"), CASES)
def test_it_writes_what_javascript_writes(value, text):
    assert stringify(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**60, {1: 2}, {"a": object()}])
def test_what_json_has_not_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        stringify(value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(json_values)
def test_it_reads_back_as_it_was(value):
    # Long whole numbers are doubles in JavaScript.
    assert (
        json.loads(stringify(value), parse_int=lambda text: float(text) if len(text) > 15 else int(text))
        == value
    )


@pytest.mark.node
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
@settings(max_examples=10)
@given(st.lists(json_values | st.dictionaries(st.integers(0, 2**33).map(str), st.booleans()), max_size=20))
def test_node_writes_the_same(values):
    program = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    node = str(shutil.which("node"))
    text = json.dumps(values)
    answer = subprocess.run([node, "-e", program], input=text.encode(), capture_output=True, check=True)
    assert answer.stdout.decode() == stringify(values)
