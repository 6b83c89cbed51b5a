"""The front of value against cost, of studies with one objective and with two."""

import io
import json
import random
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner
from optuna.trial import TrialState
from rich.console import Console

from example_search import searched
from winnow import storage
from winnow.errors import SpecError, StudyError
from winnow.search.analysis import study_reader, summary
from winnow.search.analysis.pareto import Point, front
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.analysis.study_view import StudyView
from winnow.search.cli.main import cli
from winnow.search.report.terminal import status_screen
from winnow.search.report.terminal.progress import Progress
from winnow.search.study import study as studies
from winnow.search.study.schedulers import Direction
from winnow.search.study.validation import check

SPEC = {
    "name": "s",
    "data": {"name": "digits"},
    "against": "parameters",
    "pruner": {"name": "none"},
    "budget": {"trials": 9},
}


def with_results(results: list[tuple[float, int]]) -> StudyRecord:
    history = searched(len(results))
    trials = tuple(
        replace(trial, state="COMPLETE", value=value, training={"parameters": parameters})
        for trial, (value, parameters) in zip(history.trials, results, strict=True)
    )
    return replace(history, trials=trials)


def test_only_what_nothing_beats_in_both_is_on_the_front() -> None:
    history = with_results([(0.7, 100), (0.9, 300), (0.8, 200), (0.75, 250), (0.9, 400), (0.7, 50), (0.6, 100)])
    assert front(history, "parameters") == [Point(5, 0.7, 50), Point(2, 0.8, 200), Point(1, 0.9, 300)]


@pytest.mark.parametrize("directions", [["maximize", "minimize"], ["minimize", "minimize", "maximize"]])
def test_the_front_of_several_objectives_is_the_one_of_optuna(tmp_path: Path, directions: list[Direction]) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/s.db", create=True)
    study = optuna.create_study(storage=opened, study_name="s", directions=directions)
    view = StudyView(opened, study._study_id)
    draws = random.Random(1)
    for number in range(60):
        assert view.status().front == sorted(trial.number for trial in study.best_trials)
        state = TrialState.FAIL if number % 7 == 3 else TrialState.COMPLETE
        values = [round(draws.random(), 1) for _ in directions]
        limit = {} if number % 5 else {"constraints": [1.0]}
        trial = optuna.create_trial(
            state=state, values=values if state is TrialState.COMPLETE else None, system_attrs=limit
        )
        study.add_trial(trial)
    now = view.status()
    assert now.front == sorted(trial.number for trial in study.best_trials)
    for place, each in enumerate(now.objectives):
        best = max if each.direction == "maximize" else min
        assert (each.metric, each.direction) == (f"objective {place}", directions[place])
        assert each.value == best(trial.values[place] for trial in study.best_trials)
        assert each.number is not None
        assert study.trials[each.number].values[place] == each.value
    opened.database.release()


def test_a_study_with_two_objectives_says_its_front_and_the_best_of_each(tmp_path: Path) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/s.db", create=True)
    study = studies.create(opened, check(SPEC, "SPEC"))
    view = StudyView.of(study)
    assert (view.status().best_words, view.status().front) == ("", [])
    for values in ([0.7, 1000.0], [0.9, 3000.0], [0.8, 3000.0], [0.9, 3500.0]):
        trial = study.optuna.ask()
        study.optuna.tell(trial, values)
    now = view.status()
    words = "Pareto front of 2 trials, best objective value 0.9000 (trial 1) and parameters 1,000 (trial 0)"
    assert now.best_words == words
    asked = "winnow front s lists the trials that no other beats in both"
    for record in (view.record(), study_reader.load(opened, "s")):
        assert asked in " ".join(summary.sentences(record))
    console = Console(file=io.StringIO(), width=200)
    console.print(status_screen.status(now))
    assert f"{words}, baseline objective value 0.7000" in console.file.getvalue()  # type: ignore[attr-defined]
    assert words in Progress(console).line(now)
    assert now.as_dict()["objectives"][1] == {
        "metric": "parameters",
        "direction": "minimize",
        "value": 1000.0,
        "number": 0,
    }
    opened.database.release()


def test_less_is_better_where_the_study_minimises() -> None:
    history = replace(with_results([(0.7, 100), (0.9, 50), (0.8, 200)]), direction="minimize")
    assert [point.number for point in front(history, "parameters")] == [1, 0]


def test_pruned_trials_have_a_cost_and_no_result() -> None:
    history = searched(20)
    assert {point.number for point in front(history, "seconds")} <= {trial.number for trial in history.ranked}
    assert history.count("PRUNED") > 0


def test_a_study_without_costs_says_so() -> None:
    history = searched(3)
    history = replace(history, trials=tuple(replace(trial, training={}) for trial in history.trials))
    with pytest.raises(StudyError, match=r"its parameters; have its objective call trial.keep_model\(model\)"):
        front(history, "parameters")


def test_a_study_with_two_objectives_is_read_by_its_first() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 100.0), n_trials=3)
    history = study_reader.read(study, {})
    assert history.best is not None
    assert history.best.value == max(trial.values[0] for trial in study.trials)
    assert history.metric == "first objective value"
    said = "The study has 2 objectives, and all that is said and shown here is of the first alone"
    assert said in " ".join(summary.sentences(history))
    with pytest.raises(StudyError, match=r"has 2 objectives.*; leave --against out"):
        front(history, "seconds")


def test_front_of_a_study_of_stock_optuna_is_that_of_its_objectives(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    opened = storage.open(url, create=True)
    study = optuna.create_study(storage=opened, study_name="s", directions=["maximize", "minimize"])
    asked = ["front", "s", "--storage", url]
    result = CliRunner().invoke(cli, asked)
    assert (result.exit_code, "no trial of 's' has completed; run it on" in result.output) == (2, True)
    for values in ([0.7, 1000.0], [0.9, 3000.0], [0.8, 3000.0]):
        study.add_trial(optuna.create_trial(values=values))
    shown = CliRunner(env={"COLUMNS": "100"}).invoke(cli, asked).stdout.split()
    assert shown == ["trial", "objective", "0", "objective", "1", "0", "0.7000", "1,000", "1", "0.9000", "3,000"]
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["accuracy", "size"])
    assert json.loads(CliRunner().invoke(cli, [*asked, "--json"]).stdout) == [
        {"number": 0, "values": {"accuracy": 0.7, "size": 1000.0}},
        {"number": 1, "values": {"accuracy": 0.9, "size": 3000.0}},
    ]
    result = CliRunner().invoke(cli, [*asked, "--against", "seconds"])
    assert "has 2 objectives, and its front is of these, not of value and seconds" in result.output
    opened.database.release()


def test_what_two_objectives_cannot_be_combined_with() -> None:
    assert check(SPEC, "SPEC").directions == ["maximize", "minimize"]
    for change, says in (
        ({"pruner": {"name": "asha"}}, "Optuna cannot prune those"),
        ({"sampler": {"name": "cmaes"}}, "cmaes takes one"),
        ({"budget": {"trials": 9, "stagnation": 3}}, "no rule says when to stop early"),
    ):
        with pytest.raises(SpecError, match=says):
            check({**SPEC, **change}, "SPEC")
