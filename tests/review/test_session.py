"""A session: photos are listed, surveyed, reviewed and written, despite failures on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from unionveil import AnonymizeConfig
from unionveil.annotations import Format, Reading, write
from unionveil.annotations.plan import box_plan, read_boxes
from unionveil.content import BytesContent, FileContent
from unionveil.engines.serial import SerialEngine
from unionveil.errors import ModelError, ReviewError, UnionVeilError
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource, Patterns, SourceItem
from unionveil.given import GivenBoxes
from unionveil.outcomes import Rejected
from unionveil.review.exchange import exported, imported
from unionveil.review.log import Log
from unionveil.review.model import Box, Edit, Put, Sighting
from unionveil.review.outputs import Outputs
from unionveil.review.session import Imported, Session
from unionveil.review.survey import PhotoTask, Surveyed
from unionveil.review.view import ViewTask
from unionveil.runs.batch import run_batch
from unionveil.runs.work import Anonymize
from unionveil.serve.access import Access
from unionveil.serve.hosts import Site
from unionveil.serve.reviews import Review, review_app
from web_server import Running, running

CONFIG = AnonymizeConfig(names="keep", margin=0)
SIZE = (80, 60)
ALL = Patterns()
MORE = (Box(id="d9", xyxy=(50, 40, 70, 58), score=0.6),)
"""What other settings find as well."""


@dataclass
class Detector:
    """A detector that can be held back; finds a candidate in u.png, no face in n.png, and `more` in all."""

    log: Log
    seen: list[str] = field(default_factory=list)
    held: list[tuple[PhotoTask, Future[Surveyed | Rejected]]] = field(default_factory=list)
    holds: bool = False
    run: str = "r"
    more: tuple[Box, ...] = ()
    fault: Callable[[str], Rejected | UnionVeilError | None] = lambda _: None

    def __call__(self, task: PhotoTask) -> Future[Surveyed | Rejected]:
        future: Future[Surveyed | Rejected] = Future()
        if self.holds:
            self.held.append((task, future))
        else:
            self.answer(task, future)
        return future

    def answer(self, task: PhotoTask, future: Future[Surveyed | Rejected]) -> None:
        assert isinstance(task.content, FileContent)
        name = task.content.path.name
        self.seen.append(name)
        fault = self.fault(name)
        if isinstance(fault, Exception):
            future.set_exception(fault)
        elif fault:
            future.set_result(fault)
        else:
            boxes = (
                ()
                if name[0] == "n"
                else (Box(id="d1", xyxy=(10, 10, 30.3, 30), score=0.9, covered=name[0] != "u"),)
            )
            key = self.log.photo_key(task.content.read())
            sighting = Sighting(run=self.run, sizes_wh=(SIZE,), boxes=(*boxes, *self.more))
            future.set_result(Surveyed(key, sighting, b"thumbnail"))

    def release(self) -> None:
        self.holds = False
        while self.held:
            self.answer(*self.held.pop(0))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for place, name in enumerate(("a", "n", "u")):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((SIZE[1], SIZE[0], 3), 90 + place, np.uint8))
    return folder


def drawn(task: ViewTask) -> Future[bytes | Rejected]:
    future: Future[bytes | Rejected] = Future()
    future.set_result(repr((task.frame, task.longest_px, task.covers)).encode())
    return future


@contextmanager
def session(
    photos: Path,
    *,
    settle: bool = True,
    imports: dict[str, Imported] | None = None,
    patterns: Patterns = ALL,
    **options,
) -> Iterator[tuple[Session, Detector]]:
    with Log(photos, photos.parent / "state") as log:
        detector = Detector(log, **options)
        made = Session(log, detector.run, detector, drawn, imported=imports)
        made.start(PathSource([photos], patterns=patterns))
        try:
            if settle:
                wait(lambda: made.counts().listed and not made.counts().waiting)
            yield made, detector
        finally:
            made.close()


def wait(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(2000):
        if condition():
            return
        tick.wait(0.005)
    pytest.fail("it did not come to pass")


def number(made: Session, name: str) -> int:
    return next(photo.number for photo in made.since(-1)[1] if photo.name == name)


def edit(made: Session, name: str, change: Edit) -> None:
    made.edit(number(made, name), made.revision, f"e{made.revision}", change)


def test_photos_are_ordered_by_how_much_they_need_a_person(photos):
    with session(photos) as (made, _):
        line = sorted(made.since(-1)[1], key=made.place)
        assert [photo.name for photo in line] == ["u.png", "a.png", "n.png"]
        counts = made.counts()
        assert (counts.photos, counts.unreviewed, counts.waiting, counts.rejected) == (3, 3, 0, 0)


def test_the_photo_on_the_page_is_surveyed_first(photos):
    with session(photos, settle=False, holds=True) as (made, detector):
        wait(lambda: made.counts().listed and len(detector.held) == 2)
        assert made.counts().waiting == 3
        with pytest.raises(ReviewError, match="not looked"):
            edit(made, "u.png", Edit(verdict="approved"))
        made.want(3)
        detector.release()
        wait(lambda: not made.counts().waiting)
        assert sorted(detector.seen) == ["a.png", "n.png", "u.png"]


def test_surveyed_photos_are_not_surveyed_again(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    with session(photos) as (made, detector):
        assert detector.seen == []
        assert made.counts().approved == 1
    cv2.imwrite(str(photos / "a.png"), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    with session(photos) as (made, detector):
        assert detector.seen == ["a.png"]
        assert made.counts().approved == 0


def test_a_renamed_photo_keeps_its_review(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    (photos / "a.png").rename(photos / "b.png")
    with session(photos) as (made, _):
        assert made.counts().approved == 1


def test_copies_of_a_photo_share_their_review(photos):
    (photos / "z.png").write_bytes((photos / "a.png").read_bytes())
    with session(photos) as (made, _):
        before = made.event
        edit(made, "z.png", Edit(drop=("d1",)))
        assert [photo.name for photo in made.since(before)[1]] == ["a.png", "z.png"]


def test_a_photo_that_stops_the_worker_is_rejected_and_a_model_that_fails_stops_the_search(photos):
    crash = Rejected("crashed", "reading the picture stopped the program")
    with session(photos, fault=lambda name: crash if name == "a.png" else None) as (made, _):
        photo = made.photo(number(made, "a.png"))
        seen = made.seen(photo)
        assert seen
        assert seen.rejected == ("crashed", crash.detail)
        assert made.place(photo)[0] == 0
    with session(photos) as (made, detector):
        assert detector.seen == ["a.png"]
        assert made.counts().rejected == 0
    (photos.parent / "state").rename(photos.parent / "old")
    with session(photos, settle=False, fault=lambda _: ModelError("no memory for the model")) as (made, _):
        wait(lambda: made.failure is not None)
        assert made.failure == "no memory for the model"
        assert made.counts().waiting == 3


def test_members_of_archives_are_not_reviewed_and_say_so(photos):
    with Log(photos, photos.parent / "state") as log:
        made = Session(log, "r", Detector(log), drawn)
        made.start([SourceItem("x.zip/a.png", BytesContent(b"..."))])
        wait(lambda: made.counts().listed)
        seen = made.seen(made.photo(1))
        assert seen
        assert seen.rejected
        assert "unpack" in seen.rejected[1]
        made.close()


def test_boxes_from_a_file_are_added_and_an_approval_of_fewer_is_taken_back(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    boxes = Imported((Put(id="f1", xyxy=(50, 40, 60, 50), origin="file"),), knows_frames=False)
    for _ in range(2):
        with session(photos, imports={"a.png": boxes, "n.png": boxes}) as (made, _):
            states = [made.state(made.photo(number(made, name))) for name in ("a.png", "n.png")]
            assert [[box.id for box in state.boxes] for state in states if state] == [["d1", "f1"], ["f1"]]
            assert made.counts().approved == 0
    assert [(put.id, put.frame) for put in boxes.on(2)] == [("f1-0", 0), ("f1-1", 1)]


def file_box(name: str, x: float) -> Imported:
    return Imported((Put(id=name, xyxy=(x, 40, x + 10, 50), origin="file"),), knows_frames=False)


def box_ids(made: Session, name: str) -> list[str]:
    state = made.state(made.photo(number(made, name)))
    assert state
    return [box.id for box in state.boxes]


def test_a_second_file_adds_its_boxes_too_and_no_page_has_to_be_reloaded(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
        revision = made.revision
    with session(photos, imports={"a.png": file_box("f1", 50)}) as (made, _):
        assert box_ids(made, "a.png") == ["d1", "f1"]
    with session(photos, imports={"a.png": file_box("f2", 60)}) as (made, _):
        assert box_ids(made, "a.png") == ["d1", "f1", "f2"]
        assert made.revision == revision
        edit(made, "a.png", Edit(drop=("f2",), verdict="approved"))
    with session(photos, imports={"a.png": file_box("f2", 60)}) as (made, _):
        assert box_ids(made, "a.png") == ["d1", "f1"]
        assert made.counts().approved == 1


def test_a_file_gives_boxes_for_each_copy_of_an_edited_photo(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    (photos / "z.png").write_bytes((photos / "a.png").read_bytes())
    with session(photos, imports={"a.png": file_box("f1", 50), "z.png": file_box("f2", 60)}) as (made, _):
        assert sorted(box_ids(made, "z.png")) == ["d1", "f1", "f2"]


def test_edited_photos_are_searched_again_with_other_settings(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
        edit(made, "n.png", Edit(verdict="approved"))
        made.step(made.revision, "u1")
    with session(photos, settle=False, holds=True, run="other", more=MORE) as (made, detector):
        wait(lambda: made.counts().listed and len(detector.held) == 2)
        assert made.counts().waiting == 3
        assert not [
            given for given in made.plan(keep_unreviewed=True).values() if isinstance(given, GivenBoxes)
        ]
        detector.release()
        wait(lambda: not made.counts().waiting)
        assert made.counts().approved == 0
        assert box_ids(made, "n.png") == ["d9"]
        assert len(box_ids(made, "a.png")) == 2
        edit(made, "a.png", Edit(verdict="approved"))
    with session(photos, run="other", more=MORE) as (made, detector):
        assert detector.seen == []
        assert made.counts().approved == 1


def test_other_settings_that_find_nothing_new_keep_an_approval(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    with session(photos, run="other") as (made, detector):
        assert sorted(detector.seen) == ["a.png", "n.png", "u.png"]
        assert made.counts().approved == 1


def test_an_export_leaves_out_approvals_with_other_settings_and_counts_them(photos):
    with session(photos) as (made, detector):
        edit(made, "a.png", Edit(verdict="approved"))
        assert list(exported(PathSource([photos]), detector.log, keep_unreviewed=False).boxes) == ["a.png"]
    with Log(photos, photos.parent / "state") as log:
        log.board.run = "other"
        found = exported(PathSource([photos]), log, keep_unreviewed=True)
        assert (found.boxes, found.contents, found.stale) == ({}, {}, 1)


def test_a_change_of_a_photo_outside_the_review_is_not_undone(photos):
    with session(photos) as (made, _):
        edit(made, "a.png", Edit(verdict="approved"))
    with session(photos, patterns=Patterns(exclude=("a.png",))) as (made, _):
        with pytest.raises(ReviewError, match="not in this review"):
            made.step(made.revision, "u1")
        edit(made, "n.png", Edit(verdict="approved"))
        undone = made.step(made.revision, "u2")
        assert undone
        assert undone.name == "n.png"
    with session(photos) as (made, _):
        assert made.counts().approved == 1


def outputs(photos: Path, log_secret: bytes) -> Outputs:
    return Outputs(PathSource([photos]), photos, photos.parent / "out", CONFIG, SerialEngine(), log_secret)


def test_only_approved_photos_are_written_and_they_equal_a_run_with_their_boxes(photos):
    with session(photos) as (made, detector):
        edit(made, "a.png", Edit(put=(Put(id="p1", xyxy=(40.25, 30, 60, 55.5)),), verdict="approved"))
        edit(made, "u.png", Edit(verdict="flagged"))
        edit(made, "n.png", Edit(verdict="approved"))
        out = outputs(photos, detector.log.secret)
        counts = out.run(made.plan(keep_unreviewed=False))
        found = exported(PathSource([photos]), detector.log, keep_unreviewed=False)
    assert counts.rejected == {"flagged": 1}
    assert sorted(path.name for path in out.folder.iterdir()) == ["a.png", "manifest.json", "n.png"]
    write(photos.parent / "boxes.json", found.boxes, Format.COCO, found.contents)
    read, form = read_boxes(photos.parent / "boxes.json", PathSource([photos]), Reading())
    again = FolderSink(photos.parent / "again")
    work = Anonymize(CONFIG, again, boxes="instead")
    run_batch(PathSource([photos]), work, SerialEngine(), boxes=box_plan(read, form, "instead"))
    for name in ("a.png", "n.png"):
        assert (again.folder / name).read_bytes() == (out.folder / name).read_bytes()


def test_unreviewed_photos_are_kept_on_request_and_flagged_ones_never(photos):
    with session(photos) as (made, detector):
        edit(made, "a.png", Edit(verdict="flagged"))
        out = outputs(photos, detector.log.secret)
        assert out.run(made.plan(keep_unreviewed=False)).rejected == {"flagged": 1, "unreviewed": 2}
        assert out.run(made.plan(keep_unreviewed=True)).rejected == {"flagged": 1}


def test_a_photo_that_changed_after_its_approval_is_withheld(photos):
    with session(photos) as (made, detector):
        edit(made, "a.png", Edit(verdict="approved"))
        cv2.imwrite(str(photos / "a.png"), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
        counts = outputs(photos, detector.log.secret).run(made.plan(keep_unreviewed=False))
        assert counts.rejected == {"changed": 1, "unreviewed": 2}


def test_an_exported_review_can_be_imported_elsewhere(photos):
    with session(photos) as (made, detector):
        edit(made, "a.png", Edit(put=(Put(id="p1", xyxy=(40.25, 30, 60, 55.5)),), verdict="approved"))
        annotations = exported(PathSource([photos]), detector.log, keep_unreviewed=False).boxes
    assert list(annotations) == ["a.png"]
    (photos.parent / "state").rename(photos.parent / "old")
    with session(photos, imports=imported(annotations, Format.COCO)) as (made, _):
        state = made.state(made.photo(number(made, "a.png")))
        assert state
        assert [(box.origin, box.xyxy) for box in state.boxes][1:] == [
            ("file", (10, 10, 30.3, 30)),
            ("file", (40.25, 30, 60, 55.5)),
        ]


@contextmanager
def api(photos: Path) -> Iterator[tuple[Running, Session, Outputs]]:
    with session(photos) as (made, detector):
        out = outputs(photos, detector.log.secret)
        review = Review(made, out, CONFIG, "photos")
        with running(review_app(review, site=Site(), access=Access.open())) as server:
            yield server, made, out


def get(server: Running, path: str) -> dict[str, Any]:
    answer = server.ask("GET", path)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def post(server: Running, path: str, body: object, status: int = 200) -> dict[str, Any]:
    answer = server.ask("POST", path, json.dumps(body).encode())
    assert answer.status == status, answer.body
    return json.loads(answer.body)


def test_the_api_returns_everything_on_the_page(photos):
    with api(photos) as (server, made, _):
        about = get(server, "/api/review")
        assert (about["name"], about["method"], about["color"]) == ("photos", "fill", "#000000")
        assert about["margins"] == [0, 0, 0, 0]
        news = get(server, "/api/changes?since=0")
        assert {row["name"]: row["candidates"] for row in news["photos"]} == {
            "a.png": 0,
            "n.png": 0,
            "u.png": 1,
        }
        assert get(server, f"/api/changes?since={news['event']}&wait=0")["photos"] == []
        photo = get(server, f"/api/photos/{number(made, 'a.png')}")
        assert photo["sizes"] == [list(SIZE)]
        assert photo["boxes"][0]["score"] == 0.9


def test_the_api_takes_edits_once_and_refuses_a_tab_that_is_behind(photos):
    with api(photos) as (server, made, _):
        path = f"/api/photos/{number(made, 'a.png')}/edits"
        first = {"revision": 0, "id": "e1", "edit": {"drop": ["d1"]}}
        assert post(server, path, first)["boxes"] == []
        assert post(server, path, first)["revision"] == 1  # its answer was lost
        assert "another tab" in post(server, path, {**first, "id": "e2"}, 409)["detail"]
        assert post(server, "/api/undo", {"revision": 1, "id": "u1"})["boxes"][0]["id"] == "d1"
        assert post(server, "/api/redo", {"revision": 2, "id": "r1"})["boxes"] == []
        assert post(server, "/api/redo", {"revision": 3, "id": "r2"})["number"] is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"revision": 0, "id": "e", "edit": {"drop": ["x"]}}, "no box 'x'"),
        ({"revision": 0, "id": "e", "edit": {"put": [{"id": "p", "xyxy": [9, 9, 5, 20]}]}}, "a box must end"),
        ({"revision": 0, "id": "e", "edit": {"verdict": "perfect"}}, "verdict"),
        ({"revision": 0, "id": "e", "edit": {"colour": "red"}}, "colour"),
        ({"revision": -1, "id": "e", "edit": {}}, "revision"),
        ([], "the body"),
    ],
)
def test_the_api_refuses_invalid_edits(photos, body, why):
    with api(photos) as (server, made, _):
        answer = post(server, f"/api/photos/{number(made, 'a.png')}/edits", body, 422)
        assert why in answer["detail"]
        assert made.revision == 0


def test_the_api_draws_photos_with_and_without_covers(photos):
    with api(photos) as (server, made, _):
        photo = f"/api/photos/{number(made, 'u.png')}"
        assert server.ask("GET", f"{photo}/thumbnail.jpg").body == b"thumbnail"
        assert server.ask("GET", f"{photo}/screen.jpg").body == b"(0, 2048, None)"
        assert server.ask("GET", f"{photo}/full.jpg?covered=0").body == b"(0, 8192, ())"
        for missing in (f"{photo}/huge.jpg", "/api/photos/9", "/api/photos/0/screen.jpg"):
            assert server.ask("GET", missing).status == 404
        assert server.ask("GET", f"{photo}/screen.jpg?frame=x").status == 422


def test_the_api_writes_approved_photos(photos):
    with api(photos) as (server, made, out):
        edit(made, "a.png", Edit(verdict="approved"))
        assert post(server, "/api/outputs", None, 202)["status"] == "writing"
        wait(lambda: out.writing.status != "writing")
        news = get(server, "/api/changes?since=0")["writing"]
        assert (news["status"], news["revision"]) == ("written", 1)
        assert news["counts"]["rejected"] == {"unreviewed": 2}
        (out.folder / "foreign.txt").write_text("mine")
        post(server, "/api/outputs", None, 202)
        wait(lambda: out.writing.status != "writing")
        assert "foreign.txt" in out.writing.problem
        assert (out.folder / "foreign.txt").read_text() == "mine"


def test_a_request_that_waits_for_news_is_answered_when_the_server_stops(photos):
    arrived = threading.Event()
    with session(photos) as (made, detector), ThreadPoolExecutor(1) as pool:
        review = Review(made, outputs(photos, detector.log.secret), CONFIG, "photos")
        inner = review_app(review, site=Site(), access=Access.open())

        async def app(scope, receive, send) -> None:
            if scope["type"] == "http":
                arrived.set()
            await inner(scope, receive, send)

        with running(app, on_stop=made.close) as server:
            news = pool.submit(server.ask, "GET", f"/api/changes?since={made.event}&wait=20")
            assert arrived.wait(20)
        assert news.result().status == 200
