"""An editor starts a confirmation on a study's page, a worker of the pool trains it, the page shows what was found."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboard_server import Serve
from integration.winnow import Place

pytestmark = pytest.mark.browser
SECONDS = 60_000


def test_a_confirmation_is_started_on_the_page_and_worked_on_by_the_pool(
    browser: Browser, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    assert place.run("run", place.spec(3), "--workers", "1").returncode == 0
    monkeypatch.chdir(tmp_path)  # where one's own objective lies
    served = serve(place.url)
    with served.client("reader") as reader:
        refused = reader.post("/winnow/api/studies/1/analyses/confirm", json={})
        assert refused.status_code == 403, "a reader starts nothing"
    page = browser.new_page()
    page.set_default_timeout(SECONDS)
    page.set_extra_http_headers({"Authorization": f"Bearer {served.secret('editor')}"})
    page.goto(f"{served.url}/winnow/s")
    asked = page.locator("form.manage", has=page.get_by_role("button", name="Confirm"))
    asked.get_by_label("top").fill("1")
    asked.get_by_label("seeds").fill("2")
    asked.get_by_role("button").click()
    expect(asked.locator(".answer")).to_contain_text("Asked for", timeout=SECONDS)
    analyses = page.locator(".part[data-part=analyses]")
    worker = place.start("work", "--all")
    try:
        expect(analyses).to_contain_text("Confirmation, asked for by editor: done", timeout=4 * SECONDS)
        expect(analyses.get_by_role("link", name="s-confirm")).to_be_visible(timeout=SECONDS)
        told = page.locator(".part[data-part=conclusions]")
        expect(told).to_contain_text("over 1 fresh seed", timeout=SECONDS)  # of two that gave the very same
    finally:
        worker.terminate()
        worker.communicate(timeout=300)
    page.close()
