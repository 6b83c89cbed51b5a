"""What `train` promises to whoever calls it."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState

from example_data import inputs_of
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.errors import Diverged, Infeasible, ObjectiveError, OutOfTime, SnapshotError
from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.platforms import platform_record
from winnow.objectives.snapshots import from_bytes, to_bytes
from winnow.objectives.training import Limits, Result, check, count_parameters, train
from winnow.objectives.training_objective import TrainingObjective
from winnow.records import Epoch


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec("digits", train=240, validation=120))


def config(**values: Any) -> Config:
    return make_config({"batch_size": 50, "epochs": 4, **values})


def silent(epoch: Epoch, snapshot: Any) -> None:
    pass


def untrained(epoch: Epoch, snapshot: Any) -> None:
    pytest.fail("it was trained")


def generators() -> tuple[Any, ...]:
    """The state of the global generators."""
    numpy = np.random.get_state(legacy=False)["state"]
    return torch.get_rng_state().tolist(), random.getstate(), numpy["key"].tolist(), numpy["pos"]


class Stopped(Exception):
    pass


def curve(result: Result) -> list[Epoch]:
    """Every figure of every epoch but the seconds, which no clock repeats."""
    return [replace(epoch, seconds=None) for epoch in result.epochs]


def assert_same(first: Result, second: Result) -> None:
    assert curve(first) == curve(second)
    assert first.value == second.value
    assert first.best_epoch == second.best_epoch
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


RESUMED: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "dropout": 0.3, "label_smoothing": 0.1},
    "everything": {
        "model": "smallnet",
        "dropout": 0.2,
        "conv_dropout": 0.1,
        "crop": True,
        "crop_padding": 1,
        "flip": True,
        "patience": 2,
        "lr": 0.01,
    },
    "batch_norm": {"batch_norm": True, "patience": 1, "lr": 0.1},
    "plateau": {"schedule": "plateau", "schedule_epochs": 1, "lr": 0.05, "patience": 2, "epochs": 5},
    "one_cycle": {"schedule": "one_cycle", "optimizer": "rmsprop", "momentum": 0.5, "clip_norm": 0.1},
    "resnet": {
        "model": "resnet",
        "filters": [4, 8],
        "conv_dropout": 0.2,
        "conv_dropout_kind": "dropblock",
        "l1": 1e-3,
        "l2": 1e-3,
        "decay_norms_and_biases": False,
        "weight_decay": 0.1,
        "precision": "bf16",
        "epochs": 3,
    },
    "color_jitter": {"color_jitter": True, "affine": True, "erasing": True, "epochs": 2},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(digits: Data, name: str) -> None:
    wanted = config(**RESUMED[name])
    snapshots: dict[int, bytes] = {}
    unbroken = train(wanted, digits, lambda epoch, snapshot: snapshots.update({epoch.epoch: to_bytes(snapshot())}))
    assert list(snapshots) == list(range(1, len(unbroken.epochs) + 1))
    for epoch, content in snapshots.items():
        reported: list[int] = []

        def report(epoch: Epoch, snapshot: Any, to: list[int] = reported) -> None:
            to.append(epoch.epoch)

        resumed = train(wanted, digits, report, from_bytes(content))
        assert_same(resumed, unbroken)
        assert reported == list(range(epoch + 1, len(unbroken.epochs) + 1))


class From(optuna.pruners.BasePruner):
    """Prune at each epoch from one on."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return (trial.last_step or 0) >= self.epoch


@pytest.mark.parametrize(
    ("first", "more", "state", "epochs"),
    [
        (2, {}, TrialState.PRUNED, 2),
        (3, {}, TrialState.COMPLETE, 3),
        (2, {"patience": 1, "lr": 1e-12}, TrialState.COMPLETE, 2),
    ],
    ids=["under way", "after its last epoch", "when its patience is used up"],
)
def test_who_has_trained_to_the_end_is_complete_whatever_the_pruner_says(
    first: int, more: dict[str, Any], state: TrialState, epochs: int
) -> None:
    study = optuna.create_study(direction="maximize", pruner=From(first))
    fixed = {"epochs": 3, "hidden": [8], **more}
    study.optimize(TrainingObjective(DataSpec("digits"), fixed=fixed), n_trials=1)
    assert (study.trials[0].state, len(study.trials[0].intermediate_values)) == (state, epochs)


def test_a_snapshot_can_be_resumed_twice(digits: Data) -> None:
    wanted = config(optimizer="sgd", momentum=0.9, patience=3)
    snapshots = []
    train(wanted, digits, lambda *args: snapshots.append(args[1]()))
    assert_same(train(wanted, digits, silent, snapshots[1]), train(wanted, digits, silent, snapshots[1]))


def test_the_same_config_gives_the_same_bits_and_another_seed_does_not(digits: Data) -> None:
    wanted = config(model="smallnet", dropout=0.5, epochs=1, flip=True)
    first = train(wanted, digits, silent)
    assert_same(first, train(wanted, digits, silent))
    assert curve(first) != curve(train(replace(wanted, seed=1), digits, silent))


def test_the_global_generators_are_neither_read_nor_moved(digits: Data) -> None:
    wanted = config(model="smallnet", dropout=0.5, conv_dropout=0.2, epochs=1, flip=True, crop=True, crop_padding=1)
    torch.manual_seed(1)
    first = train(wanted, digits, silent)
    torch.manual_seed(2)
    before = generators()
    second = train(wanted, digits, silent)
    assert generators() == before
    assert_same(first, second)


def test_what_report_raises_passes_through_and_ends_training(digits: Data) -> None:
    reported = []

    def report(epoch: Epoch, snapshot: Any) -> None:
        reported.append(epoch.epoch)
        if epoch.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(config(), digits, report)
    assert reported == [1, 2]


def test_it_learns_and_its_metrics_are_those_of_the_epoch(digits: Data) -> None:
    reported: list[Epoch] = []
    result = train(config(lr=0.01, epochs=8), digits, lambda epoch, _: reported.append(epoch))
    assert [epoch.epoch for epoch in reported] == list(range(1, 9))
    assert tuple(reported) == result.epochs
    last = result.epochs[-1]
    assert result.value == last.value == last.validation_accuracy > 0.85
    assert last.train_loss is not None
    assert result.epochs[0].train_loss is not None
    assert last.train_loss < result.epochs[0].train_loss / 2
    assert last.lr == 0.01
    assert last.seconds > 0
    weights = [weight for weight in result.weights.values() if weight.dim() > 1]
    assert last.weight_norm == pytest.approx(math.sqrt(sum(float((w**2).sum()) for w in weights)))
    assert result.parameters == 64 * 128 + 128 + 128 * 10 + 10
    assert all(weight.device.type == "cpu" for weight in result.weights.values())


def test_patience_stops_and_gives_the_best_weights_back(digits: Data) -> None:
    snapshots: list[Any] = []
    wanted = config(patience=2, lr=0.05, epochs=40)
    result = train(wanted, digits, lambda *args: snapshots.append(args[1]()))
    values = [epoch.value for epoch in result.epochs]
    assert result.value == max(values)
    assert result.best_epoch == values.index(max(values)) + 1
    assert len(values) == result.best_epoch + 2 < 40
    best = snapshots[result.best_epoch - 1]["model"]
    assert all(torch.equal(result.weights[name], best[name]) for name in best)


def test_without_patience_the_last_epoch_counts(digits: Data) -> None:
    result = train(config(lr=0.05, epochs=6), digits, silent)
    assert result.best_epoch == 6
    assert result.value == result.epochs[-1].value


def test_dropout_leaves_initialisation_and_data_order_as_they_were(digits: Data) -> None:
    orders: list[list[torch.Tensor]] = []
    for dropout in (0.0, 0.5):
        snapshots: list[Any] = []
        train(config(dropout=dropout, lr=0, epochs=2), digits, lambda *args, to=snapshots: to.append(args[1]()))
        orders.append([snapshots[-1]["generators"]["order"], *snapshots[0]["model"].values()])
    assert all(torch.equal(first, second) for first, second in zip(*orders, strict=True))


def test_the_schedule_is_followed_and_recorded(digits: Data) -> None:
    result = train(config(schedule="exponential", schedule_factor=0.5, lr=0.08), digits, silent)
    assert [epoch.lr for epoch in result.epochs] == [0.08, 0.04, 0.02, 0.01]
    still = train(config(schedule="step", schedule_epochs=1, schedule_factor=0.0, lr=0.08, epochs=3), digits, silent)
    assert still.epochs[1].weight_norm == still.epochs[2].weight_norm


def test_penalties_shrink_the_weights_and_leave_the_loss_comparable(digits: Data) -> None:
    plain = train(config(lr=0.01), digits, silent)
    for penalty in ({"l1": 0.01}, {"l2": 0.05}, {"weight_decay": 1.0, "optimizer": "adamw"}):
        penalised = train(config(lr=0.01, **penalty), digits, silent)
        assert penalised.epochs[-1].weight_norm < plain.epochs[-1].weight_norm
        assert penalised.epochs[-1].train_loss < 2.5


def test_clipping_shortens_the_step(digits: Data) -> None:
    values = {"optimizer": "sgd", "lr": 1.0, "epochs": 1, "batch_size": 240}
    free = train(config(**values), digits, silent)
    clipped = train(config(**values, clip_norm=1e-6), digits, silent)
    start = train(config(**{**values, "lr": 0.0}), digits, silent)
    moved = [
        math.sqrt(sum(float((run.weights[name] - start.weights[name]).square().sum()) for name in start.weights))
        for run in (free, clipped)
    ]
    assert moved[0] > 1e-2
    assert moved[1] == pytest.approx(1e-6, rel=0.1)


@pytest.mark.parametrize(("lr", "diverges"), [(100, True), (10, True), (1, True), (0.2, False), (0.001, False)])
def test_the_learning_rates_of_system_e_diverge_in_their_first_epoch_or_train(lr: float, diverges: bool) -> None:
    data = load(DataSpec("regression_100d", train=2000, validation=200))
    wanted = config(widths=[50, 20], activation="sigmoid", optimizer="sgd", lr=lr, batch_size=10, epochs=2 - diverges)
    if diverges:
        with pytest.raises(Diverged, match="of epoch 1"):
            train(wanted, data, untrained)
    else:
        assert len(train(wanted, data, silent).epochs) == 2


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 1e6), ("sgd", 1e12), ("adam", 100.0)])
def test_an_exploding_training_ends_within_its_epoch_and_says_why(digits: Data, optimizer: str, lr: float) -> None:
    reported: list[int] = []
    with pytest.raises(Diverged, match=r"training loss is .* at step 50 of epoch 1"):
        train(config(optimizer=optimizer, lr=lr, batch_size=2), digits, lambda epoch, _: reported.append(epoch.epoch))
    assert reported == []


def test_an_optimiser_that_is_thrown_far_by_its_first_steps_may_come_back(digits: Data) -> None:
    wanted = config(widths=[256, 256, 256], optimizer="rmsprop", lr=0.01, batch_size=60, epochs=25)
    result = train(wanted, digits, lambda *_: None)
    assert result.epochs[0].train_loss > 20 * math.log(10)
    assert result.value > 0.5


def test_a_training_that_is_dead_at_chance_is_ended(digits: Data) -> None:
    shuffled = digits.train.targets[torch.randperm(240, generator=torch.Generator().manual_seed(0))]
    data = replace(digits, train=Split(torch.zeros_like(inputs_of(digits.train)), shuffled))
    with pytest.raises(Diverged, match="stayed at chance for 5 epochs"):
        train(config(epochs=50, lr=0.1, batch_size=5), data, silent)


def test_a_training_that_is_slow_but_learns_is_not(digits: Data) -> None:
    result = train(config(epochs=12, optimizer="sgd", lr=2e-5, batch_size=5), digits, silent)
    assert len(result.epochs) == 12
    assert result.epochs[-1].train_accuracy is not None
    assert result.epochs[-1].train_accuracy < 0.2


def test_a_model_over_the_limit_is_refused_before_any_step(digits: Data) -> None:
    with pytest.raises(Infeasible, match="9,610 parameters are more than max_parameters = 9,609") as caught:
        train(config(), digits, untrained, limits=Limits(max_parameters=9_609))
    assert caught.value.constraint == "max_parameters"
    assert caught.value.excess == 1
    train(config(epochs=1), digits, silent, limits=Limits(max_parameters=9_610))


def test_time_spent_before_the_snapshot_counts(digits: Data) -> None:
    snapshots: list[Any] = []
    train(config(epochs=2), digits, lambda *args: snapshots.append(args[1]()))
    snapshots[0]["curve"][0]["seconds"] = 61.0
    train(config(epochs=2), digits, silent, snapshots[0], Limits(minutes=2))
    with pytest.raises(OutOfTime, match=r"1\.0 minutes .* at step 5 of epoch 2, and 1 are"):
        train(config(epochs=2), digits, silent, snapshots[0], Limits(minutes=1))


def test_a_snapshot_of_another_training_is_refused(digits: Data) -> None:
    snapshots: list[Any] = []
    train(config(epochs=1), digits, lambda *args: snapshots.append(args[1]()))
    with pytest.raises(SnapshotError, match=r"its lr is 0\.001 and not 0\.5"):
        train(config(epochs=1, lr=0.5), digits, silent, snapshots[0])
    with pytest.raises(SnapshotError, match="its data is"):
        train(config(epochs=1), replace(digits, fingerprint="other"), silent, snapshots[0])


def test_what_does_not_fit_the_data_is_refused_in_a_sentence(digits: Data) -> None:
    with pytest.raises(ObjectiveError, match="batch_size = 500 is more than the 240 training examples of 'digits'"):
        check(config(batch_size=500), digits)
    with pytest.raises(ObjectiveError, match="images of 8x8 are too small"):
        train(config(model="cnn", filters=[4, 4, 4, 4]), digits, untrained)


def regression() -> Data:
    inputs = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    targets = inputs.sum(1, keepdim=True)
    both = Split(inputs, targets)
    return Data("line", "regression", both, both, 0, (3,), torch.zeros(3), torch.ones(3), "line")


def test_a_regression_minimises_its_loss() -> None:
    data = regression()
    result = train(config(epochs=20, lr=0.01, patience=20), data, silent)
    assert result.value == min(epoch.validation_loss or math.inf for epoch in result.epochs) < 0.5
    assert result.epochs[0].train_accuracy is None
    assert result.epochs[0].validation_accuracy is None
    with pytest.raises(ObjectiveError, match="needs classes"):
        check(config(label_smoothing=0.1), data)
    with pytest.raises(ObjectiveError, match="needs images"):
        check(config(model="smallnet"), data)


def test_a_single_example_at_the_end_of_an_epoch_is_left_out() -> None:
    result = train(config(batch_norm=True, batch_size=99, epochs=1), regression(), silent)
    assert math.isfinite(result.value)


def test_parameters_are_counted_without_allocating(digits: Data) -> None:
    assert count_parameters(config(widths=[1_000_000, 1_000_000]), digits) > 10**12


def test_the_platform_is_recorded(digits: Data) -> None:
    record = platform_record(digits.train.inputs.device)
    assert record["device"] == "cpu"
    assert record["torch"] == torch.__version__
    assert record["threads"] == torch.get_num_threads()


def test_an_epoch_may_be_many_passes(digits: Data) -> None:
    once, thrice = (train(config(epochs=6 // n, passes=n), digits, silent) for n in (1, 3))
    assert len(thrice.epochs) == 2
    for long, short in zip(thrice.epochs, (once.epochs[2], once.epochs[5]), strict=True):
        assert long.validation_loss == short.validation_loss
    snapshots: list[Any] = []
    train(config(epochs=2, passes=3), digits, lambda _, snapshot: snapshots.append(snapshot()))
    assert_same(train(config(epochs=2, passes=3), digits, silent, snapshots[0]), thrice)


def test_inputs_are_on_the_scale_that_the_config_says(digits: Data) -> None:
    scaled = {name: Augmentation(config(normalisation=name), digits) for name in ("standard", "symmetric", "none")}
    batches = {name: each.evaluate(inputs_of(digits.train)) for name, each in scaled.items()}
    assert batches["standard"].mean().item() == pytest.approx(0, abs=1e-3)
    assert batches["standard"].std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert (batches["symmetric"].min().item(), batches["symmetric"].max().item()) == (-1, 1)
    torch.testing.assert_close(batches["none"], digits.train.inputs / 255)
