"""Who is repeated, on which seeds, and who comes out ahead."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from example_study import told, work
from winnow.errors import StudyError
from winnow.search.analysis import repetitions
from winnow.search.analysis.repetitions import ConfirmationPlan
from winnow.search.analysis.study_record import TrialRecord
from winnow.search.analysis.study_view import StudyView


def run(plan: ConfirmationPlan, value: Any) -> dict[tuple[int, int], float | None]:
    """Work until nothing is wanted any more; `value` gives the score of each row."""
    while rows := repetitions.missing_rows(plan, repetitions.read_scores(plan)):
        work(repetitions.add_rows(plan, rows), value)
    return repetitions.read_scores(plan)


def test_the_best_are_compared_and_the_first_of_them_measured_on_other_seeds(tmp_path: Path) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, [0.5, 0.9, 0.8, 0.7, None]), top=2, seeds=3)
    assert [trial.number for trial in plan.candidates] == [1, 2]
    scores = run(plan, lambda row: {0: 0.5, 1: 0.6, 2: 0.8}[row["trial"]] + row["seed"] % 7 / 1000)
    winner, compared, dropped = repetitions.choose_winner(plan, scores)
    assert winner.number == 2, "the luckiest of the search is not the best on fresh seeds"
    assert set(compared) == {0, 1, 2}
    assert not dropped
    seeds = {number: [seed for trial, seed in scores if trial == number] for number in (0, 1, 2)}
    assert len(seeds[1]) == 3
    assert len(set(seeds[2])) == len(set(seeds[0])) == 6, "three that chose and three that measure"
    assert repetitions.best_group(plan, compared) == (2,)


def test_a_single_candidate_is_measured_at_once(tmp_path: Path) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, [0.5, 0.9, 0.8]), top=1, seeds=3)
    assert len(run(plan, lambda row: 0.7)) == 6


def test_more_seeds_go_on_with_the_same_study(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8])
    before = run(repetitions.plan_confirmation(study, top=2, seeds=2), lambda row: row["trial"] / 10)
    after = run(repetitions.plan_confirmation(study, top=2, seeds=4), lambda row: row["trial"] / 10)
    assert len(before) == 2 * 3 + 2 * 2
    assert len(after) == 4 * 3 + 4 * 2
    assert before.items() <= after.items()


def test_where_an_objective_seeds_itself_all_its_repetitions_are_one(tmp_path: Path) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, [0.5, 0.9, 0.8]), top=2, seeds=3)
    scores = run(plan, lambda row: row["trial"] / 10)
    own = replace(plan.study, spec=plan.study.spec.model_copy(update={"objective": "mine:fit"}))
    for study, counted in ((plan.study, 3), (own, 1)):
        asked = replace(plan, study=study)
        _, compared, _ = repetitions.choose_winner(asked, scores)
        assert {len(sample.scores) for sample in compared.values()} == {counted}
        assert (len(repetitions.best_group(asked, compared)) == 1) == (counted == 3), "one tells nothing apart"


def test_who_cannot_be_repeated_drops_out(tmp_path: Path) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, [0.5, 0.9, 0.8]), top=2, seeds=2)
    scores = run(plan, lambda row: None if row["trial"] == 1 else 0.7)
    winner, _, dropped = repetitions.choose_winner(plan, scores)
    assert winner.number == 2
    assert dropped == {1: "2 of its 2 repetitions did not complete"}


def test_a_configuration_counts_once_whatever_its_seed(tmp_path: Path) -> None:
    same = {"lr": 0.01, "dropout": 0.2}
    plan = repetitions.plan_confirmation(told(tmp_path, [0.5, 0.9, 0.8, 0.7], [{}, same, same]), top=3, seeds=2)
    assert [trial.number for trial in plan.candidates] == [1, 3]


def test_a_baseline_that_nothing_beats_may_win(tmp_path: Path) -> None:
    study = told(tmp_path, [0.9, 0.8])
    plan = repetitions.plan_confirmation(study, top=5, seeds=2)
    scores = run(plan, lambda row: 0.9 - row["trial"] / 10)
    assert repetitions.choose_winner(plan, scores)[0].number == 0


def test_without_a_baseline_the_best_are_still_compared(tmp_path: Path) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, [None, 0.9, 0.8]), top=5, seeds=2)
    assert plan.baseline is None
    assert plan.most_trainings == 2 * (2 + 1), "nobody is measured beside the winner"
    assert repetitions.choose_winner(plan, run(plan, lambda row: row["trial"] / 10))[0].number == 2


@pytest.mark.parametrize("values", [[0.5, 0.9, 0.8], [None, 0.9], [0.5, *[0.6 + number / 100 for number in range(9)]]])
def test_what_a_confirmation_will_take_is_known_beforehand(tmp_path: Path, values: list[float | None]) -> None:
    plan = repetitions.plan_confirmation(told(tmp_path, values), top=repetitions.TOP, seeds=repetitions.SEEDS)
    scores = run(plan, lambda row: 0.5 + row["trial"] / 100)
    assert repetitions.usual_trainings(plan.record) == plan.most_trainings == len(scores)


def test_nothing_to_confirm(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="has no finished trial yet"):
        repetitions.plan_confirmation(told(tmp_path, []), top=5, seeds=2)
    (tmp_path / "other").mkdir()
    with pytest.raises(StudyError, match="nothing but the baseline has completed"):
        repetitions.plan_confirmation(told(tmp_path / "other", [0.9]), top=5, seeds=2)


def test_who_watches_hears_when_trainings_end_and_when_they_are_concluded(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8])
    plan, view = repetitions.plan_confirmation(study, top=1, seeds=2), StudyView.of(study)
    versions = [view.status().conclusions_version]
    run(plan, lambda row: 0.7)
    versions.append(view.status().conclusions_version)
    for seeds in (2, 3):
        repetitions.record_plan(replace(plan, seeds=seeds))  # after the reading of test data
        versions.append(view.status().conclusions_version)
    assert len(set(versions)) == 4
    assert view.status().conclusions_version == versions[-1]
    study.storage.database.release()


def test_no_more_trials_are_compared_than_it_takes_to_find_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = told(tmp_path, [number / 40 for number in range(40)])
    looked_at = Counter[int]()
    trained: Any = vars(TrialRecord)["trained"].fget

    def noted(trial: TrialRecord) -> dict[str, Any]:
        looked_at[trial.number] += 1
        return trained(trial)

    monkeypatch.setattr(TrialRecord, "trained", property(noted))
    plan = repetitions.plan_confirmation(study, top=2, seeds=2)
    assert [trial.number for trial in plan.candidates] == [39, 38]
    assert max(looked_at.values()) <= 2, "of ten thousand, all pairs took the dashboard's server a quarter of a minute"
    study.storage.database.release()
