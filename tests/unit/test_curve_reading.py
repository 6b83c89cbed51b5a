"""Curves read aloud: each rule on made curves that have its shape and on those that do not, and on real trainings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.divergence import guessing_accuracy, guessing_loss
from winnow.objectives.errors import Diverged
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train
from winnow.records import Epoch, Outcome
from winnow.search.analysis.curve_reading import Shape, advice, count, read
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

TEN_CLASSES = math.log(10)
EPOCHS = np.arange(1, 41)
Losses = NDArray[np.floating[Any]]


def trial(curve: Sequence[Epoch], **changes: Any) -> TrialRecord:
    made = TrialRecord(
        *(0, "COMPLETE", curve[-1].value if curve else None, {}, {}, {}, "", False, True, None, None, "", "", "", 1.0),
        curve=tuple(curve),
        training={"guessing_loss": TEN_CLASSES},
    )
    return replace(made, **changes)


def curves(
    train: Losses, validation: Losses, accuracy: Losses | None = None, train_accuracy: Losses | None = None
) -> TrialRecord:
    right = np.exp(-validation) if accuracy is None else accuracy
    trained = np.exp(-train) if train_accuracy is None else train_accuracy
    rows = zip(train.tolist(), trained.tolist(), validation.tolist(), right.tolist(), strict=True)
    return trial([Epoch(number, row[3], *row) for number, row in enumerate(rows, start=1)])


def falling(start: float, end: float, pace: float = 6.0) -> Losses:
    return end + (start - end) * np.exp(-(EPOCHS - 1) / pace)


def shaken(values: Losses, by: float) -> Losses:
    return values + np.random.default_rng(0).normal(0, by, len(values))


GOOD = curves(falling(2.2, 0.3, 3), falling(2.2, 0.35, 3))
OVERFIT = curves(falling(2.2, 0.01), falling(2.2, 0.4, 3) + 0.02 * np.maximum(0, EPOCHS - 10))
MADE: dict[Shape, TrialRecord] = {
    Shape.CHANCE: curves(shaken(np.full(40, 2.3), 1e-3), shaken(np.full(40, 2.302), 1e-3)),
    Shape.PLATEAU: curves(
        np.where(EPOCHS < 20, 1.5, 0.3) + falling(0.7, 0.0, 2), np.where(EPOCHS < 20, 1.52, 0.33) + falling(0.7, 0.0, 2)
    ),
    Shape.UNDERFITTING: curves(falling(2.2, 1.6), falling(2.2, 1.62)),
    Shape.OVERFITTING: OVERFIT,
    Shape.LOSS_RISES: replace(
        OVERFIT, curve=tuple(replace(e, validation_accuracy=0.6 + 0.005 * e.epoch) for e in OVERFIT.curve)
    ),
    Shape.NOISE: curves(falling(2.2, 0.3), falling(2.2, 0.35), shaken(np.full(40, 0.7), 0.05)),
    Shape.UNFINISHED: curves(2.2 - 0.04 * EPOCHS, 2.2 - 0.038 * EPOCHS),
}


@pytest.mark.parametrize("shape", MADE)
def test_a_made_curve_is_read_as_what_it_is(shape: Shape) -> None:
    reading = read(MADE[shape])
    assert shape in reading.shapes
    assert reading.found[shape].lower().startswith(shape)
    assert any(letter.isdigit() for letter in reading.found[shape])
    assert advice(MADE[shape], reading).startswith("Try next: ")


def test_a_network_that_is_seldom_sure_but_often_right_is_not_at_chance() -> None:
    begun = curves(np.full(40, 2.22), np.full(40, 2.2), np.full(40, 0.35), np.full(40, 0.3))
    assert Shape.CHANCE in read(begun).shapes, "no accuracy of guessing was recorded"
    assert read(replace(begun, training={**begun.training, "guessing_accuracy": 0.1})).shapes == (Shape.UNDERFITTING,)


def test_mixed_images_keep_the_training_loss_high_and_are_no_underfitting() -> None:
    assert Shape.UNDERFITTING not in read(curves(falling(2.2, 1.4), falling(2.0, 0.3))).shapes


def test_smoothed_labels_keep_both_losses_high_and_are_no_underfitting_where_every_class_is_known() -> None:
    smoothed = curves(falling(2.2, 1.6), falling(2.2, 1.62))
    known = tuple(replace(e, extra={"balanced_accuracy": 0.5 + 0.0125 * e.epoch}) for e in smoothed.curve)
    assert Shape.UNDERFITTING in read(smoothed).shapes
    assert Shape.UNDERFITTING not in read(replace(smoothed, curve=known)).shapes


def test_class_weights_with_smoothed_labels_are_what_to_part_first() -> None:
    both = replace(MADE[Shape.UNDERFITTING], config={"class_weights": "balanced", "label_smoothing": 0.1})
    assert "not both" in advice(both, read(both))
    weighted = replace(both, config={"class_weights": "balanced"})
    assert "not both" not in advice(weighted, read(weighted))


def test_what_stays_at_chance_does_not_overfit() -> None:
    reading = read(curves(falling(2.6, 2.4), 2.3 + 0.02 * EPOCHS))
    assert reading.shapes[0] == Shape.CHANCE
    assert Shape.OVERFITTING not in reading.shapes


def test_a_curve_that_fell_and_stayed_has_no_shape() -> None:
    assert read(GOOD).shapes == ()
    assert advice(GOOD, read(GOOD)) == ""


@pytest.mark.parametrize("by", [0.002, 0.01, 0.03])
def test_jumps_are_not_taken_for_rises(by: float) -> None:
    """A flat end under noise is no overfitting, however the last epochs happen to lie."""
    wrong = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        validation = falling(2.2, 0.5, 3) + random.normal(0, by, 40)
        reading = read(curves(falling(2.2, 0.4), validation))
        wrong += Shape.OVERFITTING in reading.shapes or Shape.LOSS_RISES in reading.shapes
    assert wrong <= 10


def test_divergence_is_read_off_the_outcome_and_off_the_loss() -> None:
    ended = trial([], outcome=Outcome.DIVERGED, reason="diverged: the training loss is nan at step 3 of epoch 1")
    assert read(ended).words == "divergence"
    assert "nan at step 3" in read(ended).sentences[0]
    rising = curves(np.linspace(2, 9, 40), np.linspace(2, 9, 40))
    assert read(rising).shapes == (Shape.DIVERGENCE,)
    assert "a tenth of the learning rate" in advice(rising, read(rising))


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_few_epochs_have_no_shape(length: int) -> None:
    assert read(trial(OVERFIT.curve[:length])).shapes == ()
    assert read(trial(MADE[Shape.CHANCE].curve[:length])).shapes == ((Shape.CHANCE,) if length > 1 else ())


def test_a_study_of_stock_optuna_which_records_values_alone_is_read_without_guesses() -> None:
    plain = trial([Epoch(number, 0.5 + 0.01 * number) for number in range(1, 21)], training={})
    assert read(plain).shapes == ()


def test_shapes_are_counted_by_trial() -> None:
    record = StudyRecord("s", "maximize", "validation accuracy", (GOOD, replace(OVERFIT, number=1)))
    assert count(record) == {Shape.OVERFITTING: [1]}


RULES: tuple[tuple[Shape, dict[str, Any], str], ...] = (
    (Shape.UNDERFITTING, {"weight_decay": 1.0}, "less of weight_decay, so that λ times the penalty stays below"),
    (Shape.PLATEAU, {"activation": "tanh"}, "Glorot's"),
    (Shape.PLATEAU, {"activation": "relu"}, "He's"),
    (Shape.OVERFITTING, {"model": "mlp"}, "dropout in the dense layers, and early stopping"),
    (Shape.OVERFITTING, {"model": "cnn", "hidden": [64]}, "dropout after the convolutions"),
    (Shape.OVERFITTING, {"model": "cnn", "conv_dropout": 0.1, "conv_dropout_kind": "dropout"}, "DropBlock in place"),
    (Shape.OVERFITTING, {"model": "cnn", "patience": 5}, "augmentation, label smoothing or weight decay, and more"),
)  # fmt: skip


@pytest.mark.parametrize(("shape", "config", "words"), RULES)
def test_what_to_try_next_follows_the_rules_of_thumb(shape: Shape, config: dict[str, Any], words: str) -> None:
    asked = replace(MADE[shape], config=config)
    assert words in advice(asked, read(asked))


def trained(data_spec: DataSpec, **values: Any) -> TrialRecord:
    """A real training as its record has it."""
    data, curve, changes = load(data_spec), list[Epoch](), dict[str, Any]()
    append: Callable[[Epoch, Any], None] = lambda epoch, _: curve.append(epoch)  # noqa: E731
    try:
        train(make_config({"batch_size": 32, **values}), data, append)
    except Diverged as error:
        changes = {"outcome": Outcome.DIVERGED, "reason": f"diverged: {error}", "state": "PRUNED"}
    return trial(
        curve, training={"guessing_loss": guessing_loss(data), "guessing_accuracy": guessing_accuracy(data)}, **changes
    )


DIGITS, FEW = DataSpec("digits", train=600, validation=300), DataSpec("digits", train=60, validation=300)
REAL: dict[str, tuple[DataSpec, dict[str, Any], set[Shape], set[Shape]]] = {
    "a rate that is too large": (
        *(DIGITS, {"optimizer": "sgd", "lr": 100.0, "epochs": 6}),
        *({Shape.DIVERGENCE}, {Shape.OVERFITTING}),
    ),
    "a rate that is too small": (
        *(DIGITS, {"optimizer": "sgd", "lr": 1e-5, "epochs": 12}),
        *({Shape.CHANCE}, {Shape.OVERFITTING, Shape.NOISE}),
    ),
    "a decay that holds the weights at nothing": (
        *(DIGITS, {"optimizer": "sgd", "lr": 0.1, "weight_decay": 10.0, "epochs": 30}),
        *({Shape.CHANCE}, {Shape.DIVERGENCE}),
    ),
    "too much decay": (
        *(DIGITS, {"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.3, "epochs": 20}),
        *({Shape.UNDERFITTING}, {Shape.OVERFITTING, Shape.DIVERGENCE}),
    ),
    "60 images with a third of the labels shuffled": (
        *(replace(FEW, shuffle_labels=0.3), {"lr": 3e-3, "epochs": 40}),
        *({Shape.OVERFITTING}, {Shape.UNDERFITTING, Shape.CHANCE}),
    ),
    "a network that fits": (
        *(DIGITS, {"lr": 1e-3, "epochs": 30}),
        *(set(), {Shape.UNDERFITTING, Shape.CHANCE, Shape.DIVERGENCE}),
    ),
    "two epochs more would help": (
        *(DIGITS, {"optimizer": "sgd", "lr": 5e-3, "epochs": 12}),
        *({Shape.UNFINISHED}, {Shape.OVERFITTING, Shape.DIVERGENCE}),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_curve_is_read_as_what_made_it(name: str) -> None:
    data, values, must, must_not = REAL[name]
    reading = read(trained(data, **values))
    assert must <= set(reading.shapes), reading.sentences
    assert not must_not & set(reading.shapes), reading.sentences
