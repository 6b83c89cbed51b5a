"""The JSON API: what it says and does, and that its own description holds against requests that nobody foresaw."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dashboard_server import Serve, Served
from example_study import SPEC, told
from winnow.errors import StudyError
from winnow.records import ENGINE_JOB
from winnow.search.analysis import status as standing
from winnow.search.study import study as studies
from winnow.storage.activity import State, state_of
from winnow.storage.budget import end_now

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Served:
    """A dashboard on a study of six trials."""
    told(tmp_path, [0.5, 0.9, None, 0.7, 0.8, 0.6])
    return serve(f"sqlite:///{tmp_path}/winnow.db")


def test_every_operation_keeps_its_description(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.secret('admin')}"}
    schema = schemathesis.openapi.from_url(f"{served.url}/winnow/api/openapi.json", headers=headers)
    operations = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # an error has none
    assert len(operations) == 15
    for operation in operations:
        if operation.method == "post" and "/analyses/" in operation.path:
            continue  # which starts commands that train

        @seed(1)
        @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        check()


def test_a_study_in_numbers(served: Served) -> None:
    with served.client("reader") as reader:
        (listed,) = reader.get("/winnow/api/studies").json()
        assert (listed["study"], listed["finished"], listed["best"]) == ("told", 6, 0.9)
        now = reader.get("/winnow/api/studies/1").json()
        assert (now["best"]["number"], now["baseline"], now["states"]) == (1, 0.5, {"COMPLETE": 5, "FAIL": 1})
        some = reader.get("/winnow/api/studies/1/trials", params={"after": 2, "limit": 2}).json()
        assert [trial["number"] for trial in some] == [3, 4]
        assert set(some[0]["parameters"]) == {"lr", "dropout"}
        last = some[-1]["ended"]
        for since, numbers in ((last, [5]), ("2000-01-01T00:00:00", [0, 1, 2, 3, 4, 5])):
            changed = reader.get("/winnow/api/studies/1/trials", params={"after": 4, "ended_since": since}).json()
            assert {trial["number"] for trial in changed} >= set(numbers)
        assert reader.get("/winnow/api/studies/1/trials/3").json()["value"] == 0.7
        assert "history" in {figure["name"] for figure in reader.get("/winnow/api/studies/1/figures").json()}
        assert reader.get("/winnow/api/studies/1/curves").json()["trials"] == [], "these trials reported no epoch"
        assert reader.get("/winnow/api/studies/1/report").text.startswith("<!doctype html>")
        assert "number,state" in reader.get("/winnow/api/studies/1/export/trials.csv").text


def test_an_editor_submits_steers_and_asks_for_a_trial(served: Served) -> None:
    with served.client("editor") as editor:
        made = editor.post("/winnow/api/studies", json={"spec": {**SPEC, "name": "second"}})
        assert (made.status_code, made.json()["study"]) == (201, "second")
        assert studies.load(served.storage, "second").spec.budget.trials == 100
        number = made.json()["study_id"]
        for wish, state in (("pause", State.PAUSED), ("stop", State.STOPPED), ("resume", State.ACTIVE)):
            answer = editor.post(f"/winnow/api/studies/{number}/{wish}")
            assert (answer.status_code, answer.json()["answer"]) == (200, f"second is {state}.")
            assert state_of(served.storage.database, number) == state
        asked = editor.post(f"/winnow/api/studies/{number}/trials", json={"parameters": {"lr": 0.01}})
        assert asked.status_code == 201
        waiting = studies.load(served.storage, "second").optuna.get_trials(deepcopy=False)
        assert waiting[-1].system_attrs["fixed_params"] == {"lr": 0.01}


def test_a_finished_study_is_not_steered(served: Served) -> None:
    end_now(served.storage.database, 1)
    with served.client("editor") as editor:
        answer = editor.post("/winnow/api/studies/1/pause")
    assert answer.status_code == 409
    with pytest.raises(StudyError, match="is finished") as refused:
        standing.refuse_finished(studies.load(served.storage, served.storage.get_study_name_from_id(1)))
    assert answer.json()["reason"] == str(refused.value), "as the commands say it"
    assert state_of(served.storage.database, 1) == State.ACTIVE


def test_a_stop_cancels_the_job_of_a_cluster_or_says_where_to(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"engine": "slurm", "name": "41", "address": None}
    study = studies.load(served.storage, served.storage.get_study_name_from_id(1))
    study.optuna.set_user_attr(ENGINE_JOB, job)
    scancel = tmp_path / "scancel"
    scancel.write_text('#!/bin/sh\necho "$@" > "$0.said"\n')
    scancel.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with served.client("editor") as editor:
        assert editor.post("/winnow/api/studies/1/pause").json()["answer"] == f"{study.name} is paused."
        assert not (tmp_path / "scancel.said").exists()
        answer = editor.post("/winnow/api/studies/1/stop").json()["answer"]
        assert answer == f"{study.name} is stopped. Slurm job 41 is cancelled."
        assert (tmp_path / "scancel.said").read_text().split()[-1] == "41"
        scancel.unlink()
        answer = editor.post("/winnow/api/studies/1/stop").json()["answer"]
    assert answer.startswith(f"{study.name} is stopped. Slurm job 41 could not be cancelled from here (")
    assert answer.endswith(f"); where its engine is reached, type: winnow stop {study.name}")
    assert state_of(served.storage.database, 1) == State.STOPPED, "its workers hear it all the same"


@pytest.mark.parametrize(
    ("path", "sent", "status", "said"),
    [
        ("", {"spec": {**SPEC, "name": "no good"}}, 422, "name"),
        ("", {"spec": {"name": "mine", "objective": "os:system", "budget": {"trials": 1}}}, 422, "where the code is"),
        ("", {"spec": {**SPEC, "fixed": {"model": "mlp", "epochs": 3}}}, 409, "exists with another [fixed]"),
        ("/1/trials", {"parameters": {"momentum": 0.5}}, 409, "momentum is not searched"),
        ("/1/trials", {"parameters": {"lr": 7.0}}, 409, "give a number from 0.0001 to 0.1"),
        ("/1/trials", {"parameters": {}}, 422, "parameters"),
        ("/1/explode", {}, 403, "there is no such thing in the API"),
        ("/9/stop", {}, 404, "there is no study"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    served: Served, path: str, sent: dict[str, Any], status: int, said: str
) -> None:
    with served.client("editor") as editor:
        answer = editor.post(f"/winnow/api/studies{path}", json=sent)
    assert answer.status_code == status
    assert said in answer.json()["reason"]
    assert [study.study_name for study in served.storage.get_all_studies()] == ["told"]


DEEP = '{"a":' * 200 + "1" + "}" * 200


@pytest.mark.parametrize(
    "body",
    [
        *(json.dumps({"spec": {**SPEC, "budget": {"trials": number}}}) for number in (10**400, 2**31, 2**63, 0, -1)),
        '{"spec": {"name": "new", "budget": {"trials": 1' + "0" * 5000 + "}}}",
        *(
            f'{{"spec": {{"name": "new", "budget": {{"{key}": {number}}}}}}}'
            for key in ("hours", "priority")
            for number in ("1e999", "NaN", "-1")
        ),
        "[" * 100_000,
        f'{{"spec": {DEEP}}}',
        f'{{"spec": {{"name": "new", "search": {DEEP}}}}}',
        *("[]", "7", "null", '"spec"', "no json", "\ud800".encode("utf-8", "surrogatepass")),
    ],
    ids=lambda body: str(body)[:30],
)
def test_a_body_that_cannot_be_makes_no_study(served: Served, body: str | bytes) -> None:
    with served.client("editor") as editor:
        for path in ("", "/1/trials"):
            answer = editor.post(
                f"/winnow/api/studies{path}", content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 422, answer.text
            assert answer.json()["reason"]
        many = editor.post("/winnow/api/studies/1/trials", content='{"parameters": {"lr": 1' + "0" * 400 + "}}")
        assert many.status_code in (409, 422)
    assert [study.study_name for study in served.storage.get_all_studies()] == ["told"]


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "..", "a/b", "", "a\x00b", "x" * 5000, "\\..\\b", " "])
def test_a_reports_name_leads_out_of_no_folder(name: str) -> None:
    from winnow.search.api.results import file_name

    assert (Path("reports") / f"{file_name(name)}.html").resolve().parent == Path("reports").resolve()
    assert 0 < len(file_name(name)) <= 100
    assert file_name("digits-2.ü") == "digits-2.ü"
