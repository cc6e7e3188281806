import pytest

from checked import present
from unionveil.engines.resources import (
    default_jobs,
    jobs_within,
    memory_limit_bytes,
    picture_bytes,
    thread_limit,
    usable_cores,
)


@pytest.mark.parametrize(
    ("text", "most"),
    [("max 100000", 10_000), ("100000 100000", 1), ("150000 100000", 1), ("50000 100000", 1)],
)
def test_a_containers_share_of_the_processor_counts(tmp_path, text, most):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert 1 <= usable_cores(tmp_path) <= most


@pytest.mark.parametrize(("quota", "cores"), [("100000", 1), ("250000", 2), ("-1", 64)])
def test_so_does_that_of_an_older_kernel(tmp_path, quota, cores):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path, 64) == cores


@pytest.mark.parametrize("name", ["pids.max", "pids/pids.max"])
@pytest.mark.parametrize(("limit", "jobs"), [("512", 6), ("max", 64), ("20", 1)])
def test_many_cores_never_need_more_threads_than_a_node_allows(tmp_path, name, limit, jobs):
    assert thread_limit(tmp_path) is None
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(limit + "\n")
    threads = thread_limit(tmp_path)
    assert jobs_within(cores=64, visible=64, memory_bytes=1 << 40, threads=threads) == jobs


def test_memory_limits_workers():
    assert jobs_within(cores=64, visible=64, memory_bytes=2 << 30, threads=None) == 3
    assert jobs_within(cores=64, visible=64, memory_bytes=1 << 20, threads=None) == 1
    assert jobs_within(cores=64, visible=64, memory_bytes=None, threads=None) == 1


def test_the_memory_for_pictures_is_what_workers_leave():
    assert picture_bytes(2, 2 << 30) == pytest.approx(1.04 * (1 << 30), rel=0.02)
    assert picture_bytes(1, 2 << 30) - picture_bytes(2, 2 << 30) == 256 << 20
    assert picture_bytes(64, 2 << 30) == 192 << 20
    assert picture_bytes(1) > 0


def test_a_containers_memory_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert memory_limit_bytes(tmp_path) == 1 << 30
    (tmp_path / "memory.max").write_text("max\n")
    assert present(memory_limit_bytes(tmp_path)) > 1 << 30


def test_there_is_always_a_worker():
    assert default_jobs() >= 1
