import pytest

import unionveil.resources
from unionveil.resources import default_jobs, memory_limit_bytes, thread_limit, usable_cores


@pytest.mark.parametrize(
    ("text", "most"),
    [("max 100000", 10_000), ("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1)],
)
def test_a_containers_share_of_the_processor_counts(tmp_path, text, most):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert 1 <= usable_cores(tmp_path) <= most


@pytest.mark.parametrize(("quota", "cores"), [("100000", 1), ("250000", 2), ("-1", 64)])
def test_so_does_that_of_an_older_kernel(tmp_path, monkeypatch, quota, cores):
    monkeypatch.setattr(unionveil.resources, "_visible_cores", lambda: 64)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize("name", ["pids.max", "pids/pids.max"])
def test_many_cores_never_need_more_threads_than_a_node_allows(tmp_path, monkeypatch, name):
    monkeypatch.setattr(unionveil.resources, "_visible_cores", lambda: 64)
    monkeypatch.setattr(unionveil.resources, "memory_limit_bytes", lambda _: 1 << 40)
    assert thread_limit(tmp_path) is None
    assert default_jobs(tmp_path) == 64
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("512\n")
    assert thread_limit(tmp_path) == 512
    assert default_jobs(tmp_path) == 6
    (tmp_path / name).write_text("max\n")
    assert default_jobs(tmp_path) == 64
    (tmp_path / name).write_text("20\n")
    assert default_jobs(tmp_path) == 1


def test_a_containers_memory_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert memory_limit_bytes(tmp_path) == 1 << 30
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit_bytes(tmp_path) > 1 << 30


def test_there_is_always_a_worker():
    assert default_jobs() >= 1
