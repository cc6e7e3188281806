import pytest

from checked import present
from unionveil.engines.resources import (
    archive_bytes,
    default_jobs,
    jobs_within,
    member_bytes,
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


def test_the_memory_for_pictures_is_the_rest_beside_the_workers():
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


def test_archives_and_one_large_picture_fit_into_the_smallest_machine():
    memory = 2 << 30
    assert member_bytes(memory) == 64 << 20
    assert member_bytes(1 << 40) == 1 << 30
    assert archive_bytes(memory) < picture_bytes(2, memory) / 2


def test_the_limits_of_a_job_scheduler_count(tmp_path):
    """Slurm and systemd set limits in groups below the root, which /proc/self/cgroup lists."""
    own = tmp_path / "own"
    own.write_text("12:pids:/job/step\n9:memory:/job/step\n3:cpu,cpuacct:/job/step\n0::/unified/job\n")
    for name, limits in {
        "memory/job": {"memory.limit_in_bytes": 1 << 30},
        "memory/job/step": {"memory.limit_in_bytes": 1 << 60},
        "cpu/job/step": {"cpu.cfs_quota_us": 200_000, "cpu.cfs_period_us": 100_000},
        "pids/job": {"pids.max": 300},
    }.items():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for file, value in limits.items():
            (tmp_path / name / file).write_text(f"{value}\n")
    assert memory_limit_bytes(tmp_path, own) == 1 << 30
    assert usable_cores(tmp_path, 64, own) == 2
    assert thread_limit(tmp_path, own) == 300
    (tmp_path / "unified/job").mkdir(parents=True)
    (tmp_path / "unified/job/memory.max").write_text("500000000\n")
    (tmp_path / "unified/memory.max").write_text("max\n")
    assert memory_limit_bytes(tmp_path, own) == 500_000_000


def test_a_group_outside_of_the_container_is_passed_over(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/../../elsewhere\nnonsense\n")
    assert thread_limit(tmp_path, own) is None
