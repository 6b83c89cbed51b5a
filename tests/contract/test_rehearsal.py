"""What a minute tells before a search: the range of learning rates, and whether a network fits a few examples."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.rehearsal import overfit, rate_range
from winnow.search.cli.main import cli

DIGITS = DataSpec("digits", train=600, validation=100)


def test_the_range_of_a_network_that_learns_lies_between_nothing_and_too_much() -> None:
    found = rate_range(make_config(optimizer="sgd", batch_size=32), load(DIGITS))
    assert found.learns
    assert 1e-3 < found.steepest <= found.lowest < 10, "SGD trains this network between a hundredth and one"
    assert found.losses[0] == pytest.approx(found.guessing, rel=0.1)
    low, high = found.proposal
    assert low < found.steepest < high
    again = rate_range(make_config(optimizer="sgd", batch_size=32), load(DIGITS))
    assert again == found, "the same seeds, the same bits"


@pytest.mark.parametrize("changes", [{"layer_decay": 0.5}, {"class_weights": "balanced"}, {"weight_decay": 1.0}])
def test_the_range_is_that_of_the_training_whatever_bears_on_a_step(changes: dict[str, object]) -> None:
    plain, changed = (rate_range(make_config(**each), load(DIGITS), steps=12, seeds=1) for each in ({}, changes))
    assert changed.losses != plain.losses


def test_a_network_that_cannot_learn_is_told() -> None:
    dead = make_config(widths=[2] * 30, activation="sigmoid", optimizer="sgd", batch_size=32)
    assert not rate_range(dead, load(DIGITS), high=0.1, steps=60, seeds=1).learns


def test_a_network_fits_twenty_examples_whatever_regularises_it_in_the_search() -> None:
    heavy = make_config(dropout=0.9, weight_decay=5.0, label_smoothing=0.3, crop=True, flip=True, patience=1, passes=3)
    found = overfit(heavy, DIGITS)
    assert found.fitted
    assert found.examples == 20
    assert found.curve[-1].epoch < 300, "it ends where it fits"


def test_a_network_that_is_not_trained_does_not_fit() -> None:
    assert not overfit(make_config(lr=1e-9, optimizer="sgd"), DIGITS, epochs=5).fitted
    blown = overfit(make_config(lr=1e6, optimizer="sgd"), DIGITS, epochs=60)
    assert blown.diverged
    assert not blown.fitted


def test_a_regression_fits_where_its_loss_is_gone() -> None:
    assert overfit(make_config(lr=1e-2, batch_size=20), DataSpec("regression_100d", train=100)).fitted


SPEC = """
name = "s"
[data]
name = "digits"
[fixed]
optimizer = "sgd"
batch_size = 32
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
[baseline]
lr = %s
[budget]
trials = 4
"""


def test_the_commands_say_what_to_search_and_exit_by_what_they_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(SPEC % "1e-1")
    told = CliRunner().invoke(cli, ["range", "s.toml", "--steps", "60", "--seeds", "1"])
    assert told.exit_code == 0, told.output
    assert "To search: lr = { low = " in told.output
    numbers = json.loads(CliRunner().invoke(cli, ["range", "s.toml", "--steps", "60", "--seeds", "1", "--json"]).output)
    assert numbers["low"] == pytest.approx(numbers["high"] / 100)
    fits = CliRunner().invoke(cli, ["overfit", "s.toml"])
    assert (fits.exit_code, "The network fits 20 examples" in fits.output) == (0, True)
    Path("s.toml").write_text(SPEC % "1e-4")
    fails = CliRunner().invoke(cli, ["overfit", "s.toml", "--epochs", "3"])
    assert (fails.exit_code, "does not fit 20 examples" in fails.output) == (1, True)
