"""An objective of one's own: what its function is called with, what is recorded, and what is refused of a spec."""

import argparse
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from winnow.objectives import snapshots
from winnow.objectives.own_objective import ConfiguredTrial, OwnObjective
from winnow.objectives.space import Choice, Range
from winnow.records import CONFIG, GIVEN, KEEP_WEIGHTS, RESTARTED, Epoch
from winnow.search.analysis.study_reader import read_trial
from winnow.search.study import objective_checks, validation

SPACE = {
    "lr": Range(1e-3, 1.0, log=True, own=True),
    "optimizer": Choice(("sgd", "adam"), own=True),
    "momentum": Range(0.0, 0.9, when={"optimizer": ("sgd",)}, own=True),
    "hidden": Choice(([8], [8, 8]), own=True),
}


def run(function: Callable[..., Any], *enqueued: dict[str, Any], **given: Any) -> list[optuna.trial.FrozenTrial]:
    """Run the function in a study of stock Optuna: once for each configuration that is to be repeated."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for values in enqueued:
        study.enqueue_trial({}, user_attrs={GIVEN: values})
    study.optimize(OwnObjective(function, **given), n_trials=max(1, len(enqueued)))
    return study.trials


def test_a_declared_space_arrives_as_keyword_arguments_and_is_recorded() -> None:
    seen: dict[str, Any] = {}

    def fit(trial: optuna.Trial, lr: float, hidden: list[int], epochs: int, seed: int, **others: Any) -> float:
        seen.update(lr=lr, hidden=hidden, epochs=epochs, seed=seed, **others)
        return lr

    (trial,) = run(fit, space=SPACE, fixed={"epochs": 3}, seed=7)
    assert trial.user_attrs[CONFIG] == seen
    assert seen["hidden"] in ([8], [8, 8])
    assert ("momentum" in seen) == (seen["optimizer"] == "sgd")
    assert (seen["epochs"], trial.params["lr"], trial.value) == (3, seen["lr"], seen["lr"])


def test_a_parser_reads_what_was_drawn_as_if_it_stood_on_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", default="nowhere")
    parser.add_argument("-net", required=True)
    parser.add_argument("--learning-rate", "--lr", type=float, default=0.1, dest="rate")
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--optimizer", choices=("sgd", "adam"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--amp", action="store_true")
    seen = []

    def fit(trial: ConfiguredTrial, **options: Any) -> float:
        seen.append(trial.parse_args(parser, **options))
        return 0.0

    fixed = {"net": "vgg", "data": "here", "amp": True, "folder": "runs"}
    space = {"lr": SPACE["lr"], "optimizer": SPACE["optimizer"], "momentum": SPACE["momentum"]}
    drawn = [{"lr": 0.01, "optimizer": "sgd", "momentum": 0.9}, {"lr": 0.02, "optimizer": "adam"}]
    run(fit, *({**fixed, **each, "seed": 1} for each in drawn), space=space, fixed=fixed)
    same = {"data": "here", "net": "vgg", "folder": Path("runs"), "amp": True}
    assert vars(seen[0]) == {**same, "rate": 0.01, "optimizer": "sgd", "momentum": 0.9}
    assert vars(seen[1]) == {**same, "rate": 0.02, "optimizer": "adam", "momentum": 0.5}  # its default again


@pytest.mark.parametrize(
    ("options", "said"),
    [({"learning_rat": 0.1}, "no option 'learning_rat'; it has .*learning-rate"), ({"net": "vgg"}, "choices, resnet")],
)
def test_what_a_parser_would_refuse_on_the_command_line_is_refused(options: dict[str, Any], said: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--net", choices=["resnet"])
    trial = ConfiguredTrial(None, {}, given=False)
    with pytest.raises((LookupError, ValueError), match=said):
        trial.parse_args(parser, **options)


def test_a_checkpoint_that_it_cannot_read_has_it_train_again_from_the_start() -> None:
    def fit(trial: Any, fails: str, resume: bytes | None = None) -> float:
        if fails == "pruned":
            raise optuna.TrialPruned
        for epoch in range(int(resume or 0) + 1, 4):
            trial.report(0.5, epoch)
            if fails == "late":
                raise RuntimeError("out of patience")
        return 0.5

    study = optuna.create_study()

    def attempt(checkpoint: bytes | None, fails: str = "") -> tuple[list[int], str]:
        trial = study.ask()
        expected = {"": None, "late": RuntimeError, "pruned": optuna.TrialPruned}[fails]
        with pytest.raises(expected) if expected else nullcontext():
            OwnObjective(fit, fixed={"fails": fails})(trial, checkpoint)
        told = study.trials[-1]
        return list(told.intermediate_values), told.user_attrs.get(RESTARTED, "")

    assert attempt(None) == ([1, 2, 3], "")
    assert attempt(b"1") == ([2, 3], "")
    epochs, said = attempt(b"torn")
    assert epochs == [1, 2, 3]
    assert said.startswith("its checkpoint could not be gone on from (ValueError: invalid literal")
    assert attempt(b"1", "late") == ([2], ""), "what fails later is no fault of the checkpoint"
    assert attempt(b"1", "pruned") == ([], "")


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_what_it_draws_by_itself_is_recorded_and_repeated() -> None:
    def fit(trial: Any, epochs: int) -> float:
        lr = trial.suggest_float("lr", 1e-3, 1.0, log=True)
        layers = trial.suggest_categorical("layers", ((8,), (8, 8)))
        assert isinstance(layers, tuple)
        return float(lr * epochs * len(layers) + trial.suggest_int("width", 1, 9) + random.random())

    (first,) = run(fit, fixed={"epochs": 3})
    config = first.user_attrs[CONFIG]
    assert config.keys() == {"epochs", "lr", "layers", "width", "seed"}
    again, other = run(fit, config, {**config, "seed": 1, "width": 50}, fixed={"epochs": 3})
    assert again.value == first.value  # its seed too, which the global generators are given
    assert other.value != first.value
    assert not again.params  # nothing was drawn


def test_what_a_repeated_configuration_lacks_is_not_drawn() -> None:
    def fit(trial: Any) -> float:
        return float(trial.suggest_float("x", 0.0, 1.0))

    with pytest.raises(LookupError, match="asks for 'x', which the configuration to be repeated does not have"):
        run(fit, {"y": 1.0})


def test_other_metrics_of_a_plain_trial_are_kept_with_it() -> None:
    def fit(trial: Any) -> float:
        for epoch in (1, 2):
            trial.report(epoch / 2, epoch, train_loss=1 / epoch, f1=0.1 * epoch)
        return 1.0

    (trial,) = run(fit)
    curve = read_trial(trial, ()).curve
    assert curve == (
        Epoch(1, 0.5, train_loss=1.0, extra={"f1": 0.1}),
        Epoch(2, 1.0, train_loss=0.5, extra={"f1": 0.2}),
    )


def test_a_report_prunes_where_it_is_asked_to() -> None:
    def fit(trial: Any) -> float:
        trial.report(0.25, 1)
        trial.report(0.5, 2, prune=True, f1=0.75)
        raise AssertionError("the pruner had said no")

    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.1))
    study.optimize(OwnObjective(fit), n_trials=1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert read_trial(trial, ()).curve == (Epoch(1, 0.25), Epoch(2, 0.5, extra={"f1": 0.75}))


def test_held_out_data_are_asked_for_and_their_score_is_kept_apart() -> None:
    def fit(trial: Any, x: float, test: bool = False) -> Any:
        return (x, x - 0.25) if test else x

    plain, tested = run(fit, {"x": 1.0}, {"x": 1.0, "test": True}, space={"x": Range(0.0, 1.0, own=True)})
    assert (plain.value, tested.value, tested.user_attrs["winnow:test_score"]) == (1.0, 1.0, 0.75)
    assert "winnow:test_score" not in plain.user_attrs
    assert tested.user_attrs[CONFIG] == plain.user_attrs[CONFIG] | {"seed": tested.user_attrs[CONFIG]["seed"]}


def fit(trial: Any, lr: float, width: int = 8, *, seed: int, resume: Any = None, test: bool = False) -> float:
    raise NotImplementedError


def anything(trial: Any, **options: Any) -> float:
    raise NotImplementedError


def no_trial(*, lr: float) -> float:
    raise NotImplementedError


def forgets_the_trial(lr: float, width: int) -> float:
    raise NotImplementedError


def needs(trial: Any, lr: float, depth: int) -> float:
    raise NotImplementedError


def resumes(trial: Any, lr: float, resume: Any) -> float:
    raise NotImplementedError


def forgets_its_score(trial: Any, lr: float) -> None:
    for epoch in range(3):
        trial.report(lr, epoch)

    def score() -> float:
        return lr


def returns_words(trial: Any, lr: float) -> Any:
    return "good" if lr else "bad" if lr is None else f"{lr}"


def returns_text(trial: Any, lr: float) -> Any:
    if lr:
        return f"{lr}"
    return "none"


def returns_two(trial: Any, lr: float) -> Any:
    return lr, lr


def scores_test_data_too(trial: Any, lr: float, test: bool = False) -> Any:
    return lr, lr


def yields(trial: Any, lr: float) -> Any:
    yield lr


def may_return_none(trial: Any, lr: float) -> Any:
    if lr:
        return lr
    return None


def of_a_table(config: dict[str, float]) -> float:
    return config["lr"]


@pytest.mark.parametrize(
    ("function", "search", "wrong"),
    [
        (fit, {"lr": {"low": 0.0, "high": 1.0}}, ""),
        (anything, {"x": {"low": 0.0, "high": 1.0}}, ""),
        (fit, {"lrr": {"low": 0.0, "high": 1.0}}, "[search] lrr: mine:fit has no parameter 'lrr'; did you mean 'lr'?"),
        (
            of_a_table,
            {"lr": {"low": 0.0, "high": 1.0}},
            "[search] lr: mine:of_a_table has no parameter 'lr'; let it stand after the trial: (config, lr",
        ),
        (fit, {"lr": {"low": 0, "high": 1}}, "[search] lr: its range is written in whole numbers, and it is a float"),
        (fit, {"width": {"low": 1.0, "high": 9.0}, "lr": {"choices": [0.1]}}, "[search] width: its range is not"),
        (fit, {"lr": {"choices": ["high"]}}, "[search] lr: lr = 'high' is not a number; for example lr = 0.0"),
        (fit, {"test": {"choices": [True]}}, "[search] test: mine:fit gets its test from Winnow"),
        (
            fit,
            {"width": {"choices": [1, 2]}, "lr": {"low": 0.0, "high": 1.0, "when": {"width": [1]}}},
            "[search] lr: 'lr' of mine:fit has no default, and is not drawn where its `when` does not hold",
        ),
        (forgets_its_score, {"lr": {"choices": [0.1]}}, "objective: mine:forgets_its_score returns nothing, and not a"),
        (returns_words, {"lr": {"choices": [0.1]}}, ""),  # nobody can tell
        (returns_text, {"lr": {"choices": [0.1]}}, "objective: mine:returns_text returns f'{lr}', and not a number"),
        (
            returns_two,
            {"lr": {"choices": [0.1]}},
            "objective: mine:returns_two returns (lr, lr), and not a number; let",
        ),
        (scores_test_data_too, {"lr": {"choices": [0.1]}}, ""),
        (yields, {"lr": {"choices": [0.1]}}, "objective: mine:yields returns a generator, and not a number"),
        (may_return_none, {"lr": {"choices": [0.1]}}, ""),
        (needs, {"lr": {"low": 0.0, "high": 1.0}}, "objective: mine:needs needs 'depth', which neither [search] nor"),
        (resumes, {"lr": {"low": 0.0, "high": 1.0}}, "objective: resume of mine:resumes has no default; write resume"),
        (no_trial, {"lr": {"low": 0.0, "high": 1.0}}, "objective: mine:no_trial takes no trial"),
        (
            forgets_the_trial,
            {"lr": {"low": 0.0, "high": 1.0}, "width": {"choices": [1, 2]}},
            "[search] lr: the first parameter of mine:forgets_the_trial is the trial, and is called 'lr'",
        ),
    ],
)
def test_a_function_that_does_not_fit_its_spec_is_refused(
    function: Callable[..., Any], search: dict[str, Any], wrong: str
) -> None:
    content = {"name": "s", "objective": f"mine:{function.__name__}", "search": search, "budget": {"trials": 2}}
    misfits = objective_checks.misfits(validation.check(content, "s.toml"), function)
    found = [f"{key}: {problem}; {remedy}" for key, problem, remedy in misfits]
    assert bool(found) == bool(wrong)
    assert not wrong or found[0].startswith(wrong)


class Keeping:
    """A worker's trial, as far as a model is handed to it."""

    def __init__(self, *, wanted: bool) -> None:
        self.user_attrs: dict[str, Any] = {KEEP_WEIGHTS: wanted}
        self.kept: dict[str, bytes] = {}

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value

    def store_artifact(self, kind: str, content: bytes) -> str:
        self.kept[kind] = content
        return kind


def test_a_model_is_kept_where_it_is_wanted_and_is_no_pickle() -> None:
    layer = torch.nn.Linear(2, 3)
    for handed in (layer, layer.state_dict()):
        trial = Keeping(wanted=True)
        ConfiguredTrial(trial, {}, given=True).keep_model(handed)
        kept = snapshots.from_bytes(trial.kept["weights"])
        assert kept.keys() == {"weight", "bias"}
        assert torch.equal(kept["weight"], layer.weight)
    unwanted = Keeping(wanted=False)
    ConfiguredTrial(unwanted, {}, given=True).keep_model(layer)
    assert not unwanted.kept
    assert unwanted.user_attrs["winnow:training"] == {"parameters": 9}, "a front against parameters asks for no more"
    with pytest.raises(TypeError, match="'epoch' is no tensor"):
        ConfiguredTrial(trial, {}, given=True).keep_model({**layer.state_dict(), "epoch": 3})


def test_the_names_of_winnows_own_attributes_are_refused():
    trial = optuna.create_study().ask()
    own = ConfiguredTrial(trial, {}, given=False)
    with pytest.raises(ValueError, match="'winnow:training' is Winnow's own; let its name begin otherwise"):
        own.set_user_attr("winnow:training", {"parameters": "many"})
    own.set_user_attr("note", 1)
    assert trial.user_attrs == {"note": 1}
