"""What other sites, strangers and hostile content get from the dashboard: nothing."""

import csv
import io
import json
import logging
import socket
from typing import Any

import httpx
import optuna
import pytest
from click.testing import CliRunner
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from sqlalchemy import update

from dashboard_server import Serve, Served
from winnow.errors import WinnowError
from winnow.search.cli.main import cli
from winnow.search.dashboard import server
from winnow.search.dashboard.identity import COOKIE
from winnow.search.dashboard.server import Place
from winnow.storage import audit_log, sessions, tokens
from winnow.storage.clock import database_now
from winnow.storage.tables import tokens as token_rows


def cookie(served: Served, role: Any) -> str:
    """A session's secret, as a browser holds it."""
    token = tokens.find(served.storage.database, served.secret(role))
    assert token is not None
    return sessions.begin(served.storage.database, token)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1234", 200),
        ("[::1]:80", 200),
        (socket.gethostname(), 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("", 403),
    ],
)
def test_only_known_names_reach_it(serve: Serve, sqlite_url: str, host: str, status: int) -> None:
    served = serve(sqlite_url, local=True)
    assert httpx.get(f"{served.url}/api/studies", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "OWN"}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "OWN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_session_changes_nothing_from_another_site(served: Served, headers: dict[str, str], status: int) -> None:
    study = optuna.create_study(storage=served.storage)
    sent = {name: value.replace("OWN", served.url) for name, value in headers.items()}
    with httpx.Client(base_url=served.url, cookies={COOKIE: cookie(served, "editor")}) as browser:
        answer = browser.put("/api/studies/1/note", json={"version": 1, "body": "hello"}, headers=sent)
    assert answer.status_code == status
    noted = study.system_attrs if hasattr(study, "system_attrs") else served.storage.get_study_system_attrs(1)
    assert any("note" in key for key in noted) == (status == 204)


def test_a_script_needs_no_origin_and_an_open_dashboard_takes_none_from_elsewhere(
    serve: Serve, sqlite_url: str
) -> None:
    local = serve(sqlite_url, local=True)
    forged = httpx.post(f"{local.url}/api/studies", json={}, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    proxied = httpx.get(f"{local.url}/winnow/", headers={"X-Forwarded-For": "10.0.0.9"})
    assert proxied.status_code == 403
    assert "winnow token create" in proxied.json()["reason"]
    served = serve(sqlite_url)
    optuna.create_study(storage=served.storage)
    with served.client("editor") as script:
        assert script.put("/api/studies/1/note", json={"version": 1, "body": "hello"}).status_code == 204


def test_every_answer_carries_the_headers_and_none_lets_other_sites_read(served: Served) -> None:
    with served.client("reader") as reader:
        for path in ("/winnow/", "/winnow/login", "/dashboard", "/api/studies", "/nothing", "/winnow/static/plotly.js"):
            answer = reader.get(path, headers={"Origin": "https://evil.example"})
            assert answer.headers["x-content-type-options"] == "nosniff"
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
            assert "access-control-allow-origin" not in answer.headers
            assert "server" not in answer.headers


def test_files_are_saved_or_locked_in(serve: Serve, sqlite_url: str) -> None:
    served = serve(sqlite_url)
    study = optuna.create_study(storage=served.storage)
    kinds = {"a.html": True, "a.svg": True, "a.xml": True, "a.pdf": True, "a.png": False, "a.txt": False}
    with served.client("admin") as admin:
        for name, saved in kinds.items():
            sent = {"file": "data:x;base64,PGI+", "filename": name}
            made = admin.post(f"/api/artifacts/{study._study_id}", json=sent)
            assert made.status_code == 201
            answer = admin.get(f"/artifacts/{study._study_id}/{made.json()['artifact_id']}")
            assert answer.headers["content-security-policy"].startswith("sandbox;")
            assert (answer.headers.get("content-disposition") == "attachment") == saved, name
            assert "access-control-allow-origin" not in answer.headers
        artifact = made.json()["artifact_id"]
        assert admin.delete(f"/api/artifacts/{study._study_id}/{artifact}").status_code == 204
        assert admin.get(f"/artifacts/{study._study_id}/{artifact}").status_code >= 400
    # Put aside, not destroyed:
    aside = list(served.artifacts.glob("removed/*"))
    assert [path.name for path in aside] == [artifact]


def test_tables_hold_no_formulas(served: Served) -> None:
    study = optuna.create_study(storage=served.storage, direction="maximize")
    formulas = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "-0.5"]
    for formula in formulas:
        trial = study.ask({"x": CategoricalDistribution(formulas)})
        trial.set_user_attr("=HYPERLINK(1)", formula)
        study.tell(trial, -1.5)
    with served.client("reader") as reader:
        for path in ("/csv/1", "/winnow/api/studies/1/export/trials.csv"):
            answer = reader.get(path)
            cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
            assert "-1.5" in cells
            dangerous = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t")) and not is_number(cell)]
            assert dangerous == [], path


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_what_winnow_recorded_is_not_written_over_by_hand(served: Served) -> None:
    trial = optuna.create_study(storage=served.storage).ask()
    with served.client("editor") as editor:
        path = f"/api/trials/{trial._trial_id}/user-attrs"
        assert editor.post(path, json={"user_attrs": {"winnow:config": {}}}).status_code == 403
        assert editor.post(path, json={"user_attrs": {"mine": 1}}).status_code == 204
        assert editor.post(path, content=b"[").status_code == 400
        assert editor.post(path, content=b"x" * 1_100_000).status_code == 413


def test_a_rename_and_a_delete_by_the_stock_page_are_refused(served: Served) -> None:
    study = optuna.create_study(storage=served.storage, study_name="s")
    study.ask()
    with served.client("admin") as admin:
        renamed = admin.post("/api/studies/1/rename", json={"study_name": "t"})
        deleted = admin.request("DELETE", "/api/studies/1", json={})
    assert renamed.status_code == deleted.status_code == 403
    assert "its name has to be typed" in deleted.json()["reason"]
    assert [known.study_name for known in served.storage.get_all_studies()] == ["s"]


def test_every_change_is_written_down_with_its_outcome(served: Served) -> None:
    trial = optuna.create_study(storage=served.storage).ask()
    with served.client("editor") as editor:
        path = f"/api/trials/{trial._trial_id}/tell"
        assert editor.post(path, json={"state": "Complete", "values": [1.0]}).status_code == 204
        assert editor.post(path, json={"state": "Nonsense"}).status_code == 400
        editor.get("/api/studies")
    wrong, done = audit_log.entries(served.storage.database)
    assert (done.who, done.action, done.status) == ("editor", f"POST {path}", 204)
    assert json.loads(done.content) == {"state": "Complete", "values": [1.0]}
    assert done.address == "127.0.0.1"
    assert wrong.status == 400
    assert served.storage.get_trial(trial._trial_id).state == TrialState.COMPLETE


def test_no_secret_is_in_a_log_an_error_or_a_page(
    served: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret, session = served.secret("admin"), cookie(served, "admin")
    texts = []
    with served.client("admin") as admin:
        for path in ("/winnow/", "/winnow/audit", "/winnow/api/audit", "/winnow/nothing", "/winnow/api/studies/99"):
            texts.append(admin.get(path).text)
    httpx.post(f"{served.url}/winnow/login", data={"token": secret}, headers={"Origin": served.url})
    written = audit_log.entries(served.storage.database)
    for text in (*texts, repr(written), caplog.text.replace("HTTP Request", ""), *capfd.readouterr()):
        assert secret not in text
        assert session not in text


def test_a_revoked_token_opens_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winnow.search.dashboard.identity._SECONDS", 0.0)
    with served.client("reader") as reader:
        assert reader.get("/api/studies").status_code == 200
        tokens.revoke(served.storage.database, "reader")
        assert reader.get("/api/studies").status_code == 401


def test_off_this_machine_it_starts_with_tokens_alone(served: Served) -> None:
    for place in (Place("0.0.0.0", 0), Place("192.0.2.7", 0), Place("127.0.0.1", 0, ["winnow.example"])):
        with pytest.raises(WinnowError, match="there is no token to log in with"):
            server.is_open(served.storage, place)
    assert server.is_open(served.storage, Place("127.0.0.1", 0))
    served.secret("reader")
    assert not server.is_open(served.storage, Place("0.0.0.0", 0))
    assert not server.is_open(served.storage, Place("127.0.0.1", 0)), "who has made tokens wants them used"
    tokens.revoke(served.storage.database, "reader")
    with pytest.raises(WinnowError):
        server.is_open(served.storage, Place("0.0.0.0", 0))
    assert not server.is_open(served.storage, Place("127.0.0.1", 0)), "a revoked token opens it to nobody"


def test_once_a_token_was_made_a_loopback_dashboard_stays_closed(
    serve: Serve, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winnow.search.dashboard.identity._SECONDS_OPEN", 0.0)
    monkeypatch.setattr("winnow.search.dashboard.identity._SECONDS", 0.0)
    served = serve(sqlite_url, local=True)
    database = served.storage.database

    def status(secret: str = "") -> int:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return httpx.get(f"{served.url}/winnow/audit", headers=headers).status_code

    assert status() == 200
    with httpx.stream("GET", f"{served.url}/winnow/events", timeout=300) as opened:
        lines = opened.iter_lines()
        assert next(lines)
        secret = tokens.create(database, "ann", "admin", days=None)
        assert "event: gone" in lines, "a page that was open before asks for a login"
    assert status() == 401, "the running dashboard hears of the first token"
    assert status(secret) == 200
    tokens.revoke(database, "ann")
    assert (status(), status(secret)) == (401, 401)
    again = tokens.create(database, "ben", "admin", days=1)
    assert status(again) == 200
    database.execute(update(token_rows).values(expires_at=database_now() - 1))
    assert (status(), status(again)) == (401, 401), "expiry of the last token opens nothing either"
    restarted = serve(sqlite_url, local=server.is_open(served.storage, Place("127.0.0.1", 0)))
    assert httpx.get(f"{restarted.url}/winnow/").status_code == 401


def test_wrong_tokens_lock_nobody_out(serve: Serve, sqlite_url: str) -> None:
    served = serve(sqlite_url)
    session = cookie(served, "reader")
    forms = ["x", "winnow_", "winnow_" + "é" * 43, "winnow_" + "a" * 44, "winnow_" + "\x00" * 43, "w" * 6000]
    with httpx.Client(base_url=served.url, timeout=300) as stranger:
        for number in range(150):
            wrong = forms[number] if number < len(forms) else f"winnow_{number:043}"
            headers = [(b"Authorization", f"Bearer {wrong}".encode())] if "\x00" not in wrong else []
            assert stranger.get("/winnow/api/studies", headers=headers).status_code in (401, 429), wrong
            given = stranger.post("/winnow/login", data={"token": wrong}, headers={"Origin": served.url})
            assert given.status_code in (401, 429)
            assert "Invalid or expired token" in given.text
    with served.client("reader") as honest:
        assert honest.get("/winnow/api/studies").status_code == 200, "a right token is never slowed"
    late = tokens.create(served.storage.database, "late", "reader", days=1)
    answer = httpx.post(f"{served.url}/winnow/login", data={"token": late}, headers={"Origin": served.url})
    assert answer.status_code == 303, "nor a login with one that was made meanwhile"
    assert httpx.get(f"{served.url}/winnow/", cookies={COOKIE: session}).status_code == 200
    failed = [entry for entry in audit_log.entries(served.storage.database) if entry.status == 401]
    assert 0 < len(failed) <= 5, "a flood of wrong tokens fills no log"


def test_the_commands(sqlite_url: str) -> None:
    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--storage", sqlite_url])
        assert done.exit_code == status, done.output
        return done.output

    assert "winnow token create NAME" in run("dashboard", "--host", "0.0.0.0", status=2)
    made = run("token", "create", "ann", "--role", "reader")
    assert made.startswith("winnow_")
    assert "shown only now" in made
    assert "good until" in run("token", "list")
    assert "opens nothing" in run("token", "revoke", "ann")
    assert "revoked" in run("token", "list")
    assert "to revoke" in run("token", "revoke", "ann", status=2)
    assert "was deleted in the last 30 days" in run("restore", "s", status=2)
