"""The report in a real browser: no error, no network, readable on a telephone, usable from the keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.report import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    name = '<img src="http://example.com/x"><b>bold</b>'
    report.write(searched(40, name=name), path, Conclusions(confirmed(), (ablated(name=name),)))
    return path


@pytest.fixture(scope="module", params=[1440, 390])
def page(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The open report; at its end, nothing may have been complained of or asked for."""
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelectorAll('.picture .main-svg').length > 0")
    yield page
    page.close()
    assert complaints == []
    assert requests == [file.as_uri()]


def test_every_picture_is_drawn_within_the_page(page: Page) -> None:
    pictures = page.locator(".picture")
    assert pictures.count() == 17 + 6
    for picture in pictures.all():
        assert picture.locator(".main-svg").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("h1").inner_text() == '<img src="http://example.com/x"><b>bold</b>'


def test_the_table_is_sorted_from_the_keyboard(page: Page) -> None:
    heading = page.locator(".sortable th button", has_text="lr")
    heading.focus()
    for direction, reverse in (("ascending", False), ("descending", True)):
        page.keyboard.press("Enter")
        assert page.locator(".sortable th[aria-sort]").get_attribute("aria-sort") == direction
        shown = page.locator(".sortable tbody td:nth-child(6)").all_inner_texts()
        assert len(shown) == 40
        assert shown == sorted(shown, key=float, reverse=reverse)


def test_what_is_missing_is_sorted_last_in_either_direction(page: Page) -> None:
    heading = page.locator(".sortable th button", has_text="momentum")
    for _ in range(2):
        heading.click()
        shown = page.locator(".sortable tbody td:nth-child(11)").all_inner_texts()
        assert "—" not in shown[: len(shown) - shown.count("—")]


def test_paper_shows_the_whole_width_of_the_table_and_its_first_rows(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator(".tall").evaluate("box => getComputedStyle(box).overflowX") == "visible"
    assert page.locator(".sortable tbody tr:visible").count() == 40
    assert page.locator(".on-paper").is_visible()
    page.emulate_media(media="screen")
