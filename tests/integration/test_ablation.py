"""An ablation as a study: its rows, its methods, its rounds, and what it refuses. Trainings are told, not run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from example_study import told, work
from winnow.errors import StudyError
from winnow.search.analysis import ablation, answers
from winnow.search.analysis.ablation import AblationPlan
from winnow.search.report.ablation import chapter
from winnow.search.study.validation import check
from winnow.storage import designs

BEST = {"lr": 0.05, "dropout": 0.4, "crop": True, "crop_padding": 2}
BASELINE = {"crop": False, "crop_padding": 4}


def run(plan: AblationPlan, value: Any, rounds: int = 100) -> None:
    while (wanted := plan.design.next_trainings(ablation.read_scores(plan))) and rounds:
        work(ablation.add_trainings(plan, wanted), value)
        rounds -= 1


def good(row: dict[str, Any]) -> float:
    return 0.5 + 0.2 * row["learning rate"] - 0.1 * row["dropout"] + row["seed"] % 11 / 1e4


def test_from_the_baseline_to_the_best_by_methods_that_people_name(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.7], [BASELINE, BEST])
    plan = ablation.plan_ablation(study, seeds=3, looks=2)
    assert plan.methods == {
        "learning rate": {"lr": (0.001, 0.05)},
        "dropout": {"dropout": (0.0, 0.4)},
        "augmentation": {"crop": (False, True), "crop_padding": (4, 2)},
    }
    run(plan, good)
    found = ablation.conclude(plan)
    assert found.complete
    assert {effect.method: effect.verdict for effect in found.alone} == {
        "learning rate": "helps",
        "dropout": "hurts",
        "augmentation": "inconclusive",
    }
    assert [effect.method for effect in found.path] == ["learning rate", "augmentation", "dropout"]
    rows = designs.read(study.storage.database, study.storage.get_study_id_from_name(plan.name))
    assert len({tuple(sorted(row.parameters.items())) for row in rows}) == len(rows), "nothing is trained twice"
    first = next(row for row in rows if row.parameters["augmentation"] and not row.parameters["dropout"])
    assert (first.config["crop"], first.config["crop_padding"], first.config["dropout"]) == (True, 2, 0.0)
    assert first.config["seed"] == first.parameters["seed"]
    said = " ".join(sentence for answer in answers.answers(found) for sentence in answer.sentences)
    assert "Alone, learning rate makes the biggest difference" in said
    assert "Augmentation: no effect here, every training is the same with and without it." in said


def test_methods_can_be_regrouped(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9], [BASELINE, BEST])
    plan = ablation.plan_ablation(study, groups={"regularisation": ["dropout", "crop", "crop_padding"]})
    assert set(plan.methods) == {"learning rate", "regularisation"}
    assert ablation.recorded_plans(study, plan.record) == []
    ablation.add_trainings(plan, plan.design.next_trainings({}))
    (again,) = ablation.recorded_plans(study, plan.record)
    assert (again.name, again.methods, again.design) == (plan.name, plan.methods, plan.design), "known to whoever reads"
    with pytest.raises(StudyError, match="there is no hyperparameter 'dropuot'; did you mean 'dropout'"):
        ablation.plan_ablation(study, groups={"regularisation": ["dropuot"]})
    methods = {"ablation": {"methods": {"everything": ["lr", "dropout", "crop", "crop_padding"]}}}
    by_spec = replace(study, spec=check({**study.spec.model_dump(mode="json"), **methods}, "the test"))
    assert set(ablation.plan_ablation(by_spec).methods) == {"everything"}
    assert set(ablation.plan_ablation(by_spec, groups={"sizes": ["crop_padding"]}).methods) > {"sizes", "learning rate"}


def test_half_done_it_says_what_it_can_and_goes_on(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9], [BASELINE, BEST])
    plan = ablation.plan_ablation(study, seeds=2, looks=1)
    nothing = ablation.conclude(plan)
    assert (nothing.trainings, nothing.alone, nothing.complete) == (0, [], False)
    assert "more are needed" in answers.rests_on(nothing)[-1]
    run(plan, good, rounds=1)
    half = ablation.conclude(plan)
    assert half.alone
    assert not half.path
    run(ablation.plan_ablation(study, seeds=2, looks=1), good)
    whole = ablation.conclude(plan)
    assert whole.complete
    assert whole.alone == half.alone, "what was trained is not trained again"


def test_what_it_has_so_far_is_judged_by_what_was_asked_of_it(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9, 0.8], [BASELINE, BEST, {"lr": 0.02}])
    assert ablation.recorded_plan(study, seeds=2).design == ablation.plan_ablation(study, seeds=2).design, "none yet"
    groups = {"regularisation": ["dropout", "crop", "crop_padding"]}
    usual = ablation.plan_ablation(study, groups=groups, seeds=2, looks=1)
    run(usual, lambda row: good({**row, "dropout": row["regularisation"]}))
    read = ablation.recorded_plan(study)
    assert (read.name, read.methods, read.design) == (usual.name, usual.methods, usual.design)
    assert ablation.conclude(read).complete, "its one look has been had; three were never asked for"
    other = ablation.plan_ablation(study, 1, 2, seeds=3)
    ablation.add_trainings(other, other.design.next_trainings({})[:1])
    assert ablation.recorded_plan(study).name == usual.name, "baseline to best, where nobody says otherwise"
    assert ablation.recorded_plan(study, goal=2).design == other.design
    assert ablation.recorded_plan(study, looks=2).design.looks == 2, "what is asked for now goes before"


def test_a_failed_training_counts_nowhere_and_a_diverged_one_apart(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9], [{"dropout": 0.0}, {"lr": 0.05, "dropout": 0.0}])
    plan = ablation.plan_ablation(study, seeds=5, looks=1)
    seeds = plan.design.seeds

    def value(row: dict[str, Any]) -> float | str | None:
        if row["learning rate"] and row["seed"] in seeds[:2]:
            return "diverged: loss is NaN" if row["seed"] == seeds[0] else None
        return good({**row, "dropout": False})

    run(plan, value)
    found = ablation.conclude(plan)
    assert (found.failed, found.diverged) == (1, 1)
    assert len(found.goal.scores) == 8, "neither has a score that belongs in a mean"
    assert found.alone[0].effect == pytest.approx(0.2, abs=0.001)
    assert found.breaks == {"learning rate": (1, 9, 0, 10)}
    assert answers.rests_on(found)[:3] == [
        "1 training diverged, counted apart: in no mean.",
        "Of 9 trainings with learning rate 1 broke down, of 10 without it 0.",
        f"1 training failed and counted nowhere; winnow status {plan.name} says why.",
    ]


def test_where_an_objective_seeds_itself_the_report_says_that_its_repetitions_are_one(tmp_path: Path) -> None:
    study = told(tmp_path, [0.5, 0.9], [{"dropout": 0.0}, {"lr": 0.05, "dropout": 0.0}])
    plan = ablation.plan_ablation(study, seeds=3, looks=1)
    run(plan, lambda row: 0.5 + 0.2 * row["learning rate"])
    own = replace(plan, study=replace(study, spec=study.spec.model_copy(update={"objective": "mine:fit"})))
    found = ablation.conclude(own)
    assert (found.trainings, found.repeated, found.failed) == (12, 10, 0), "two sets of methods, six seeds each"
    assert {effect.verdict for effect in found.alone} == {"inconclusive"}
    (said,) = (sentence for sentence in chapter(plan.record, found).sentences if "seeds itself" in sentence)
    assert said.startswith("10 trainings gave the very same as another seed of the same methods: the objective seeds")
    assert ablation.conclude(plan).repeated == 0, "Winnow's own objective is repeatable, and uses its seed"


def test_what_cannot_be_ablated(tmp_path: Path) -> None:
    study = told(tmp_path, [0.9, 0.8], [BASELINE, BEST])
    with pytest.raises(StudyError, match="the baseline itself is the best; search more trials, or name two others"):
        ablation.plan_ablation(study)
    assert ablation.plan_ablation(study, goal=1).methods
    with pytest.raises(StudyError, match="has no trial 7; it has trials 0 to 1"):
        ablation.plan_ablation(study, goal=7)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="has no best trial yet"):
        ablation.plan_ablation(told(tmp_path / "empty", [None, None]), start=0)
