"""The drop page in a browser: by mouse, keyboard and touch, in light and dark, on a phone."""

import io
import shutil
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

import samples
import unionveil
from api_app import make_app
from browser import DESKTOP, PHONE, axe_source, chromium, drawn, new_page, screenshot, violations
from checked import written
from unionveil import AnonymizeConfig, Anonymized
from unionveil.detections import Detections
from unionveil.formats import ImageFormat
from unionveil.serve.access import Access
from web_server import running

pytestmark = [pytest.mark.slow, pytest.mark.node]

MARKET = samples.SCENES / "market.jpg"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def axe():
    return axe_source()


@pytest.fixture
def opened(browser, server):
    """Opens the page; checks at the end that no script failed and no other server was contacted."""
    pages = []

    def open_page(path="/", **options):
        page = new_page(browser, **({"locale": "en-GB"} | DESKTOP | options))
        page.wrong, page.asked = [], []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda message: message.type == "error" and page.wrong.append(message.text))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"http://{server.host}{path}")
        page.wait_for_selector("body[data-ready]")
        drawn(page)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert [text for text in page.wrong if "422" not in text and "415" not in text] == []
        ours = (f"http://{server.host}/", f"blob:http://{server.host}/")
        assert all(url.startswith(ours) for url in page.asked)
        page.context.close()


def give(page, *paths):
    page.set_input_files("#files", [str(path) for path in paths])


def wait_for(page, text):
    page.wait_for_function("text => document.querySelector('#state').textContent.includes(text)", arg=text)


def fits(page):
    """Checks that nothing is right of the window, even if a phone would zoom out to show it."""
    widest = "Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
    width = page.viewport_size["width"]
    assert page.evaluate(widest) <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def wait_for_all(page):
    spans = "[...document.querySelectorAll('#strip span')]"
    page.wait_for_function(f"() => {spans}.every(span => span.textContent[0] === '✓')")


def downloaded(page, selector):
    with page.expect_download() as download:
        page.click(selector)
    return download.value.suggested_filename, download.value.path()


def test_a_photo_comes_back_as_anonymize_writes_it(opened, axe):
    page = opened()
    screenshot(page, "drop-empty")
    assert violations(page, axe) == []
    give(page, MARKET)
    wait_for(page, "11 faces covered")
    screenshot(page, "drop-photo")
    assert violations(page, axe) == []
    name, path = downloaded(page, "#download")
    assert name == "market-covered.jpg"
    assert path.read_bytes() == written(unionveil.load(AnonymizeConfig(), threads=1)(MARKET))


def test_choices_state_their_cost_and_persist(opened, axe):
    page = opened()
    give(page, MARKET)
    wait_for(page, "11 faces covered")
    page.select_option("#method", "pixelate")
    assert "less safe" in page.text_content("#method-cost")
    page.wait_for_function("() => document.querySelector('#download').hidden")
    page.wait_for_selector("#download:not([hidden])")
    _, path = downloaded(page, "#download")
    pixelated = AnonymizeConfig.from_parameters({"method": "pixelate"})
    assert path.read_bytes() == written(unionveil.load(pixelated, threads=1)(MARKET))
    page.select_option("#sensitivity", "highest")
    page.wait_for_function("() => document.querySelector('#download').hidden")
    page.wait_for_selector("#download:not([hidden])")
    assert any("threshold=0." in url for url in page.asked)


def test_the_slider_moves_by_mouse_and_by_keyboard(opened):
    page = opened()
    give(page, MARKET)
    wait_for(page, "faces covered")
    stage = page.locator("#stage")
    split = "getComputedStyle(document.querySelector('#stage')).getPropertyValue('--split').trim()"
    box = stage.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    assert 76 < float(page.evaluate(split).rstrip("%")) < 84
    page.keyboard.press("Home")
    assert page.evaluate(split) == "0%"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(split) == "1%"


def test_without_a_mouse(opened):
    page = opened()
    page.on("filechooser", lambda chooser: chooser.set_files(str(MARKET)))
    passed: list[str] = []
    while "files" not in passed and len(passed) < 12:
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.id"))
    assert "files" in passed
    page.keyboard.press("Enter")
    wait_for(page, "11 faces covered")
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"split", "download", "clear", "method", "detail", "sensitivity", "language"} <= reached


def test_several_photos_give_a_strip_and_a_zip(opened, axe, tmp_path):
    page = opened()
    (tmp_path / "other").mkdir()
    same_name = shutil.copy(samples.SCENES / "portrait.jpg", tmp_path / "other" / "market.jpg")
    png = tmp_path / "grün & blau.png"
    png.write_bytes(samples.png(samples.RGB))
    give(page, MARKET, same_name, png)
    page.wait_for_function("() => document.querySelector('#zip').textContent.includes('3')")
    wait_for_all(page)
    page.click("#strip li:nth-child(2) button")
    wait_for(page, "1 face covered")
    screenshot(page, "drop-several")
    assert violations(page, axe) == []
    name, path = downloaded(page, "#zip")
    assert name == "covered.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "market-covered.jpg",
            "market-covered-2.jpg",
            "grün & blau-covered.png",
        ]
        anonymizer = unionveil.load(AnonymizeConfig(), threads=1)
        for member, given in zip(archive.namelist(), (MARKET, same_name, png), strict=True):
            assert archive.read(member) == written(anonymizer(given))


def test_a_zip_holds_only_what_the_current_choices_gave(opened):
    page = opened()
    photos = (MARKET, samples.SCENES / "portrait.jpg")
    give(page, *photos)
    wait_for_all(page)
    assert page.is_visible("#zip")
    held: list[Any] = []
    is_slow = True
    page.route("**/v1/redact*", lambda route: held.append(route) if is_slow else route.continue_())
    page.select_option("#method", "pixelate")
    page.wait_for_function("() => document.querySelector('#zip').hidden")
    is_slow = False
    for route in held:
        route.continue_()
    wait_for_all(page)
    _, path = downloaded(page, "#zip")
    pixelated = unionveil.load(AnonymizeConfig.from_parameters({"method": "pixelate"}), threads=1)
    with zipfile.ZipFile(path) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [written(pixelated(p)) for p in photos]


def test_a_photo_that_cannot_be_covered_gets_a_reason_and_a_hint(opened, axe, tmp_path):
    page = opened()
    pdf = tmp_path / "holiday.pdf"
    pdf.write_bytes(b"%PDF-1.7 and so on")
    give(page, pdf)
    page.wait_for_selector("#failure:not([hidden])")
    assert page.text_content("#failure-title") == (
        "holiday.pdf has a format that cannot be covered. Export it as JPEG or PNG."
    )
    assert page.is_hidden("#download")
    screenshot(page, "drop-failed")
    assert violations(page, axe) == []


def test_a_format_that_the_browser_cannot_show_can_be_downloaded(opened, tmp_path):
    page = opened()
    tif = tmp_path / "scan.tif"
    tif.write_bytes(samples.tiff(samples.RGB))
    give(page, tif)
    page.wait_for_selector("#download:not([hidden])")
    assert page.is_visible("#unseen")
    name, path = downloaded(page, "#download")
    assert name == "scan-covered.tif"
    assert Image.open(io.BytesIO(path.read_bytes())).format == "TIFF"


def test_a_photo_can_be_dropped_and_pasted(opened):
    page = opened()
    data = list(samples.png(samples.RGB))
    for event, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """([event, field, data]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(data)], `${event}.png`, { type: "image/png" }));
                const options = { bubbles: true, cancelable: true, [field]: transfer };
                const kind = event === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new kind(event, options));
            }""",
            [event, field, data],
        )
    page.wait_for_function("() => document.querySelectorAll('#strip span').length === 2")
    wait_for_all(page)
    page.click("#clear")
    assert page.is_visible("#field")


def test_on_a_phone(opened, axe):
    page = opened(**PHONE)
    screenshot(page, "drop-phone-empty")
    fits(page)
    give(page, MARKET, samples.SCENES / "portrait.jpg")
    wait_for(page, "11 faces covered")
    wait_for_all(page)
    screenshot(page, "drop-phone")
    assert violations(page, axe) == []
    fits(page)
    for selector in ("#download", "#clear", "#more", "#method"):
        assert page.locator(selector).bounding_box()["height"] >= 44
    box = page.locator("#stage").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    split = page.evaluate("document.querySelector('#split').value")
    assert 14 < int(split) < 26


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "fr-FR", "es-ES"])
def test_on_a_phone_with_text_of_twice_the_size(opened, locale):
    page = opened(locale=locale, **PHONE)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    fits(page)
    give(page, MARKET, samples.SCENES / "portrait.jpg")
    wait_for_all(page)
    fits(page)


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("de-AT", "Gesichter in Fotos abdecken"),
        ("fr-FR", "Masquer les visages de vos photos"),
        ("es-MX", "Cubrir las caras de sus fotos"),
        ("ja-JP", "Cover the faces in your photos"),
    ],
)
def test_it_speaks_the_readers_language(opened, axe, locale, title):
    page = opened(locale=locale)
    assert page.text_content("h2") == title
    give(page, MARKET)
    page.wait_for_selector("#download:not([hidden])")
    assert violations(page, axe) == []
    page.select_option("#language", "de")
    wait_for(page, "11 Gesichter abgedeckt")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.text_content("h2") == "Gesichter in Fotos abdecken"


@pytest.mark.parametrize(
    ("locale", "kinds", "state"),
    [
        ("en-GB", (0, 0, 2, 3), "2 faces covered, 1 line of text covered, 1 number plate covered"),
        ("de-DE", (1, 2, 2), "1 Gesicht abgedeckt, 2 Textzeilen abgedeckt"),
        ("fr-FR", (0, 3, 3), "1 visage masqué, 2 plaques d’immatriculation masquées"),
        ("es-ES", (2,), "1 línea de texto cubierta. No se encontró ninguna cara."),
    ],
)
def test_text_and_plates_are_not_called_faces(browser, locale, kinds, state):
    found = Detections.of(np.zeros((len(kinds), 4)), np.ones(len(kinds)), kind=kinds)

    async def submit(task):
        return Anonymized(task.content.data, ImageFormat.JPEG, (1600, 1067), (found,))

    with running(make_app(submit)) as server:
        page = new_page(browser, locale=locale, **DESKTOP)
        page.goto(f"http://{server.host}/")
        page.wait_for_selector("body[data-ready]")
        give(page, MARKET)
        wait_for(page, state)
        page.context.close()


def test_in_the_dark_and_zoomed(opened, axe):
    page = opened(color_scheme="dark", reduced_motion="reduce")
    give(page, MARKET)
    wait_for(page, "faces covered")
    screenshot(page, "drop-dark")
    assert violations(page, axe) == []
    page.select_option("[data-theme-switch]", "light")
    assert (
        page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(251, 251, 249)"
    )
    assert violations(page, axe) == []
    # 400 % on a screen of 1280 pixels (WCAG 2.2, 1.4.10).
    page.set_viewport_size({"width": 320, "height": 256})
    fits(page)
    page.click("#clear")
    fits(page)


def test_a_token_leaves_the_address_and_lets_in(browser, submit):
    access = Access.shared("a-token-of-24-characters")
    with running(make_app(submit, access=access)) as server:
        page = browser.new_page()
        page.goto(f"http://{server.host}/")
        page.wait_for_selector("#alert:not([hidden])")
        assert "token" in page.text_content("#alert")
        page.goto("about:blank")
        page.goto(f"http://{server.host}/{access.fragment}")
        page.wait_for_selector("body[data-ready]")
        assert "token" not in page.url
        give(page, MARKET)
        wait_for(page, "11 faces covered")
        assert page.evaluate("document.cookie") == ""
        page.context.close()
