import pytest

from unionveil.resources import default_jobs, memory_limit_bytes, usable_cores


@pytest.mark.parametrize(
    ("text", "most"),
    [("max 100000", 10_000), ("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1)],
)
def test_a_containers_share_of_the_processor_counts(tmp_path, text, most):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert 1 <= usable_cores(tmp_path) <= most


def test_a_containers_memory_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert memory_limit_bytes(tmp_path) == 1 << 30
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit_bytes(tmp_path) > 1 << 30


def test_there_is_always_a_worker():
    assert default_jobs() >= 1
