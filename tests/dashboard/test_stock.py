"""optuna-dashboard inside: everything that its page asks for is answered, on Winnow's storage."""

import optuna
import pytest

from dashboard_server import Served


@pytest.fixture
def study(served: Served) -> optuna.Study:
    """Five trials of which the best breaks a limit, and one that runs."""
    made = optuna.create_study(storage=served.storage, study_name="s", direction="maximize")
    for number in range(5):
        trial = made.ask({"x": optuna.distributions.FloatDistribution(0, 10)})
        trial.set_constraint("parameters", float(number - 3))
        trial.report(number / 2, 1)
        made.tell(trial, float(number))
    made.ask()
    return made


def test_its_page_shows_every_trial_and_the_best_feasible(served: Served, study: optuna.Study) -> None:
    with served.client("reader") as reader:
        (listed,) = reader.get("/api/studies").json()["study_summaries"]
        assert listed["study_name"] == "s"
        shown = reader.get("/api/studies/1", params={"after": 0}).json()
        assert [trial["state"] for trial in shown["trials"]] == ["Complete"] * 5 + ["Running"]
        assert [trial["number"] for trial in shown["best_trials"]] == [3], "trial 4 breaks the limit"
        assert [trial["constraints"] for trial in shown["trials"][:5]] == [[-3.0], [-2.0], [-1.0], [0.0], [1.0]]
        assert reader.get("/api/studies/1", params={"after": 6}).json()["trials"] == []
        for path in ("/dashboard", "/dashboard/studies/1", "/static/bundle.js", "/api/meta", "/favicon.ico", "/csv/1"):
            assert reader.get(path).status_code == 200, path
        for plot in ("contour", "slice", "parallel_coordinate", "rank", "edf", "timeline"):
            assert reader.get(f"/api/studies/1/plot/{plot}").status_code == 200, plot


def test_where_no_trial_is_feasible_it_shows_the_best_of_all(served: Served) -> None:
    made = optuna.create_study(storage=served.storage)
    trial = made.ask()
    trial.set_constraint("parameters", 1.0)
    made.tell(trial, 0.5)
    with served.client("reader") as reader:
        (best,) = reader.get("/api/studies/1").json()["best_trials"]
    assert best["number"] == 0


def test_what_is_no_usual_number_is_shown_as_well(served: Served) -> None:
    made = optuna.create_study(storage=served.storage)
    trial = made.ask({"seed": optuna.distributions.IntDistribution(0, 2**80)})
    trial.report(float("nan"), 1)
    made.tell(trial, float("inf"))
    with served.client("reader") as reader:
        (shown,) = reader.get("/api/studies/1").json()["trials"]
    assert shown["params"][0]["distribution"]["high"] == 2**80
    assert (shown["intermediate_values"][0]["value"], shown["values"]) == ("nan", ["inf"])


def test_notes_are_written_and_a_trial_is_told(served: Served, study: optuna.Study) -> None:
    with served.client("editor") as editor:
        note = {"version": 1, "body": "# seen"}
        assert editor.put("/api/studies/1/note", json=note).status_code == 204
        assert editor.put("/api/studies/1/6/note", json=note).status_code == 204
        assert editor.post("/api/trials/6/tell", json={"state": "Fail"}).status_code == 204
        shown = editor.get("/api/studies/1").json()
    assert shown["note"]["body"] == shown["trials"][5]["note"]["body"] == "# seen"
    assert study.trials[5].state == optuna.trial.TrialState.FAIL


def test_a_deleted_study_is_on_no_page_of_it(served: Served, study: optuna.Study) -> None:
    with served.client("admin") as admin:
        wrong = admin.request("DELETE", "/winnow/api/studies/1", json={"confirm": "S"})
        assert wrong.status_code == 422
        assert admin.request("DELETE", "/winnow/api/studies/1", json={"confirm": "s"}).status_code == 204
        assert admin.get("/api/studies").json()["study_summaries"] == []
        assert admin.get("/api/studies/1").status_code == 404
        assert admin.get("/winnow/api/studies").json() == []
        assert admin.get("/winnow/api/studies/1").status_code == 404
        assert admin.get("/winnow/s").status_code == 404
