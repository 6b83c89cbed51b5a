"""What a report finds of a confirmation and an ablation in the storage. Trainings are told, test scores too."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import update

from example_study import told, work
from winnow import storage
from winnow.objectives import held_out, snapshots
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.decision import Boundary, Curve, Decision
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train
from winnow.search.analysis import ablation, conclusions, confirm, importance, repetitions, study_reader, study_record
from winnow.search.analysis.seeds import Purpose
from winnow.search.analysis.study_view import StudyView
from winnow.search.report import report
from winnow.search.study.study import WinnowStudy
from winnow.storage import ledger
from winnow.storage.tables import ledger as ledger_table

DIGITS = DataSpec(name="digits")
EXAMPLES = ledger.Examples.of(held_out.examples(DIGITS))


def confirmed(study: WinnowStudy, score: Any) -> confirm.Confirmation:
    """Repeat the two best, and give the ledger what a reading of test data would have given."""
    plan = repetitions.plan_confirmation(study, top=2, seeds=3)
    while rows := repetitions.missing_rows(plan, repetitions.read_scores(plan)):
        work(repetitions.add_rows(plan, rows), score, weights)
    scores = repetitions.read_scores(plan)
    winner, _, _ = repetitions.choose_winner(plan, scores)
    repeated = [(number, seed) for number in (winner.number, 0) for seed in plan.seeds_for(Purpose.MEASURING)]
    names = [repetitions.weights_name(plan, *model) for model in repeated]
    told = zip(names, [0.8, 0.82, 0.81, 0.7, 0.71, 0.72], strict=True)
    models = [{"weights": name, "score": value, "at_threshold": None} for name, value in told]
    entry = ledger.announce(study.storage.database, study.name, EXAMPLES, "a test", "told")
    ledger.conclude(study.storage.database, entry, EXAMPLES, models)
    return confirm.conclude(plan, scores)


def weights(config: Mapping[str, Any]) -> bytes:
    return snapshots.to_bytes(
        train(make_config({**config, "epochs": 1}), loading.load(DIGITS), lambda *_: None).weights
    )


def read(study: WinnowStudy) -> study_record.StudyRecord:
    return study_reader.load(study.storage, study.name)


def score(row: dict[str, Any]) -> float:
    return {0: 0.5, 1: 0.6, 2: 0.8}[row["trial"]] + float(row["seed"] % 7) / 1000


def test_a_search_alone_has_no_conclusions(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9])
    assert conclusions.load(study.storage, read(study)) == conclusions.Conclusions(spec=study.spec)


def test_a_study_of_stock_optuna_has_none(tmp_path: Path) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db", create=True)
    stock = optuna.create_study(study_name="stock", storage=opened)
    assert conclusions.load(opened, study_reader.read(stock, {})) == conclusions.Conclusions()


def test_a_confirmation_is_found_as_it_was_concluded_though_the_search_went_on(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8])
    concluded = confirmed(study, score)
    assert concluded.winner_number == 2
    assert conclusions.load(study.storage, read(study)).confirmation == concluded
    study.optuna.add_trial(optuna.trial.create_trial(value=0.95))
    assert conclusions.load(study.storage, read(study)).confirmation.winner == concluded.winner  # type: ignore[union-attr]
    (entry,) = ledger.entries(study.storage.database, study.name)  # test data are not read again
    earlier = {"models": [[2, 232141534], [0, 3523303707]], "scores": [0.8, 0.7], "at_threshold": []}
    of_it = update(ledger_table).where(ledger_table.c.entry == entry.entry)
    study.storage.database.execute(of_it.values(results=earlier))
    assert conclusions.load(study.storage, read(study)).confirmation is None, "an earlier version wrote otherwise"


def test_to_judge_fewer_of_the_models_that_were_read_is_another_look(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8])
    assert confirmed(study, score).error == 0.05
    for seeds, before in ((2, 1), (3, 0), (2, 1)):
        plan = repetitions.plan_confirmation(study, top=2, seeds=seeds)
        found = confirm.conclude(plan, repetitions.read_scores(plan))
        assert (len(found.winner_on_test.scores), found.read_before) == (seeds, before)
        assert found.error == 0.05 / (before + 1) ** 2
    assert [len(entry.models) for entry in ledger.entries(study.storage.database)] == [6, 0]


def test_how_a_winner_of_two_classes_decides_is_remembered(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9])
    plan = repetitions.plan_confirmation(study, top=1, seeds=1)
    repetitions.add_rows(plan, repetitions.missing_rows(plan, {}))
    plane = Boundary([0.0, 1.0], [0.0, 1.0], [[0.1, 0.9], [0.2, 0.8]], [[0.1, 0.2]], [0])
    decided = Decision(Curve([1.01, 0.5], [0.0, 1.0], [0.0, 1.0]), 0.8, 0.9, plane)
    for found in (decided, replace(decided, boundary=None), None):
        repetitions.record_plan(plan, found)
        assert repetitions.recorded_decision(study) == found


def test_ablations_are_found_however_far_they_are(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9], [{}, {"lr": 0.05, "dropout": 0.4}])
    plan = ablation.plan_ablation(study, seeds=2, looks=1)
    work(ablation.add_trainings(plan, plan.design.next_trainings({})), lambda row: 0.5 + 0.2 * row["learning rate"])
    found = conclusions.load(study.storage, read(study))
    assert found.confirmation is None
    assert [each.name for each in found.ablations] == [plan.name]
    assert found.ablations[0].trainings > 0


def test_an_analysis_is_shown_as_no_search(tmp_path: Path) -> None:
    search = told(tmp_path, [0.5, 0.9, 0.8], [{}, {"lr": 0.05, "dropout": 0.4}, {"lr": 0.06, "dropout": 0.4}])
    confirmation = repetitions.plan_confirmation(search, top=2, seeds=2)
    repeated = repetitions.add_rows(confirmation, repetitions.missing_rows(confirmation, {}))
    plan = ablation.plan_ablation(search, seeds=2, looks=1)
    ablated = ablation.add_trainings(plan, plan.design.next_trainings({}))
    for analysis, value in ((repeated, score), (ablated, lambda row: 0.5 + 0.2 * row["learning rate"])):
        work(analysis, value)
    for study in (search, repeated, ablated):
        view = StudyView.of(study)
        view.status()
        for record in (study_reader.load(study.storage, study.name), view.record()):
            page = report.render(record, conclusions.load(study.storage, record))
            for command in ("winnow confirm", "winnow ablate"):
                assert (f"{command} {study.name}" in page) == (study is search), f"{command} for {study.name}"
            for words in ("won with", "The search ran", "best (trial"):
                assert (words in page) == (study is search), f"{words} of {study.name}"
            assert ("These are the planned trainings" in page) == (study is not search)
            _, refusal = importance.assess_if_enough(record)
            assert ("planned trainings" in refusal) == (study is not search)


def test_what_was_measured_of_a_deleted_search_is_not_shown_for_the_next_of_its_name(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8])
    confirmed(study, score)
    plan = ablation.plan_ablation(study, seeds=2, looks=1)
    work(ablation.add_trainings(plan, plan.design.next_trainings({})), lambda row: 0.5)
    optuna.delete_study(study_name=study.name, storage=study.storage)
    anew = told(tmp_path, [0.5])
    found = conclusions.load(anew.storage, read(anew))
    assert (found.confirmation, found.ablations) == (None, ())
