"""The dashboard in a real browser: a person logs in, watches a study run, reads, downloads, is refused, leaves."""

import re
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from playwright.sync_api import Browser, Page, expect

from dashboard_server import Serve, Served
from example_study import told, work
from integration.winnow import Place
from winnow.search.analysis import ablation

pytestmark = pytest.mark.browser
SECONDS = 60_000
expect.set_options(timeout=SECONDS)
BEST = {"lr": 0.05, "dropout": 0.4}
WATCHED = """
import time
from pathlib import Path

def search(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    for epoch in (1, 2, 3):
        while epoch == 3 and not Path("seen").exists():
            time.sleep(0.05)
        trial.report(x * epoch, epoch)
    return x
"""  # no trial ends before it was seen to train


def log_in(page: Page, served: Served, role: str, path: str = "/winnow/") -> None:
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}{path}")
    page.get_by_label("Token").fill(served.secret(role))  # type: ignore[arg-type]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")


def test_a_reader_watches_a_study_run(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    place = Place(tmp_path)
    spec = place.spec(4, more="[pruner]\nname = 'none'\n")
    (tmp_path / "mine.py").write_text(WATCHED)
    assert place.run("create", spec).returncode == 0
    served = serve(place.url)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    log_in(page, served, "reader")
    page.get_by_role("link", name="s", exact=True).click()
    expect(page.locator("#workers")).to_contain_text("No worker is here")
    loaded = page.evaluate("window.loaded = performance.timeOrigin")
    worker = place.start("work", "s")
    try:
        expect(page.locator("#workers")).to_contain_text("training")
        expect(page.locator("#workers polyline")).to_be_visible()
        (tmp_path / "seen").touch()
        expect(page.locator("#standing .badge")).to_have_text("done")
    finally:
        worker.communicate(timeout=300)
    expect(page.locator("#standing")).to_contain_text("4 completed")
    assert page.evaluate("window.loaded") == loaded, "the page was not loaded again"
    expect(page.locator(".picture .main-svg").first).to_be_visible(timeout=SECONDS)

    page.locator("#standing dd.large a").click()
    expect(page.locator("h1")).to_contain_text("Trial")
    expect(page.locator(".picture .main-svg").first).to_be_visible(timeout=SECONDS)
    page.go_back()
    assert page.locator("#manage").count() == 0, "a reader is offered nothing that changes anything"
    refused = page.evaluate(
        "fetch('/winnow/api/studies/1', {method: 'DELETE', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify({confirm: 's'})}).then((answer) => answer.status)"
    )
    assert refused == 403
    with page.expect_download() as download:
        page.get_by_role("link", name="Report").click()
    assert "<!doctype html>" in download.value.path().read_text()
    assert [text for text in complaints if "403" not in text] == []
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/winnow/login")
    page.goto(f"{served.url}/winnow/s")
    assert "/winnow/login" in page.url
    page.close()


def test_the_ablation_appears_while_the_page_is_open(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.7], [{}, BEST])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/told")
    expect(page.locator(".part[data-part=conclusions]")).to_contain_text("Not measured yet")
    plan = ablation.plan_ablation(study, seeds=2, looks=1)
    while wanted := plan.design.next_trainings(ablation.read_scores(plan)):
        work(
            ablation.add_trainings(plan, wanted), lambda row: 0.5 + 0.2 * row["learning rate"] + row["seed"] % 11 / 1e4
        )
    expect(page.get_by_role("heading", name="Each method alone", exact=True)).to_be_visible(timeout=SECONDS)
    picture = page.locator("figure", has=page.get_by_role("heading", name="Each method alone", exact=True)).locator(
        ".main-svg"
    )
    expect(picture.first).to_contain_text("learning rate")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ink = page.locator("figure .xtick text").first.evaluate("text => getComputedStyle(text).fill")
    assert ink == "rgb(230, 234, 238)", "figures are drawn in the colours of the dark page"
    page.close()


def test_a_long_reason_is_read_without_scrolling_sideways(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    study = told(tmp_path, [0.5])
    failed = study.optuna.ask()
    failed.set_user_attr(
        "winnow:reason", f"ValueError: 1 < 2, cannot read /data/{'a_long_name_' * 30}.jpg: {'why it is so, ' * 30}"
    )
    study.optuna.tell(failed, state=TrialState.FAIL)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/told")
    cell = page.locator(".tabulator-cell[tabulator-field=reason]", has_text="ValueError")
    expect(cell).to_be_visible()
    assert cell.evaluate("cell => [cell.scrollWidth <= cell.clientWidth, cell.clientWidth <= 480]") == [True, True]
    scrolled = "holder => holder.scrollWidth <= holder.clientWidth"
    assert page.locator(".tabulator-tableholder").evaluate(scrolled)
    assert cell.evaluate("cell => cell.clientHeight - cell.firstChild.offsetHeight < 30"), "no higher than its reason"
    page.close()
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.set_default_timeout(SECONDS)
    phone.goto(f"{served.url}/winnow/told")
    for number in ("0", "1"):
        row = phone.locator(".tabulator-row", has=phone.get_by_role("link", name=number, exact=True))
        phone.get_by_role("button", name=f"more of trial {number}").focus()
        phone.keyboard.press("Enter")
        unfolded = row.locator(".folded")
        expect(unfolded).to_contain_text("dropout")
        assert "&" not in (unfolded.text_content() or "")
    expect(unfolded).to_contain_text("ValueError: 1 < 2, cannot read")
    phone.get_by_role("button", name="trial", exact=True).click()
    phone.wait_for_url("**#sort=*")
    assert "hide" not in phone.url, "what has no room on a telephone is hidden on no other screen"
    phone.close()


def test_letters_of_twice_the_size_fit_a_telephone(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, [0.5, 0.9])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page(viewport={"width": 210, "height": 844})  # half of a telephone's, which is the same
    page.set_default_timeout(SECONDS)
    for path, there in (("/winnow/", "#studies td"), ("/winnow/told", "#counted")):
        page.goto(f"{served.url}{path}")
        expect(page.locator(there).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    page.goto(f"{served.url}/winnow/")
    assert page.locator("#studies td").first.evaluate("cell => cell.clientHeight") < 100, "no column of single letters"
    page.close()


def test_the_table_of_trials_keeps_its_view_in_the_address(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, [0.5, 0.9, None, 0.7, 0.8], [{}, BEST])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/told")
    rows, counted = page.locator("#trials-table .tabulator-row"), page.locator("#counted")
    expect(counted).to_have_text("5 trials")
    expect(rows.first.locator(".tabulator-cell[tabulator-field=value]")).to_have_text("0.9000")  # the best stands first
    page.get_by_label("filter objective value").press_sequentially("0.6..0.85")
    expect(counted).to_have_text("2 of 5 trials")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("seconds", exact=True).uncheck()
    page.locator(".tabulator-col[tabulator-field=number] .tabulator-col-title").click()
    page.get_by_label("Picture").select_option("slice")
    expect(page.locator("#drawn")).to_have_text("2 trials.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 3
    assert lines[1].lstrip("\ufeff").split(",")[0].strip('"') == "3"
    address = page.url

    page.goto("about:blank")
    page.goto(address)
    expect(counted).to_have_text("2 of 5 trials")
    expect(page.locator(".tabulator-col[tabulator-field=seconds]")).to_be_hidden()
    expect(rows.first.locator(".tabulator-cell[tabulator-field=number]")).to_have_text("3")
    expect(page.locator("#explored .subplot").first).to_be_visible()

    page.get_by_role("button", name="Show all").click()
    expect(counted).to_have_text("5 trials")
    page.get_by_label("Picture").select_option("parallel")
    page.evaluate(
        "document.getElementById('explored').emit('plotly_selected', {points: [0.72, 0.81234].map((value) => "
        "({customdata: [0, '', '', 'value', value]}))})"
    )
    expect(page.get_by_label("filter objective value")).to_have_value("0.72..0.8124")
    expect(counted).to_have_text("1 of 5 trials")
    page.get_by_role("button", name="Show all").click()
    for number in (1, 3):
        page.locator(f".tabulator-row:has(a[href$='/trials/{number}']) input[type=checkbox]").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#comparison thead")).to_have_text("trial 1trial 3")
    expect(page.locator("#comparison tr:has(th:text-is('dropout'))")).to_contain_text("0.4")
    expect(page.locator("#comparison tr:has(th:text-is('model'))")).to_be_hidden()
    assert complaints == []
    page.close()


def test_a_trial_that_ends_appears_in_the_table_without_reloading(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    study = told(tmp_path, [0.5, 0.9])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page()
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/told")
    expect(page.locator("#counted")).to_have_text("2 trials")
    trial = study.optuna.ask()
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    trial.suggest_float("dropout", 0.0, 0.5)
    study.optuna.tell(trial, 0.95)
    expect(page.locator("#counted")).to_have_text("3 trials")
    expect(page.locator("#trials-table .tabulator-row").first).to_contain_text("0.95")
    page.close()


def test_what_an_outage_kept_from_the_page_comes_after_it(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, [0.5, 0.9])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page()
    page.set_default_timeout(SECONDS)
    refused = re.compile("/parts/|/trials[?]")
    page.route(refused, lambda route: route.fulfill(status=503, json={"reason": "the database does not answer now"}))
    with page.expect_response(refused), page.expect_response(re.compile("/parts/pictures")):
        page.goto(f"{served.url}/winnow/told")
    page.unroute(refused)
    expect(page.locator(".part[data-part=pictures] .main-svg").first).to_be_visible()
    expect(page.locator("#counted")).to_have_text("2 trials")
    page.close()


def test_pictures_of_the_table_connect_no_kinds_and_leave_no_trial_out(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    study = optuna.create_study(storage=served.storage, study_name="s")
    for number, kind in enumerate(["sgd", "adam"] * 4):
        study.enqueue_trial({"optimizer": kind})
        trial = study.ask()
        if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
            trial.suggest_float("momentum", 0.0, 0.9)
        study.tell(trial, number)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/s")
    expect(page.locator("#explored")).to_contain_text("unused")
    expect(page.get_by_role("img", name="parallel coordinates: 8 trials.")).to_be_visible()
    heights = page.evaluate("document.getElementById('explored').data.flatMap((trace) => trace.y)")
    assert heights.count(None) == 8, "between two trials a line ends, and nowhere else"
    page.get_by_label("Picture").select_option("contour")
    expect(page.get_by_role("img", name="contour: 8 trials.")).to_be_visible()
    assert page.evaluate("document.getElementById('explored').data[0].type") == "heatmap", "kinds have no between"
    page.close()


def test_an_admin_deletes_only_by_typing_the_name(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, [0.5, 0.9])
    served = serve(f"sqlite:///{tmp_path}/winnow.db")
    page = browser.new_page()
    page.route("**/dashboard.js", lambda route: route.abort())
    log_in(page, served, "admin", "/winnow/told")
    expect(page.locator("#confirm")).to_be_disabled()  # nobody would hear it yet
    page.unroute("**/dashboard.js")
    page.reload()
    page.locator("#confirm").fill("tol")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_have_text(re.compile("type the study's name"))
    page.locator("#confirm").fill("told")
    page.keyboard.press("Enter")
    page.wait_for_url("**/winnow/")
    expect(page.locator("#studies")).to_contain_text("There is no study")
    page.get_by_role("link", name="Changes").click()
    expect(page.locator("tbody")).to_contain_text("DELETE /winnow/api/studies/1")
    page.close()


def test_every_control_is_reached_by_the_keyboard(browser: Browser, serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, [0.5, 0.9])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    page = browser.new_page()
    page.set_default_timeout(SECONDS)
    page.goto(f"{served.url}/winnow/told")
    expect(page.locator("#trials-table .tabulator-row").first).to_be_visible()
    reached = set()
    for _ in range(100):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))
    assert {"Winnow", "Report", "Pause", "Stop", "Resume", "confirm", "Delete"} <= reached
    page.get_by_role("button", name="lr", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tabulator-col[tabulator-field='parameter lr']")).to_have_attribute("aria-sort", "ascending")
    page.close()
