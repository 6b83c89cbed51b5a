"""Winnow's pages as they are served: what they show, and that they go on without the database."""

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest
from optuna.trial import TrialState

from dashboard_server import Serve, Served
from example_study import SPEC, told
from storage_servers import PostgresServer
from winnow.records import REASON, TRACEBACK
from winnow.search.analysis import study_reader, study_record, summary
from winnow.search.dashboard.identity import COOKIE
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import activity, workers

VALUES = [0.5, 0.9, None, 0.7, 0.8]


def events(answer: httpx.Response) -> Iterator[dict[str, object]]:
    """What a stream of events says."""
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_a_studys_page_says_where_it_stands(serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    with served.client() as client:
        listed = client.get("/winnow/").text
        assert '<a href="/winnow/told">told</a>' in listed
        assert "5 of 100" in listed
        page = client.get("/winnow/told").text
        for words in ("trial 1, baseline 0.5", "4<span", "<strong>1</strong> no reason given", "of 100"):
            assert words in page
        pictures = client.get("/winnow/studies/1/parts/pictures").text
        assert 'id="history"' in pictures
        assert "Trial 1 won" in client.get("/winnow/studies/1/parts/conclusions").text
        assert "Importance needs 10" in client.get("/winnow/studies/1/parts/hyperparameters").text
        assert "<h1>Trial 3</h1>" in client.get("/winnow/studies/1/trials/3").text.replace("\n", "")
        assert client.get("/winnow/studies/1/trials/77").status_code == 404
        assert client.get("/winnow/nobody").json() == {"reason": "there is no study 'nobody'"}
        browser = client.get("/winnow/<nobody>", headers={"Accept": "text/html"})
        assert browser.status_code == 404
        assert "there is no study &#39;&lt;nobody&gt;&#39;" in browser.text
        assert 'href="/winnow/">All studies' in browser.text
        for path in ("/nobody", "/winnow/studies/77", "/winnow/studies/1/nothing"):
            astray = client.get(path, headers={"Accept": "text/html"})
            assert astray.status_code == 404, path
            assert "This page cannot be shown" in astray.text
        script = client.get("/winnow/api/studies/77", headers={"Accept": "text/html"})
        assert script.json() == {"reason": "there is no study with the id 77"}


def test_a_device_that_was_given_up_is_named_with_its_reason(serve: Serve, tmp_path: Path) -> None:
    study = told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    for reason in ("lost", "no kernel <image>"):
        workers.give_up(served.storage.database, study.study_id, "node-2", 1, "cuda:3", reason)
    with served.client() as client:
        page = client.get("/winnow/told").text
        assert "cuda:3 of node-2 was given up" in page
        assert "no kernel &lt;image&gt;" in page
        assert "No worker is here. <code>winnow work told</code> starts one." in page, "it is not at work"
        (given_up,) = client.get(f"/winnow/api/studies/{study.study_id}").json()["given_up"]
        assert (given_up["device"], given_up["reason"]) == ("cuda:3", "no kernel <image>")


def test_a_stopped_study_says_how_it_goes_on(serve: Serve, tmp_path: Path) -> None:
    study = told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    activity.set_state(served.storage.database, study.study_id, activity.State.STOPPED)
    with served.client() as client:
        page = client.get("/winnow/told").text
    assert "The study is stopped by hand: <code>winnow resume told</code> lets workers go on." in page
    assert "winnow work" not in page


def test_a_study_of_which_every_trial_failed_names_the_line_and_calls_for_no_worker(
    serve: Serve, tmp_path: Path
) -> None:
    study = told(tmp_path, [None, None])
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    last = study.optuna.ask()
    last.set_user_attr(REASON, "OSError: fire")
    last.set_user_attr(TRACEBACK, 'Traceback:\n  File "/home/me/mine.py", line 7, in <fails>\nOSError: fire')
    study.optuna.tell(last, state=TrialState.FAIL)
    with served.client() as client:
        assert "failed</span>\nOSError: fire</p>" in client.get("/winnow/studies/1/trials/2").text
        page = client.get("/winnow/told").text
        assert "<strong>1</strong> OSError: fire (mine.py, line 7)</li>" in page
        assert "Every trial failed: fix that and run it again." in page
        assert "winnow work" not in page


def test_a_study_with_several_objectives_shows_its_front_and_the_best_of_each(serve: Serve, tmp_path: Path) -> None:
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    study = optuna.create_study(storage=served.storage, study_name="two", directions=["maximize", "minimize"])
    for values in ([0.5, 10.0], [0.9, 120.0], [0.4, 20.0]):
        study.add_trial(optuna.create_trial(values=values))
    with served.client() as client:
        assert "maximize, the first of 2 objectives" in client.get("/winnow/").text
        page = client.get("/winnow/two").text
        assert "maximize objective 0, minimize objective 1" in page
        assert 'Pareto front</dt><dd class="large">2<' in page
        assert 'best objective 1 <a href="/winnow/studies/1/trials/0">10.0000</a>' in page
        now = client.get("/winnow/api/studies/1").json()
        assert (now["front"], now["objectives"][1]["number"], now["best"]["number"]) == ([0, 1], 0, 1)


def test_a_study_that_weighs_its_value_against_a_cost_shows_both(serve: Serve, tmp_path: Path) -> None:
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    spec = check({**SPEC, "against": "parameters", "pruner": {"name": "none"}}, "SPEC")
    study = studies.create(served.storage, spec).optuna
    for value, parameters in ((0.5, 10), (0.9, 120), (0.4, 20)):
        trial = study.ask()
        trial.set_user_attr("winnow:training", {"parameters": parameters})
        study.tell(trial, [value, parameters])
    with served.client() as client:
        assert 'id="front-parameters">Value against size<' in client.get("/winnow/studies/1/parts/pictures").text


def test_a_study_of_which_trials_ran_other_code_says_so(serve: Serve, tmp_path: Path) -> None:
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    study = optuna.create_study(storage=served.storage, study_name="mixed")
    codes: list[Any] = [
        {"mine": "a", "helper": "b"},
        {"mine": "a", "helper": "c"},
        {"mine": "a", "<i>": 1},
        "none",
        None,
    ]
    said = "same code, so they compare only so far: helper (2 versions)."
    with served.client() as client:
        for code in codes:
            study.add_trial(optuna.create_trial(value=1.0, user_attrs={"winnow:run": {"code": code}}))
        assert client.get(f"/winnow/api/studies/{study._study_id}").json()["mixed_code"] == {"helper": 2}
        assert said in client.get("/winnow/mixed").text
    record = study_reader.load(served.storage, "mixed")
    assert study_record.mixed_code(record) == {"helper": 2}
    assert any(said in sentence for sentence in summary.sentences(record))


def test_the_list_leads_to_every_study_whatever_its_name(serve: Serve, sqlite_url: str) -> None:
    served = serve(sqlite_url, local=True)
    names = ["api", "a/b c", "../up", "ü?#", "studies", "..", " "]
    for name in names:
        optuna.create_study(storage=served.storage, study_name=name)
    with served.client() as client:
        page = client.get("/winnow/").text
        links = [part.partition('"')[0] for part in page.split('<th scope="row"><a href="')[1:]]
        titles = [client.get(link).text.partition("<h1>")[2].partition("</h1>")[0] for link in links]
        assert sorted(titles) == sorted(names)


def test_the_page_hears_of_every_change(serve: Serve, tmp_path: Path) -> None:
    study = told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    with served.client() as client, client.stream("GET", "/winnow/studies/1/events") as answer:
        stream = events(answer)
        before = next(stream)
        trial = study.optuna.ask({"lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)})
        study.optuna.tell(trial, 0.97)
        for after in stream:
            if after["trials"] != before["trials"]:
                break
        assert "0.97" in str(after["sections"])


def test_many_open_pages_cost_one_look(serve: Serve, tmp_path: Path) -> None:
    told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    channel = served.application.own.state.watching.channel(1)
    channel.every = 3600.0
    with served.client() as client:
        streams = [client.stream("GET", "/winnow/studies/1/events") for _ in range(10)]
        heard = [events(stream.__enter__()) for stream in streams]
        for one in heard:
            assert next(one)["sections"]
        assert channel.looks == 1
        for stream in streams:
            stream.__exit__(None, None, None)


def test_it_says_that_the_database_is_away_and_goes_on_when_it_is_back(
    serve: Serve, postgres: PostgresServer, postgres_url: str
) -> None:
    served = serve(postgres_url)
    optuna.create_study(storage=served.storage, study_name="s")
    with served.client("reader") as client, client.stream("GET", "/winnow/studies/1/events") as answer:
        stream = events(answer)
        assert next(stream)["outage"] == ""
        assert client.get("/winnow/s").status_code == 200
        postgres.stop()
        try:
            assert "does not answer" in str(next(stream)["outage"])
            page = client.get("/winnow/s")
            assert page.status_code == 200
            assert "does not answer" in page.text, "who was known stays known, and sees what was seen last"
            stranger = client.get("/winnow/", headers={"Authorization": "Bearer winnow_" + "x" * 43})
            assert stranger.status_code == 503
        finally:
            postgres.start()
        assert next(after for after in stream if not after["outage"])["sections"]
        assert client.get("/winnow/api/studies").json()[0]["study"] == "s"


def login(served: Served, secret: str, **fields: str) -> httpx.Response:
    headers = {"Origin": served.url}
    with httpx.Client(base_url=served.url) as browser:
        return browser.post("/winnow/login", data={"token": secret, **fields}, headers=headers)


def test_a_person_logs_in_and_out(served: Served) -> None:
    with httpx.Client(base_url=served.url, headers={"Accept": "text/html", "Origin": served.url}) as browser:
        led = browser.get("/winnow/told")
        assert (led.status_code, led.headers["location"]) == (303, "/winnow/login?next=/winnow/told")
        wrong = browser.post("/winnow/login", data={"token": "winnow_guessed"})
        assert wrong.status_code == 401
        assert COOKIE not in browser.cookies
        done = browser.post("/winnow/login", data={"token": served.secret("reader"), "next": "/winnow/"})
        assert (done.status_code, done.headers["location"]) == (303, "/winnow/")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert browser.get("/winnow/").status_code == 200
        kept = dict(browser.cookies)
        assert browser.post("/winnow/logout").headers["location"] == "/winnow/login"
        browser.cookies.update(kept)
        assert browser.get("/winnow/").status_code == 303, "a session that was ended is not taken again"


def test_behind_tls_the_cookie_is_secure(served: Served) -> None:
    headers = {"Origin": served.url.replace("http:", "https:"), "X-Forwarded-Proto": "https"}
    answer = httpx.post(f"{served.url}/winnow/login", data={"token": served.secret("reader")}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


def test_a_login_leads_to_no_other_site(served: Served) -> None:
    for target in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y"):
        assert login(served, served.secret("reader"), next=target).headers["location"] == "/winnow/"


def test_guessing_is_slowed_down_and_what_is_right_is_not(served: Served) -> None:
    answers = [login(served, f"winnow_{number}") for number in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert login(served, served.secret("reader")).status_code == 303
    with httpx.Client(base_url=served.url, headers={"Authorization": "Bearer winnow_guessed"}) as guessing:
        answer = guessing.get("/winnow/api/studies")
        assert answer.status_code == 429, "a bearer token is guessed no faster"
        assert 0 < int(answer.headers["retry-after"]) <= 60
    with served.client("reader") as reader:
        assert reader.get("/winnow/api/studies").status_code == 200


WEIRD: dict[str, list[tuple[str, str, object]]] = {
    "spec": [("study", "winnow:spec", content) for content in (7, "text", [1], None, {"budget": "all of it"})],
    "stopped": [("study", "winnow:stopped", content) for content in (7, ["reason"], {"reason": {"deep": 1}})],
    "constraints": [("trial", "constraints", content) for content in (7, "abc", {"a": 1}, [None, "x"], [[1]])],
    "a constraint": [("trial", "constraints:memory", content) for content in ("abc", None, [1], {"a": 1}, math.nan)],
    "records": [
        ("attribute", f"winnow:{name}", content)
        for name in ("run", "training", "config", "epochs", "reason", "baseline", "outcome", "would_prune")
        for content in (7, "text", [1, None], {"device_seconds": "abc", "epoch": []})
    ],
}


@pytest.mark.parametrize("kind", WEIRD)
def test_one_bad_row_harms_no_other_study(serve: Serve, tmp_path: Path, kind: str) -> None:
    told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    for number, (where, key, content) in enumerate(WEIRD[kind]):
        study = optuna.create_study(storage=served.storage, study_name=f"weird {number}")
        trial = study.ask()
        if where == "study":
            study.set_user_attr(key, content)
        elif where == "trial":
            served.storage.set_trial_system_attr(trial._trial_id, key, content)
        else:
            trial.set_user_attr(key, content)
        study.tell(trial, 1.0 if number % 2 else None, state=None if number % 2 else optuna.trial.TrialState.FAIL)
    with served.client() as client:
        listed = client.get("/winnow/api/studies").json()
        assert len(listed) == 1 + len(WEIRD[kind])
        assert listed[-1]["best"] == 0.9
        assert client.get("/winnow/").status_code == 200
        for entry in listed:
            page = client.get(f"/winnow/studies/{entry['study_id']}")
            assert page.status_code == 200, entry
            for part in ("pictures", "conclusions", "hyperparameters"):
                answer = client.get(f"/winnow/studies/{entry['study_id']}/parts/{part}")
                assert answer.status_code in (200, 409), (entry, part)
            assert client.get(f"/winnow/studies/{entry['study_id']}/trials/0").status_code == 200, entry
            assert client.get(f"/api/studies/{entry['study_id']}").status_code == 200, entry


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trial_user_attributes SET value_json = 'no json' WHERE key = 'winnow:reason'",
        "UPDATE trials SET datetime_start = 'yesterday' WHERE study_id = 2",
        "UPDATE trial_system_attributes SET value_json = '' WHERE key LIKE 'constraints%'",
        "DELETE FROM study_directions WHERE study_id = 2",
        "UPDATE trials SET state = 'SLEEPING' WHERE study_id = 2",
    ],
)
def test_a_study_that_cannot_be_read_is_one_line_in_the_list(serve: Serve, tmp_path: Path, damage: str) -> None:
    told(tmp_path, VALUES)
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    study = optuna.create_study(storage=served.storage, study_name="broken")
    trial = study.ask()
    trial.set_user_attr("winnow:reason", "none")
    served.storage.set_trial_system_attr(trial._trial_id, "constraints", [1.0])
    study.tell(trial, 1.0)
    with sqlite3.connect(tmp_path / "winnow.db") as connection:
        connection.execute(damage)
    with served.client() as client:
        for _ in range(2):
            broken, told_one = client.get("/winnow/api/studies").json()
            assert (told_one["study"], told_one["best"], told_one["fault"]) == ("told", 0.9, "")
            assert broken["fault"].startswith("this study cannot be read: ")
            served.application.own.state.watching.entries.expire()
        page = client.get("/winnow/").text
        assert "this study cannot be read: " in page
        assert '<a href="/winnow/told">told</a>' in page
        shown = client.get("/winnow/broken", headers={"Accept": "text/html"})
        assert (shown.status_code, "this study cannot be read" in shown.text) == (409, True)
        assert client.get("/winnow/told").status_code == 200


@pytest.mark.parametrize("where", ["study", "study system", "trial"])
def test_a_study_with_100000_attributes_is_shown_at_once(serve: Serve, tmp_path: Path, where: str) -> None:
    told(tmp_path, VALUES)
    table, owner = {
        "study": ("study_user_attributes", "study_id"),
        "study system": ("study_system_attributes", "study_id"),
        "trial": ("trial_user_attributes", "trial_id"),
    }[where]
    with sqlite3.connect(tmp_path / "winnow.db") as connection:
        connection.executemany(
            f"INSERT INTO {table} ({owner}, key, value_json) VALUES (1, ?, ?)",
            [(f"attribute {number}", json.dumps("x" * 100)) for number in range(100_000)],
        )
    served = serve(f"sqlite:///{tmp_path}/winnow.db", local=True)
    with served.client() as client:
        assert "trial 1, baseline 0.5" in client.get("/winnow/studies/1").text
        began = time.process_time()
        for path in ("", *(f"/parts/{part}" for part in ("pictures", "conclusions", "hyperparameters"))):
            answer = client.get(f"/winnow/studies/1{path}")
            assert answer.status_code == 200, path
        assert time.process_time() - began < 2, "seconds of this process, whatever else the machine does"
        assert "attribute 99999" not in client.get("/winnow/studies/1/trials/0").text
        assert client.get("/winnow/").status_code == 200
