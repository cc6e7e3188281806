"""The review page in a browser: without a mouse, by touch, in two tabs, without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from browser import DESKTOP, PHONE, axe_source, chromium, drawn, new_page, screenshot, violations
from checked import kept
from review_browser import photo_of, review_process
from unionveil import load
from unionveil.content import FileContent
from unionveil.runs.schema import MANIFEST, Manifest, RedactedRecord, RejectedRecord

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Scenes, and one truncated file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("crowd", "market", "portrait", "street"):
        shutil.copy(samples.SCENES / f"{name}.jpg", folder)
    (folder / "broken.jpg").write_bytes((samples.SCENES / "street.jpg").read_bytes()[:3000])
    return folder


@contextmanager
def opened(browser: Any, url: str, **options) -> Iterator[Any]:
    """A page on which no script failed."""
    page = new_page(browser, **(DESKTOP | options))
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        page.goto(url)
        page.wait_for_selector("#name:not(:empty), #panel:not([hidden])")
        drawn(page)
        yield page
        assert failures == []
    finally:
        page.context.close()


def shot(page, name: str) -> None:
    screenshot(page, f"review-{name}")


def looked_at_all(page) -> None:
    """Waits until the detector has processed every photo."""
    eventually(page, lambda: (now := counts(page))["listed"] and not now["waiting"])


def to(page, name: str) -> None:
    """Opens a photo with the keyboard, in the rail."""
    for key in ("k", "j", "k", "j"):
        for _ in range(12):
            if photo_of(page) == name:
                page.wait_for_selector("#photo[href]")
                return
            page.keyboard.press(key)
            page.wait_for_timeout(120)
    pytest.fail(f"{name} is not in the rail")


def state_of(page, name: str) -> Any:
    """A photo's state on the server."""
    return page.evaluate(
        """async (name) => {
          window.numbers ??= {};
          if (!(name in window.numbers)) {
            const { photos } = await (await fetch("/api/changes?since=0")).json();
            for (const { name, number } of photos) window.numbers[name] = number;
          }
          return (await fetch(`/api/photos/${window.numbers[name]}`)).json();
        }""",
        name,
    )


def eventually(page, condition: Callable[[], object]) -> None:
    """Waits for a condition, outside the page, because its policy forbids evaluating text."""
    for _ in range(4800):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail("it did not come to pass")


def covered(photo: Any) -> list[Any]:
    """The boxes of a photo that are no candidates."""
    return [box for box in photo["boxes"] if box["covered"]]


def counts(page) -> Any:
    return page.evaluate("async () => (await (await fetch('/api/changes?since=999999999')).json()).counts")


def until(page, name: str, condition: Callable[[Any], object]) -> Any:
    """A photo on the server, once it meets a condition."""
    eventually(page, lambda: condition(state_of(page, name)))
    return state_of(page, name)


def test_a_thousand_photos_without_a_mouse(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    portrait = cv2.imread(str(samples.SCENES / "portrait.jpg"))
    assert portrait is not None
    small = cv2.resize(portrait, (160, 120), interpolation=cv2.INTER_AREA)
    for number in range(1000):
        image = small.copy()
        image[:8, :8] = [number % 256, number // 256, 99]
        cv2.imwrite(str(folder / f"p{number:04}.png"), image)
    settings = ("--detail", "fast", "--names", "keep")
    with review_process(folder, out, *settings) as (url, _), opened(browser, url) as page:
        page.wait_for_selector("#photo[href]")
        first = photo_of(page)
        press = page.keyboard.press
        boxes = until(page, first, lambda photo: photo["verdict"] == "unreviewed")["boxes"]
        eventually(page, lambda: page.locator(".box").count() == len(boxes))
        press("b")
        press("Enter")
        eventually(page, lambda: page.locator(".box:focus").count())
        x0, y0, x1, y1 = until(page, first, lambda photo: len(photo["boxes"]) > len(boxes))["boxes"][-1][
            "xyxy"
        ]
        for key in ("ArrowRight", "Shift+ArrowDown", "Alt+ArrowRight", "Alt+Shift+ArrowUp"):
            press(key)
        moved = pytest.approx((x0 + 1, y0 + 10, x1 + 2, y1))
        added = until(page, first, lambda photo: tuple(photo["boxes"][-1]["xyxy"]) == moved)["boxes"][-1]
        edits = state_of(page, first)[
            "revision"
        ]  # one, and one or more for the moves: as fast as the keys came
        press("Delete")
        until(page, first, lambda photo: len(photo["boxes"]) == len(boxes))
        press("z")
        assert until(page, first, lambda photo: len(photo["boxes"]) == len(boxes) + 1)["boxes"][-1] == added
        for _ in range(edits):
            press("z")
        until(page, first, lambda photo: len(photo["boxes"]) == len(boxes))
        for _ in range(edits):
            press("Shift+Z")
        assert until(page, first, lambda photo: photo["boxes"][-1:] == [added])
        press("a")
        eventually(page, lambda: photo_of(page) != first)
        second = photo_of(page)
        page.wait_for_selector("#photo[href]")
        until(page, second, lambda photo: photo["verdict"] == "unreviewed")
        eventually(page, lambda: "Looking" not in page.locator("#state").inner_text())
        press("a")
        until(page, second, lambda photo: photo["verdict"] == "approved")
        eventually(page, lambda: page.locator("#progress").inner_text() == "2 of 1,000")
        page.reload()
        page.wait_for_selector("#photo[href]")
        assert state_of(page, first)["boxes"][-1] == added
        eventually(page, lambda: page.locator("#progress").inner_text() == "2 of 1,000")
        press("w")
        page.wait_for_selector("#panel .notice:not(.danger)", timeout=240_000)
    boxes_file = tmp_path / "boxes.json"
    run("review", folder, "--export", boxes_file, *settings)
    run(
        "anonymize",
        folder,
        "-o",
        tmp_path / "again",
        "--boxes",
        boxes_file,
        "--boxes-only",
        *settings,
        code=1,
    )
    assert sorted(path.name for path in out.iterdir()) == sorted([first, second, MANIFEST])
    for name in (first, second):
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def run(*arguments, code: int = 0) -> None:
    command = [sys.executable, "-m", "unionveil", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


def just_above_the_least_face(photo):
    """A threshold that makes the face of a photo with the lowest score a candidate, whatever the weights."""
    scores = np.unique(kept(load().inspect(FileContent(photo))).faces[0].score)
    return f"{(scores[0] + scores[1]) / 2:.6f}"


def test_every_state_of_the_page(browser, photos, tmp_path):
    options = "--threshold", just_above_the_least_face(photos / "crowd.jpg")
    with review_process(photos, tmp_path / "out", *options) as (url, process), opened(browser, url) as page:
        looked_at_all(page)
        page.reload()  # ordered by all results so far
        page.wait_for_selector("#panel:not([hidden])")
        assert "cut off" in page.locator("#panel").inner_text()
        shot(page, "rejected")
        press = page.keyboard.press
        to(page, "market.jpg")
        shot(page, "boxes")
        press("n")
        press("n")
        assert "score" in page.locator("#live").inner_text()
        sizes = page.locator(".handle").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().width)"
        )
        assert len(sizes) == 8
        assert min(sizes) >= 24 - 0.01
        shot(page, "focused")
        page.keyboard.down("h")
        assert page.locator("#covers").evaluate("one => getComputedStyle(one).visibility") == "hidden"
        shot(page, "covers-hidden")
        page.keyboard.up("h")
        press("c")
        page.wait_for_timeout(500)
        shot(page, "zoomed")
        press("0")
        press("Delete")
        assert "Z brings it back" in page.locator("#toast").inner_text()
        shot(page, "removed")
        press("z")
        press("s")
        page.wait_for_selector("#twin-photo[href]")
        page.wait_for_timeout(300)
        shot(page, "side-by-side")
        press("s")
        press("f")
        page.locator("#note").fill("Ask the contributor first")
        shot(page, "flagging")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, "market.jpg", lambda photo: photo["verdict"] == "flagged")
        shot(page, "flagged")
        press("?")
        shot(page, "help")
        press("Escape")
        to(page, "crowd.jpg")
        unsure = [box for box in state_of(page, "crowd.jpg")["boxes"] if not box["covered"]]
        assert unsure
        page.locator(f"#box-{unsure[0]['id']}").focus()
        press("c")
        page.wait_for_timeout(500)
        assert "Enter accepts" in page.locator("#live").inner_text()
        shot(page, "candidate")
        press("Enter")
        for box in unsure[1:]:
            page.locator(f"#box-{box['id']}").focus()
            press("Enter")
        until(page, "crowd.jpg", lambda photo: all(box["covered"] for box in photo["boxes"]))
        for _ in range(12):
            if page.locator("#panel:not([hidden]) dl").count():
                break
            press("a")
            page.wait_for_timeout(250)
        page.wait_for_selector("#panel dl")
        press("w")
        page.wait_for_selector("#panel .notice:not(.danger)")
        shot(page, "done")
        assert "3 photos are in" in page.locator("#panel").inner_text()
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        shot(page, "done-dark")
        press("j")
        eventually(page, lambda: photo_of(page))
        to(page, "crowd.jpg")
        press("n")
        shot(page, "dark")
        process.terminate()
        process.wait(30)
        page.wait_for_selector("#banner:not([hidden])")
        assert "is saved" in page.locator("#banner").inner_text()
        shot(page, "server-gone")
    manifest = Manifest.model_validate_json((tmp_path / "out" / MANIFEST).read_bytes())
    assert sorted(item.reason for item in manifest.items if isinstance(item, RejectedRecord)) == [
        "flagged",
        "unreadable",
    ]


def test_an_empty_folder_gets_a_hint(browser, tmp_path):
    (tmp_path / "photos").mkdir()
    with review_process(tmp_path / "photos", tmp_path / "out") as (url, _), opened(browser, url) as page:
        eventually(page, lambda: "no photo" in page.locator("#panel-title").inner_text())
        shot(page, "empty")


def test_the_first_photo_appears_while_others_are_still_surveyed(browser, photos, tmp_path):
    (photos / "broken.jpg").unlink()
    for number in range(60):
        shutil.copy(photos / "crowd.jpg", photos / f"crowd-{number}.jpg")
        with (photos / f"crowd-{number}.jpg").open("ab") as file:
            file.write(b"\0" * number)
    settings = ("--detail", "crowd")
    with review_process(photos, tmp_path / "out", *settings) as (url, _), opened(browser, url) as page:
        page.wait_for_selector("#photo[href]")
        waiting = counts(page)["waiting"]
        assert waiting > 30
        shot(page, "scanning")
        name = photo_of(page)
        top = page.locator(".thumb[aria-selected=true]").evaluate("one => one.getBoundingClientRect().top")
        eventually(page, lambda: counts(page)["waiting"] < waiting - 3)
        assert photo_of(page) == name
        assert (
            page.locator(".thumb[aria-selected=true]").evaluate("one => one.getBoundingClientRect().top")
            == top
        )


def test_two_tabs_do_not_overwrite_each_other(browser, photos, tmp_path):
    with review_process(photos, tmp_path / "out") as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        other = page.context.new_page()
        other.goto(url.partition("#")[0])
        other.wait_for_selector("#name:not(:empty)")
        drawn(other)
        to(page, "portrait.jpg")
        to(other, "portrait.jpg")
        page.keyboard.press("n")
        page.keyboard.press("Delete")
        until(page, "portrait.jpg", lambda photo: not covered(photo))
        other.wait_for_selector("#panel:not([hidden])")
        eventually(other, lambda: "elsewhere" in other.locator("#panel-title").inner_text())
        assert other.locator("#panel").is_visible()
        shot(other, "elsewhere")
        other.keyboard.press("Enter")
        other.wait_for_selector("#photo[href], #panel:not([hidden])")
        to(other, "portrait.jpg")
        assert other.locator(".box:not(.candidate)").count() == 0


def test_work_goes_on_after_the_server_was_killed(browser, photos, tmp_path):
    arguments = (photos, tmp_path / "out")
    with review_process(*arguments) as (url, process), opened(browser, url) as page:
        looked_at_all(page)
        to(page, "portrait.jpg")
        page.keyboard.press("n")
        page.keyboard.press("Shift+ArrowLeft")
        moved = until(page, "portrait.jpg", lambda photo: photo["boxes"][0]["moved"])["boxes"]
        process.kill()
    with review_process(*arguments) as (url, _), opened(browser, url) as page:
        assert state_of(page, "portrait.jpg")["boxes"] == moved


def test_by_touch(browser, photos, tmp_path):
    with review_process(photos, tmp_path / "out") as (url, _), opened(browser, url, **PHONE) as page:
        looked_at_all(page)
        open_by_tap(page, "portrait.jpg")
        shot(page, "phone")
        fingers = page.context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            named = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": named})

        stage = page.locator("#skeleton").bounding_box()
        x, y = stage["x"] + 12, stage["y"] + 12
        touch("touchStart", (x, y))
        for step in range(1, 5):
            touch("touchMove", (x + 12 * step, y + 14 * step))
        touch("touchEnd")
        drawn = covered(until(page, "portrait.jpg", lambda photo: len(covered(photo)) == 2))
        before = page.locator("#world").get_attribute("transform")
        touch("touchStart", (150, 300), (250, 300))
        touch("touchMove", (100, 300), (300, 300))
        touch("touchEnd")
        after = page.locator("#world").get_attribute("transform")
        assert scale_of(after) > 1.5 * scale_of(before)
        assert covered(state_of(page, "portrait.jpg")) == drawn
        page.locator("#add").tap()
        page.locator("#stage").tap(position={"x": 200, "y": 250})
        until(page, "portrait.jpg", lambda photo: len(covered(photo)) == 3)
        shot(page, "phone-zoomed")
        page.locator("#remove").tap()
        until(page, "portrait.jpg", lambda photo: len(covered(photo)) == 2)
        page.locator("#undo").tap()
        until(page, "portrait.jpg", lambda photo: len(covered(photo)) == 3)
        page.locator("#undo").tap()
        until(page, "portrait.jpg", lambda photo: len(covered(photo)) == 2)
        page.locator("#approve").tap()
        until(page, "portrait.jpg", lambda photo: photo["verdict"] == "approved")
        targets = page.locator("#tools button").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().height)"
        )
        assert min(targets) >= 44


def open_by_tap(page, name: str) -> None:
    thumb = page.locator(f".thumb[aria-label^='{name}']")
    thumb.scroll_into_view_if_needed()
    thumb.tap()
    page.wait_for_selector("#photo[href]")


def scale_of(transform: str) -> float:
    return float(transform.partition("scale(")[2].rstrip(")"))


def test_the_page_loads_nothing_from_the_network(browser, photos, tmp_path):
    asked: list[str] = []
    with review_process(photos, tmp_path / "out") as (url, _):
        context = browser.new_context(**DESKTOP)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#name:not(:empty)")
        drawn(page)
        looked_at_all(page)
        to(page, "market.jpg")
        page.keyboard.press("s")
        page.wait_for_selector("#twin-photo[href]")
        context.close()
    home = url.partition("#")[0]
    assert asked
    assert not [address for address in asked if not address.startswith((home, f"blob:{home}"))]


@pytest.mark.node
def test_axe_finds_nothing_in_any_view(browser, photos, tmp_path):
    axe = axe_source()
    found: dict[str, list[str]] = {}

    def judge(page, view: str) -> None:
        found[view] = violations(page, axe)

    sizes: dict[str, dict[str, Any]] = {
        "wide": {},
        "narrow": {"viewport": {"width": 320, "height": 640}},
        "dark": {"color_scheme": "dark"},
    }
    with review_process(photos, tmp_path / "out") as (url, _):
        for name, options in sizes.items():
            context = browser.new_context(**{**DESKTOP, **options})
            page = context.new_page()
            if name == "wide":
                page.goto(url)
                page.wait_for_selector("#name:not(:empty)")
                drawn(page)
                looked_at_all(page)
                cookies = context.cookies()
            else:
                context.add_cookies(cookies)
                page.goto(url.partition("#")[0])
                page.wait_for_selector("#name:not(:empty)")
                drawn(page)
            to(page, "market.jpg")
            judge(page, f"{name}: photo")
            page.keyboard.press("n")
            judge(page, f"{name}: box")
            page.keyboard.press("b")
            judge(page, f"{name}: adding")
            page.keyboard.press("Escape")
            page.keyboard.press("s")
            judge(page, f"{name}: side by side")
            page.keyboard.press("s")
            page.keyboard.press("f")
            judge(page, f"{name}: flagging")
            page.keyboard.press("Escape")
            page.keyboard.press("?")
            judge(page, f"{name}: help")
            page.keyboard.press("Escape")
            page.keyboard.press("n")
            page.keyboard.press("Delete")
            judge(page, f"{name}: removed")
            page.keyboard.press("z")
            for _ in range(8):
                if photo_of(page) == "broken.jpg":
                    break
                page.keyboard.press("k")
                page.wait_for_timeout(120)
            judge(page, f"{name}: rejected")
            page.evaluate("document.getElementById('rail-list').focus()")
            judge(page, f"{name}: rail")
            context.close()
    assert {view: issues for view, issues in found.items() if issues} == {}
    assert len(found) == 27


def test_nothing_is_cut_off_at_400_percent(browser, photos, tmp_path):
    # 1280 x 1024 at 400 % is 320 x 256 (WCAG 2.2, 1.4.10).
    small = {"viewport": {"width": 320, "height": 256}}
    with review_process(photos, tmp_path / "out") as (url, _), opened(browser, url, **small) as page:
        looked_at_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for name in ("approve", "flag", "undo", "help"):
            page.locator(f"#{name}").scroll_into_view_if_needed()
            assert page.locator(f"#{name}").is_visible()
        shot(page, "zoom-400")


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_every_word_is_translated(browser, photos, tmp_path, language):
    with (
        review_process(photos, tmp_path / "out") as (url, _),
        opened(browser, url, locale=language) as page,
    ):
        looked_at_all(page)
        assert page.locator("html").get_attribute("lang") == language
        words = {
            code: json.loads(
                (
                    samples.SCENES.parent.parent
                    / f"algorithm/unionveil/serve/static/words/review.{code}.json"
                ).read_text()
            )
            for code in ("en", language)
        }
        assert words["en"].keys() == words[language].keys()
        page.reload()  # the photo that cannot be written is the first one
        page.wait_for_selector("#panel:not([hidden])")
        assert "cut off" in page.locator("#panel [lang=en]").inner_text()
        to(page, "market.jpg")
        page.keyboard.press("?")
        shot(page, f"help-{language}")


@pytest.mark.benchmark
def test_frame_times_with_a_thousand_boxes(browser, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(
        str(folder / "wall.jpg"), np.random.default_rng(1).integers(0, 255, (3000, 4000, 3), np.uint8)
    )
    boxes = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": [60 + 95 * (n % 40), 60 + 110 * (n // 40), 60, 70]}
        for n in range(1000)
    ]
    coco = {
        "images": [{"id": 1, "file_name": "wall.jpg", "width": 4000, "height": 3000}],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    more = ("--import", str(tmp_path / "boxes.json"), "--detail", "fast")
    with review_process(folder, tmp_path / "out", *more) as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        eventually(page, lambda: page.locator(".box").count() >= 1000)
        box = page.locator("#stage").bounding_box()
        page.evaluate(
            """() => {
              const times = (window.times = []);
              let last = performance.now();
              const tick = (now) => { times.push(now - last); last = now; requestAnimationFrame(tick); };
              requestAnimationFrame(tick);
            }"""
        )
        page.mouse.move(box["x"] + 400, box["y"] + 300)
        for _ in range(8):
            page.mouse.wheel(0, -120)
        page.mouse.down(button="middle")
        for step in range(60):
            page.mouse.move(box["x"] + 400 + 5 * step, box["y"] + 300 + 3 * step)
        page.mouse.up(button="middle")
        for _ in range(20):
            page.keyboard.press("n")
            page.keyboard.press("ArrowRight")
        times = sorted(page.evaluate("window.times.slice(3)"))
    p50, p95 = (times[int(share * len(times))] for share in (0.5, 0.95))
    with capsys.disabled():
        print(
            f"\n1,000 boxes, pan, zoom and move: {len(times)} frames, median {p50:.0f} ms, p95 {p95:.0f} ms"
        )
    assert len(times) > 60


def test_caps_lock_turns_no_undo_into_a_redo(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        eventually(page, lambda: page.locator(".box.face").count())
        count = len(state_of(page, "portrait.jpg")["boxes"])
        page.keyboard.press("n")
        page.keyboard.press("Delete")
        until(page, "portrait.jpg", lambda photo: len(photo["boxes"]) == count - 1)
        for key, shift, expected in (("Z", False, count), ("z", True, count - 1), ("z", False, count)):
            page.evaluate(
                """([key, shiftKey]) => document.activeElement.dispatchEvent(
                  new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }))""",
                [key, shift],
            )
            eventually(page, lambda: len(state_of(page, "portrait.jpg")["boxes"]) == expected)  # noqa: B023


def test_the_printed_link_opens_again_only_in_the_same_browser(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        again = page.context.new_page()
        again.goto(url)
        again.wait_for_selector("#name:not(:empty)")
        with opened(browser, url) as stranger:
            stranger.wait_for_selector("#panel:not([hidden])")
            assert "already used" in stranger.locator("#panel").inner_text()


def test_arrow_keys_are_one_edit_and_an_approval_waits_for_it(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for name in ("market", "portrait"):
        shutil.copy(samples.SCENES / f"{name}.jpg", folder)
    delays: list[int] = []

    def slowly(route) -> None:
        page.wait_for_timeout(delays.pop(0) if delays else 0)
        route.continue_()

    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        first = photo_of(page)
        other = ({"market.jpg", "portrait.jpg"} - {first}).pop()
        before = state_of(page, first)["boxes"][0]["xyxy"]
        press = page.keyboard.press
        press("n")
        for _ in range(3):
            press("ArrowRight")
        moved = until(page, first, lambda photo: photo["boxes"][0]["moved"])
        assert (moved["revision"], moved["boxes"][0]["xyxy"][0]) == (1, pytest.approx(before[0] + 3))
        press("z")
        undone = until(page, first, lambda photo: photo["revision"] == 2)
        assert undone["boxes"][0]["xyxy"] == before
        # A move and a turn at once are one edit, too: undo leaves nothing of them.
        press("ArrowRight")
        press("t")
        assert until(page, first, lambda photo: photo["boxes"][0]["moved"])["boxes"][0]["kind"] == "head"
        press("z")
        assert until(page, first, lambda photo: photo["revision"] == 4)["boxes"] == undone["boxes"]
        page.route("**/edits", slowly)
        delays.append(600)
        press("ArrowRight")
        press("a")
        press("a")
        approved = until(page, first, lambda photo: photo["verdict"] == "approved")
        assert approved["boxes"][0]["moved"]
        eventually(page, lambda: photo_of(page) == other)
        page.wait_for_timeout(300)
        assert state_of(page, other)["verdict"] == "unreviewed"
        page.unroute_all(behavior="ignoreErrors")


def test_a_move_that_is_refused_is_not_approved(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    refusal = {"status": 507, "json": {"detail": "make room and try again"}}
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        eventually(page, lambda: page.locator(".box.face").count())
        page.keyboard.press("n")
        page.route("**/edits", lambda route: route.fulfill(**refusal), times=1)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("a")
        eventually(page, lambda: "make room" in page.locator("#toast").inner_text())
        page.wait_for_timeout(300)
        assert state_of(page, "portrait.jpg")["verdict"] == "unreviewed"


def test_a_page_that_is_left_does_not_replace_the_next_one(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    pages = [Image.new("RGB", (3000, 2400), colour) for colour in ("navy", "olive")]
    pages[0].save(folder / "two.tif", save_all=True, append_images=pages[1:])
    held = []
    covers = ("--detail", "fast", "--method", "pixelate")
    with review_process(folder, out, *covers) as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        page.wait_for_selector("#pages:not([hidden])")
        for late in (r"full\.jpg\?frame=0", r"screen\.jpg\?frame=0&covered"):
            page.route(re.compile(late), lambda route: held.append((route, route.fetch())))
        page.keyboard.press("s")
        page.keyboard.press("b")
        page.keyboard.press("Enter")
        for _ in range(12):
            page.keyboard.press("+")
        eventually(page, lambda: len({"covered" in route.request.url for route, _ in held}) == 2)
        page.keyboard.press(".")
        page.wait_for_selector("#photo[href]")
        page.wait_for_selector("#twin-photo[href]")
        names = ("photo", "twin-photo", "covered")
        before = [page.locator(f"#{name}").get_attribute("href") for name in names]
        for route, answer in held:
            route.fulfill(response=answer)
        page.wait_for_timeout(500)
        assert [page.locator(f"#{name}").get_attribute("href") for name in names] == before
        page.unroute_all(behavior="ignoreErrors")


def test_an_answer_that_an_edit_overtakes_takes_nothing_back(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    held = []
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        page.wait_for_selector("#photo[href]")
        state, kind = page.locator("#state"), page.locator("#kind-name")
        eventually(page, lambda: page.locator(".box.face").count())
        page.keyboard.press("n")
        eventually(page, lambda: kind.inner_text() == "Face")
        page.route(re.compile(r"/api/photos/\d+$"), lambda route: held.append((route, route.fetch())))
        page.keyboard.press("t")
        eventually(page, lambda: held)  # the page asks for the photo, whose face is a head now
        page.keyboard.press("t")
        eventually(page, lambda: "1 text" in state.inner_text() and len(held) > 1)
        route, answer = held[0]
        route.fulfill(response=answer)
        page.wait_for_timeout(300)
        assert "1 text" in state.inner_text()
        page.keyboard.press("t")
        eventually(page, lambda: "1 plate" in state.inner_text())
        page.unroute_all(behavior="ignoreErrors")


def test_an_answer_to_an_earlier_edit_takes_nothing_back(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    held: list[Any] = []
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        looked_at_all(page)
        page.wait_for_selector("#photo[href]")
        eventually(page, lambda: page.locator(".box.face").count())
        page.keyboard.press("n")
        page.route("**/edits", lambda route: held.append(route))
        page.keyboard.press("t")
        page.keyboard.press("t")
        eventually(page, lambda: held)
        held[0].continue_()  # its answer comes while the second edit is under way
        eventually(page, lambda: len(held) == 2)
        page.wait_for_timeout(300)
        page.keyboard.press("t")
        held[1].continue_()
        eventually(page, lambda: len(held) == 3)
        held[2].continue_()
        until(page, "portrait.jpg", lambda photo: photo["revision"] == 3)
        assert state_of(page, "portrait.jpg")["boxes"][0]["kind"] == "plate"


def test_a_box_is_turned_into_text_and_written_as_such(browser, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    shutil.copy(samples.SCENES / "portrait.jpg", folder)
    with review_process(folder, out, "--detail", "fast") as (url, _), opened(browser, url) as page:
        page.wait_for_selector("#photo[href]")
        eventually(page, lambda: page.locator(".box.face").count())
        page.keyboard.press("n")
        eventually(page, lambda: page.locator("#kind-name").inner_text() == "Face")
        page.keyboard.press("t")
        eventually(page, lambda: page.locator(".box.head").count() == 1)
        page.keyboard.press("t")
        until(page, "portrait.jpg", lambda photo: photo["boxes"][0]["kind"] == "text")
        eventually(page, lambda: "1 text" in page.locator("#state").inner_text())
        shot(page, "kinds")
        page.keyboard.press("t")
        plate = until(page, "portrait.jpg", lambda photo: photo["boxes"][0]["kind"] == "plate")
        assert (plate["faces"], plate["texts"], plate["plates"]) == (0, 0, 1)
        eventually(page, lambda: "1 plate" in page.locator("#state").inner_text())
        for _ in range(3):
            page.keyboard.press("t")
        until(page, "portrait.jpg", lambda photo: photo["boxes"][0]["kind"] == "text")
        page.keyboard.press("a")
        until(page, "portrait.jpg", lambda photo: photo["verdict"] == "approved")
        page.wait_for_selector("#write:not([disabled])")
        page.keyboard.press("w")
        page.wait_for_selector("#panel .notice:not(.danger)")
    manifest = Manifest.model_validate_json((out / MANIFEST).read_bytes())
    (record,) = (item for item in manifest.items if isinstance(item, RedactedRecord))
    assert record.faces[0].kind == "text"
    assert manifest.counts.texts == 1
