"""The questions of a spec, answered from trials whose truth is known: numbers, verdicts, and what is missing."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import optuna
import pytest

from example_conclusions import ablated, confirmed
from winnow.errors import SpecError
from winnow.records import Epoch, Outcome
from winnow.search.analysis import questions
from winnow.search.analysis.answers import Answer
from winnow.search.analysis.comparisons import compare, flattered, groups
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.statistics import Sample
from winnow.search.analysis.steps import steps
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report import conclusions, ready_studies
from winnow.search.report.questions import chapters
from winnow.search.study import validation
from winnow.search.study.spec import Spec

DEPTHS, MODELS = [2, 4, 8], ["cnn", "resnet"]
FAILED = ("cnn", 8)


def spec(sampler: str = "grid", *asked: Mapping[str, Any]) -> Spec:
    content = {
        "name": "s",
        "data": {"name": "digits"},
        "fixed": {"filters": [8], "pool_every": 8},
        "search": {
            "model": {"choices": MODELS},
            "depth": {"choices": DEPTHS},
            "lr": {"choices": [1e-3, 1e-2]},
        },
        "sampler": {"name": sampler},
        "pruner": {"name": "none"},
        "budget": {"trials": 13},
        "question": list(asked),
    }
    return validation.check(content, "test")


def curve(value: float, chance: bool = False) -> tuple[Epoch, ...]:
    """Ten epochs that end at an accuracy, or stay at chance."""
    losses = np.full(10, 2.3) if chance else 0.4 + 1.9 * np.exp(-np.arange(10.0))
    return tuple(
        Epoch(n, value, float(loss), value, float(loss), value) for n, loss in enumerate(losses.tolist(), start=1)
    )


def trial(number: int, parameters: Mapping[str, Any], value: float, **changes: Any) -> TrialRecord:
    kinds: dict[str, Any] = {
        "model": MODELS,
        "depth": DEPTHS,
        "lr": [1e-3, 1e-2],
        "optimizer": ["sgd", "adam"],
        "flip": [False, True],
    }
    distributions = {name: optuna.distributions.CategoricalDistribution(kinds[name]) for name in parameters}
    chance = (parameters.get("model"), parameters.get("depth")) == FAILED
    made = TrialRecord(
        *(number, "COMPLETE", value, dict(parameters), distributions, dict(parameters), "", number == 0, True),
        *(None, None, "", "", "", 1.0),
        curve=curve(value, chance),
        training={"guessing_loss": 2.302, "parameters": 100 * parameters.get("depth", 1), "validation_examples": 400},
    )
    return replace(made, **changes)


def record(value: Callable[[str, int, float, int], float], repeats: int = 1, name: str = "s") -> StudyRecord:
    """A grid over model, depth and rate; `value` is of model, depth, rate and repeat."""
    cells = itertools.product(range(repeats), MODELS, DEPTHS, [1e-3, 1e-2])
    rows = [
        trial(number, {"model": model, "depth": depth, "lr": lr}, value(model, depth, lr, repeat))
        for number, (repeat, model, depth, lr) in enumerate(cells)
    ]
    return StudyRecord(name, "maximize", "validation accuracy", tuple(rows))


def truth(model: str, depth: int, lr: float, repeat: int = 0) -> float:
    """Shortcuts gain 0.05 everywhere, the larger rate costs nothing, and eight plain convolutions do not train."""
    noise = 0.002 * ((depth + 3 * repeat + int(lr * 1e3)) % 3 - 1)
    return 0.1 if (model, depth) == FAILED else 0.8 + 0.05 * (model == "resnet") + noise


def answered(record: StudyRecord, found: Spec, **more: Any) -> Answer:
    (answer,) = questions.answer(record, Conclusions(spec=found, **more))
    assert answer.sentences
    assert all(len(row) == len(answer.headings) for row in answer.rows)
    return answer


def test_a_grid_is_compared_setting_by_setting() -> None:
    alike = record(lambda model, depth, lr, _: 0.5 + 0.05 * (model == "resnet") + 0.05 * depth)
    (effect,) = compare(alike, "model", "grid")
    assert effect.effect == pytest.approx(0.05)
    assert effect.high - effect.low < 0.01, "depth and rate are the same on both sides, so half an example each is left"
    assert (effect.method, effect.runs, effect.verdict) == ("cnn → resnet", 12, "helps")


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of a grid with noise and of random draws: 95 of 100, and with several changes at once all of them together."""
    missed = {"grid": 0, "random": 0, "together": 0}
    for seed in range(100):
        noise = np.random.default_rng(seed).normal
        noisy = record(partial(lambda noise, model, *_: 0.5 + 0.05 * (model == "resnet") + noise(0, 0.02), noise), 2)
        for sampler in ("grid", "random"):
            (effect,) = compare(noisy, "model", sampler)
            missed[sampler] += not effect.low <= 0.05 <= effect.high
        missed["together"] += any(not e.low <= 0 <= e.high for e in compare(noisy, "depth", "grid"))
    assert all(count <= 12 for count in missed.values()), missed  # 5 are expected; 12 are three deviations more


def test_a_few_trainings_that_count_the_same_prove_no_difference() -> None:
    """Two pairs that differ by two examples of 400 each, and two draws of each value that count the same."""
    pairs = record(lambda model, depth, *_: 0.8 + 0.005 * (model == "resnet") + 0.05 * depth)
    few = tuple(trial for trial in pairs.trials if trial.parameters["depth"] == DEPTHS[0])
    assert len(few) == 4
    for sampler in ("grid", "random"):
        (effect,) = compare(replace(pairs, trials=few), "model", sampler)
        assert effect.effect == pytest.approx(0.005)
        assert effect.low < 0 < effect.high


def test_of_what_was_drawn_once_nothing_is_said() -> None:
    noise = np.random.default_rng(0).normal
    made = record(lambda *_: 0.8 + noise(0, 0.001), 3)
    alone = next(trial for trial in made.trials if trial.parameters["model"] == "resnet")
    plain = [trial for trial in made.trials if trial.parameters["model"] == "cnn"]
    (effect,) = compare(replace(made, trials=(*plain, replace(alone, value=0.9))), "model", "random")
    assert (effect.low, effect.high, effect.verdict) == (-1, 1, "inconclusive")


def test_what_a_pruner_spared_is_not_compared() -> None:
    made = record(lambda model, *_: 0.8 + 0.05 * (model == "resnet"), 4)
    stopped = replace(made.trials[-1], state="PRUNED", outcome="pruned")
    for kind in ({"kind": "compare", "of": "model"}, {"kind": "methods"}):
        answer = answered(replace(made, trials=(*made.trials[:-1], stopped)), spec("random", {"asks": "?", **kind}))
        assert not answer.effects
        assert "the pruner stopped 1 trial, and those that it spared do not speak for them" in answer.sentences[0]


def test_the_interval_of_a_mean_accuracy_ends_at_one() -> None:
    found = groups(record(lambda model, *_: 1.0 if model == "resnet" else 0.97), ["depth", "lr"])
    assert all(0 < group.values.interval[0] < group.values.mean < group.values.interval[1] <= 1 for group in found)


def test_the_company_that_chance_gave_a_value_is_adjusted_for() -> None:
    """Depth does everything and model nothing, but the deep trials are most of the residual ones."""
    noise = np.random.default_rng(0).normal
    made = record(lambda model, depth, *_: 0.1 * depth + noise(0, 0.01), 8)
    kept = [
        t for t in made.trials if (t.parameters["depth"] == 8) == (t.parameters["model"] == "resnet") or t.number < 32
    ]
    (effect,) = compare(replace(made, trials=tuple(kept)), "model", "random")
    assert effect.low < 0 < effect.high
    assert effect.high - effect.low < 0.02
    means = [group.values.mean for group in groups(replace(made, trials=tuple(kept)), ["model"])]
    assert means[1] - means[0] > 0.1, "as they are, the means differ by what depth does"


def test_groups_stand_in_the_order_of_numbers_and_of_the_spec() -> None:
    shuffled = record(truth)
    shuffled = replace(shuffled, trials=shuffled.trials[::-1])
    assert [group.name for group in groups(shuffled, ["depth"])] == ["2", "4", "8"]
    assert [group.name for group in groups(shuffled, ["model"])] == ["cnn", "resnet"]


def test_compare_says_how_much_better_and_for_how_many_parameters() -> None:
    answer = answered(
        record(truth, 3), spec("grid", {"asks": "?", "kind": "compare", "of": "model", "per": "parameters"})
    )
    assert answer.sentences[0].startswith(
        "Gain in validation accuracy (above 0 is better), all else equal: cnn → resnet"
    )
    assert answer.sentences[1] == "Beside cnn, resnet has 1.00 times the parameters."


def test_trials_that_were_drawn_towards_the_best_are_not_compared() -> None:
    for kind in ({"kind": "compare", "of": "model"}, {"kind": "methods"}):
        answer = answered(record(truth), spec("tpe", {"asks": "?", **kind}))
        assert answer.commands == ("winnow ablate s",)
        assert not answer.rows
        assert "tpe" in answer.sentences[0]


def test_an_ablation_answers_for_the_methods_where_there_is_one() -> None:
    answer = answered(record(truth), spec("tpe", {"asks": "?", "kind": "methods"}), ablations=(ablated(),))
    assert answer.sentences[0] == "Alone, learning rate makes the biggest difference: +0.1200 (+0.1000 to +0.1400)."
    assert answer.rows[0][:4] == ("learning rate", "+0.1200", "+0.1000 to +0.1400", "helps")
    assert not answer.commands


def test_methods_of_a_grid_are_ranked() -> None:
    answer = answered(
        record(lambda *x: truth(*x) if x[1] < 8 else truth("cnn", 2, x[2]), 3),
        spec("grid", {"asks": "?", "kind": "methods"}),
    )
    assert answer.sentences[0].startswith("In validation accuracy model cnn → resnet +0.0333")
    assert "helps most" in answer.sentences[0]


def with_its_own_optimizer(each: TrialRecord) -> TrialRecord:
    optimizer = {"cnn": "sgd", "resnet": "adam"}[each.parameters["model"]]
    only = optuna.distributions.CategoricalDistribution([optimizer])
    return replace(
        each,
        distributions={**each.distributions, "optimizer": only},
        parameters={**each.parameters, "optimizer": optimizer},
        config={**each.config, "optimizer": optimizer},
    )


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_what_another_hyperparameter_decides_is_not_told_apart_from_it(sampler: str) -> None:
    made = record(lambda model, depth, *_: truth(model, 2, 1e-3) + 0.001 * depth, 3)
    found = replace(made, trials=tuple(map(with_its_own_optimizer, made.trials)))
    said = "Not told apart from model is what differs with it: optimizer."
    methods = answered(found, spec(sampler, {"asks": "?", "kind": "methods"}))
    assert said in methods.sentences
    assert not any("optimizer" in change for change, *_ in methods.rows)
    assert said in answered(found, spec(sampler, {"asks": "?", "kind": "compare", "of": "model"})).sentences


def test_a_change_has_one_interval_and_one_verdict_in_a_report() -> None:
    """Whichever questions tell it: together they err 5 times of 100, so each of them knows of the others."""
    noise = np.random.default_rng(3).normal
    noisy, asked = record(lambda *x: truth(x[0], 2, x[2]) + noise(0, 0.05), 3), [{"asks": "1", "kind": "methods"}]
    asked += [{"asks": name, "kind": "compare", "of": name} for name in ("model", "depth")]
    every, *singly = questions.answer(noisy, Conclusions(spec=spec("grid", *asked)))
    by_name = {effect.method: (effect.low, effect.high) for effect in every.effects}
    for name, answer in zip(("model", "depth"), singly, strict=True):
        for effect in answer.effects:
            assert by_name[f"{name} {effect.method}"] == (effect.low, effect.high)
    alone = answered(noisy, spec("grid", asked[1])).effects[0]
    assert alone.high - alone.low < singly[0].effects[0].high - singly[0].effects[0].low


def test_values_are_compared_apart_for_each_setting_of_another() -> None:
    crossed = record(lambda model, depth, lr, _: 0.5 + 0.1 * (model == "resnet") * (1 if lr < 5e-3 else -1))
    answer = answered(crossed, spec("grid", {"asks": "?", "kind": "compare", "of": "model", "across": ["lr"]}))
    assert [(e.method, e.verdict) for e in answer.effects] == [
        ("lr 0.001: cnn → resnet", "helps"),
        ("lr 0.01: cnn → resnet", "hurts"),
    ]
    assert [row[:3] for row in answer.rows] == [
        ("cnn", "0.001", "0.5000"),
        ("cnn", "0.01", "0.5000"),
        ("resnet", "0.001", "0.6000"),
        ("resnet", "0.01", "0.4000"),
    ]


def with_momentum(each: TrialRecord) -> list[TrialRecord]:
    """A plain network is trained by SGD with either momentum, a residual one without any."""
    if each.parameters["model"] == "resnet":
        return [replace(each, config={**each.config, "momentum": 0.0})]
    kinds = {**each.distributions, "momentum": optuna.distributions.CategoricalDistribution([0.0, 0.9])}
    return [
        replace(
            each,
            value=value,
            distributions=kinds,
            parameters={**each.parameters, "momentum": momentum},
            config={**each.config, "momentum": momentum},
        )
        for momentum, value in ((0.0, 0.5), (0.9, 0.7))
    ]


def test_what_was_drawn_under_conditions_is_compared_among_those_that_drew_it() -> None:
    made = record(lambda *_: 0.6)
    found = replace(made, trials=tuple(each for trial in made.trials for each in with_momentum(trial)))
    said: list[tuple[Any, ...]] = [
        (each.name, each.values.mean, len(each.trials)) for each in groups(found, ["momentum"])
    ]
    assert said == [
        ("0", pytest.approx(0.5), 6),
        ("0.9", pytest.approx(0.7), 6),
    ]
    model = answered(found, spec("grid", {"asks": "?", "kind": "compare", "of": "model"}))
    assert model.effects[0].effect == pytest.approx(0.0), "the mean over both, not momentum 0 alone"
    assert model.sentences[1] == "momentum was searched with cnn alone, whose mean over it counts."


def test_early_stopping_is_said_to_be_flattered_by_the_data_that_it_watches() -> None:
    """With labels that mean nothing it gained 0.055 (0.017 to 0.094) in 32 trainings: the best of many epochs."""
    assert flattered(True, ["lr", "patience"]).startswith("With patience a training is worth its best epoch")
    assert not flattered(True, ["lr"])
    assert not flattered(False, ["patience"]), "of one's own objective nobody knows what it does"


def test_depth_says_where_training_ends_for_each_block() -> None:
    asked = {"asks": "?", "kind": "depth", "of": "depth", "across": ["model"]}
    answer = answered(record(truth), spec("grid", asked))
    assert "with model cnn 2 and 4 trained and 8 did not" in answer.sentences[0]
    assert "with model resnet every value trains, up to 8, the largest tried" in answer.sentences[0]
    assert answer.headings == ("depth", "model cnn", "model resnet")
    assert answer.rows[2][1].endswith("does not train")


def test_along_names_the_regions() -> None:
    rows = list(record(truth).trials)
    for number in (1, 3, 5):  # the larger rate of the plain network
        rows[number] = replace(rows[number], state="PRUNED", value=None, curve=(), outcome=Outcome.DIVERGED)
    rows = [each for each in rows if each.parameters["model"] == "cnn" and each.parameters["depth"] != 8]
    found = replace(record(truth), trials=tuple(rows))
    answer = answered(found, spec("grid", {"asks": "?", "kind": "along", "of": "lr"}))
    assert answer.sentences[0].startswith("Of lr, 0.01 diverges; 0.001 learns. The best mean validation accuracy is")
    assert answer.rows[1][1:4] == ("diverges", "—", "—")
    assert len(answer.sentences) == 1, "no mean counts those that diverged"


def test_what_a_training_without_a_result_counts_as_is_said() -> None:
    rows = list(record(truth).trials)
    rows[1] = replace(rows[1], state="PRUNED", value=None, curve=(), outcome=Outcome.DIVERGED)
    found = replace(record(truth), trials=tuple(rows))
    said = (
        "1 training ended without a result, diverged or at chance: it counts as the worst value that any training "
        "reported, 0.1000."
    )
    for asked in ({"kind": "along", "of": "lr"}, {"kind": "compare", "of": "lr"}, {"kind": "methods"}):
        assert said in answered(found, spec("grid", {"asks": "?", **asked})).sentences
    rows_of = answered(found, spec("grid", {"asks": "?", "kind": "along", "of": "lr"})).rows
    assert [row[1] for row in rows_of] == ["learns (5 of 6)", "saturates (4 of 6)"], "one diverged, two are at chance"


def test_three_epochs_are_too_few_to_saturate_but_enough_to_stay_at_chance() -> None:
    made = record(lambda model, depth, *_: 0.1 if (model, depth) == FAILED else 0.1 * depth)
    found = replace(made, trials=tuple(replace(each, curve=each.curve[:3]) for each in made.trials if each.number < 6))
    answer = answered(found, spec("grid", {"asks": "?", "kind": "along", "of": "depth"}))
    assert answer.sentences[0].startswith("Of depth, 8 stays at chance; 2 and 4 learn. ")


def test_smallest_names_the_fewest_parameters_that_suffice() -> None:
    grows = record(lambda model, depth, lr, _: 0.5 + 0.05 * depth * (2 if model == "resnet" else 1))
    asked = {"asks": "?", "kind": "smallest", "of": "depth", "across": ["model"], "solved": 0.9}
    answer = answered(grows, spec("grid", asked))
    assert "with model cnn 8 " in answer.sentences[0].replace("depth ", "")
    assert "(400 parameters, 0.9000, trained once)" in answer.sentences[0]
    never = answered(grows, spec("grid", {**asked, "solved": 2.0}))
    assert "with model cnn none (at best 0.9" in never.sentences[0]


def coordinate(values: Sequence[tuple[dict[str, Any], float]], name: str = "s") -> StudyRecord:
    rows = tuple(trial(number, parameters, value) for number, (parameters, value) in enumerate(values))
    return StudyRecord(name, "maximize", "validation accuracy", rows)


START = {"optimizer": "sgd", "lr": 1e-3, "flip": False}
IN_ORDER = coordinate([
    (START, 0.5),
    ({**START, "optimizer": "adam"}, 0.6),
    ({**START, "optimizer": "adam", "lr": 1e-2}, 0.55),
    ({**START, "optimizer": "adam", "flip": True}, 0.62),
])  # fmt: skip
OTHER = coordinate([
    (START, 0.5),
    ({**START, "flip": True}, 0.49),
    ({**START, "lr": 1e-2}, 0.52),
    ({**START, "lr": 1e-2, "optimizer": "adam"}, 0.61),
], "other")  # fmt: skip


def test_steps_are_told_in_order_and_beside_another_order() -> None:
    assert [(step.change, step.kept) for step in steps(IN_ORDER)] == [
        ("optimizer sgd → adam", True),
        ("lr 0.001 → 0.01", False),
        ("flip off → on", True),
    ]
    asked = {"asks": "?", "kind": "steps", "beside": ["other"]}
    answer = answered(IN_ORDER, spec("grid", asked), beside={"other": OTHER})
    first, beside, _ = answer.sentences
    assert first == (
        "From 0.5000 to 0.6200 in validation accuracy: kept were optimizer sgd → adam (+0.1000), then flip off → on "
        "(+0.0200); of 3 steps 1 did not help."
    )
    assert beside == (
        "In the order of other kept were lr 0.001 → 0.01, optimizer sgd → adam; in both: optimizer sgd → adam."
    )
    assert answer.commands == ("winnow ablate s",)
    assert [row[-1] for row in answer.rows] == ["—", "kept", "not kept", "kept"]
    alone = answered(IN_ORDER, spec("grid", {**asked, "beside": ["other", "c_search_grid"]}))
    assert alone.commands == ("winnow ablate s", "winnow run c_search_grid"), "of a ready study alone the file is known"
    assert alone.sentences[1] == "Not in this storage: other, c_search_grid."


def test_where_nothing_beat_the_baseline_what_was_tried_is_repeated() -> None:
    tried = ({**START, name: value} for name, value in (("optimizer", "adam"), ("lr", 1e-2), ("flip", True)))
    found = coordinate([(START, 0.5), *((each, 0.4) for each in tried)])
    for kind in ("steps", "methods"):
        assert answered(found, spec("tpe", {"asks": "?", "kind": kind})).commands == ("winnow confirm s --top 3",)


def test_what_a_confirmation_repeated_beside_the_baseline_answers_for_the_methods() -> None:
    found = coordinate([
        (START, 0.5),
        ({**START, "optimizer": "adam"}, 0.49),
        ({**START, "flip": True}, 0.48),
        ({**START, "flip": True, "lr": 1e-2}, 0.47),
    ])  # fmt: skip
    scores = {0: (0.50, 0.51, 0.49), 1: (0.60, 0.62, 0.59), 2: (0.50, 0.49, 0.50), 3: (0.1, 0.1, 0.1)}
    measured = replace(confirmed(), compared={number: Sample(each) for number, each in scores.items()})
    answer = answered(found, spec("tpe", {"asks": "?", "kind": "methods"}), confirmation=measured)
    assert answer.sentences[0].startswith("In validation accuracy optimizer sgd → adam +0.1033")
    assert answer.sentences[1:] == (
        "Of 2 changes 1 is inconclusive with these trials.",
        "Each is trained with 3 fresh seeds beside the baseline.",
    )
    assert [row[0] for row in answer.rows] == ["optimizer sgd → adam", "flip off → on"], "trial 3 changed two at once"
    assert not answer.commands
    steps_said = answered(found, spec("tpe", {"asks": "?", "kind": "steps"}), confirmation=measured)
    assert steps_said.sentences[-1] == "Each was trained once, so a gain may be a seed's."
    assert not steps_said.commands, "it was measured"


def test_a_step_that_came_to_no_value_says_why() -> None:
    over = replace(IN_ORDER.trials[1], state="PRUNED", value=None, curve=(), outcome=Outcome.INFEASIBLE)
    found = replace(IN_ORDER, trials=(IN_ORDER.trials[0], over))
    answer = answered(found, spec("grid", {"asks": "?", "kind": "steps"}))
    assert answer.sentences[0].endswith("nothing was kept; of 1 step 0 did not help and 1 came to no value.")
    assert answer.rows[1] == ("1", "optimizer sgd → adam", "—", "—", "infeasible")


def test_search_methods_are_set_side_by_side_at_the_same_cost() -> None:
    asked = {"asks": "?", "kind": "search", "beside": ["other", "third"]}
    answer = answered(IN_ORDER, spec("random", asked), beside={"other": coordinate([(START, 0.9)] * 3, "other")})
    assert (
        answer.sentences[0]
        == "After 3 trials each, the best validation accuracy: other 0.9000 (trial 0), s 0.6000 (trial 1)."
    )
    assert "do not overlap" in answer.sentences[1]
    assert answer.commands == (), "no ready study has that name, and nobody knows the file of its spec"
    assert answer.sentences[-1] == "Not in this storage: third."
    near = answered(IN_ORDER, spec("random", asked), beside={"other": coordinate([(START, 0.61)] * 3, "other")})
    assert near.sentences[1].endswith("overlap: this does not rank them.")


def test_a_threshold_that_was_not_measured_names_the_command() -> None:
    answer = answered(record(truth), spec("grid", {"asks": "?", "kind": "threshold"}))
    assert answer.commands == ("winnow confirm s",)


def test_before_the_first_trial_has_completed_nothing_is_said() -> None:
    empty = StudyRecord("s", "maximize", "validation accuracy", ())
    for kind in ({"kind": "methods"}, {"kind": "along", "of": "lr"}, {"kind": "depth", "of": "depth"}):
        assert answered(empty, spec("grid", {"asks": "?", **kind})).sentences == ("Not yet: no trial has completed.",)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"kind": "along"}, "needs `of`"),
        ({"kind": "methods", "of": "lr"}, "takes no `of`"),
        ({"kind": "compare", "of": "dropout"}, "dropout is not searched"),
        ({"kind": "depth", "of": "depth", "across": ["dropout"]}, "dropout is not searched"),
        ({"kind": "why"}, "kind"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        spec("grid", {"asks": "?", **asked})


@pytest.mark.parametrize(
    ("asked", "pictures"),
    [
        ({"kind": "compare", "of": "model"}, ["question-1", "question-1-accuracy", "question-1-loss"]),
        ({"kind": "methods"}, ["question-1"]),
        ({"kind": "along", "of": "lr"}, ["question-1-accuracy", "question-1-loss"]),
        ({"kind": "depth", "of": "depth", "across": ["model"]}, ["question-1"]),
        ({"kind": "smallest", "of": "depth", "solved": 0.9}, ["question-1"]),
        ({"kind": "search", "beside": ["other"]}, ["question-1"]),
        ({"kind": "threshold"}, []),
    ],
)
def test_an_answer_has_its_table_and_its_picture(asked: dict[str, Any], pictures: list[str]) -> None:
    found = Conclusions(spec=spec("grid", {"asks": "Why?", **asked}), beside={"other": record(truth, name="other")})
    (chapter,) = chapters(record(truth), found)
    assert chapter.title == "Why?"
    assert [picture.name for picture in chapter.pictures] == pictures
    assert bool(chapter.tables) == bool(pictures)
    assert all(picture.caption and picture.figure for picture in chapter.pictures)


def test_the_cells_of_a_grid_say_what_they_show() -> None:
    found = Conclusions(spec=spec("grid", {"asks": "?", "kind": "depth", "of": "depth", "across": ["model"]}))
    figure = chapters(record(truth), found)[0].pictures[0].figure
    (heat,) = figure.data
    assert (list(heat.y), list(heat.x)) == (["2", "4", "8"], ["cnn", "resnet"])
    assert [list(row) for row in heat.text][2] == ["0.100<br>does not train", "0.848<br>trains"]


def test_steps_are_drawn_as_a_waterfall_that_claims_nothing() -> None:
    found = Conclusions(spec=spec("grid", {"asks": "?", "kind": "steps"}))
    figure = chapters(IN_ORDER, found)[0].pictures[0].figure
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == ["inconclusive"], "each step was trained once"
    assert [pytest.approx(height) for height in bars[0].y] == [0.1, 0.02]


def test_what_ready_studies_found_is_written_as_markdown() -> None:
    asked = {"asks": "How deep?", "kind": "depth", "of": "depth", "across": ["model"]}
    told = ready_studies.answers([(record(truth), Conclusions(spec=spec("grid", asked)))])
    assert told.startswith("### `s`")
    assert "Cost: 13 trials of 10 passes over 1,293 examples." in told
    assert "**How deep?** Of depth, with model cnn 2 and 4 trained and 8 did not" in told
    assert "| 8 | 0.1000, does not train | 0.8480, trains |" in told


def test_what_a_question_asks_already_is_not_proposed_again() -> None:
    asked = Conclusions(spec=spec("tpe", {"asks": "?", "kind": "methods"}))
    for found, proposals in ((asked, 0), (Conclusions(spec=spec("tpe")), 1)):
        titles = [chapter.title for chapter in conclusions.chapters(record(truth), found)]
        assert titles.count("What each method does") == proposals
