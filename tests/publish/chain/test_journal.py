"""Reading journals that may be damaged."""

from __future__ import annotations

import pytest

from unionveil_ocean.chain.journal import read_result


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"steps": []}', '{"steps": {"create": 1}}', '{"steps": {"create": []}}']
)
def test_a_damaged_journal_has_no_result(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert read_result(tmp_path / "a.json", "create") is None
