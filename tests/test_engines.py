"""Conformance of the engines, and what happens to a worker that dies."""

import pytest

import deadly
import samples
from unionveil import AnonymizeConfig, ConfigError, ModelError, Rejected
from unionveil.engines import PoolEngine, SerialEngine

PHOTOS = [(samples.SCENES / name).read_bytes() for name in ("market.jpg", "portrait.jpg", "street.jpg")]


def make(kind):
    return SerialEngine(AnonymizeConfig()) if kind == "serial" else PoolEngine(AnonymizeConfig(), 2)


@pytest.fixture(params=["serial", "pool"])
def engine(request):
    return make(request.param)


def test_outcomes_come_in_order_and_pass_through(engine):
    refused = Rejected("link", "links in folders are not followed")
    items = [(0, PHOTOS[0]), (1, refused), (2, b"garbage"), (3, PHOTOS[1]), (4, PHOTOS[2])]
    done = list(engine.run(items))
    assert [key for key, _ in done] == [0, 1, 2, 3, 4]
    outcomes = [outcome for _, outcome in done]
    assert outcomes[1] == refused
    assert outcomes[2].reason == "unreadable"
    assert [len(outcomes[i].faces[0]) > 0 for i in (0, 3, 4)] == [True, True, False]


def test_all_engines_give_the_same_bytes():
    items = list(enumerate(PHOTOS))
    serial, pool = (list(make(kind).run(items)) for kind in ("serial", "pool"))
    for (_, a), (_, b) in zip(serial, pool, strict=True):
        assert a.data == b.data


def test_nothing_in_nothing_out(engine):
    assert list(engine.run([])) == []


def test_inputs_are_read_only_as_they_are_needed():
    read = []

    def endless():
        for number in range(1000):
            read.append(number)
            yield number, Rejected("link", "no")

    run = PoolEngine(AnonymizeConfig(), 2).run(endless())
    for _ in range(3):
        next(run)
    assert len(read) < 12
    run.close()


def test_an_unexpected_failure_is_a_rejection(monkeypatch):
    monkeypatch.setattr("unionveil.pipeline.redact", lambda *_: 1 / 0)
    ((_, outcome),) = SerialEngine(AnonymizeConfig()).run([(0, PHOTOS[0])])
    assert outcome == Rejected("failed", "an unexpected ZeroDivisionError while anonymizing the picture")


def test_large_files_wait_one_at_a_time():
    """Four files of 100 MB never lie in memory together beyond the limit."""
    read = []

    def large():
        for number in range(4):
            read.append(number)
            yield number, bytes(100 << 20)

    run = PoolEngine(AnonymizeConfig(), 4).run(large())
    next(run)
    assert len(read) == 3
    run.close()


def test_missing_weights_fail_before_any_worker_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    for kind in (SerialEngine, lambda config: PoolEngine(config, 2)):
        with pytest.raises(ModelError, match="not on this machine"):
            kind(AnonymizeConfig(detector="yunet"))


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_a_picture_that_kills_its_worker_is_rejected_and_no_other(monkeypatch, jobs):
    monkeypatch.setattr("unionveil.workers._serve", deadly.serve)
    large = bytes(3 << 20)  # more than a pipe holds: its worker dies while it is read to or soon after
    items = [(n, (b"deadly" if n in (2, 3, 5) else b"photo %d" % n) + large) for n in range(9)]
    done = dict(PoolEngine(AnonymizeConfig(), jobs).run(items))
    assert list(done) == list(range(9))
    for number, content in items:
        if content.startswith(b"deadly"):
            assert done[number].reason == "crashed"
        else:
            assert done[number].data == content


def test_what_a_worker_raises_is_raised_here(tmp_path):
    config = AnonymizeConfig.from_parameters({"method": "overlay", "picture": str(tmp_path / "gone.png")})
    with pytest.raises(ConfigError, match="neither an emoji"):
        list(PoolEngine(config, 2).run(enumerate(PHOTOS)))


def test_no_worker_outlives_a_run_that_is_left():
    import multiprocessing

    run = PoolEngine(AnonymizeConfig(), 2).run((n, PHOTOS[0]) for n in range(50))
    next(run)
    assert multiprocessing.active_children()
    run.close()
    assert not multiprocessing.active_children()
