"""What a training leaves for pictures: at the epochs asked for, small, and without a bit of it changed."""

from typing import Any

import numpy as np
import optuna
import torch

from winnow.objectives import recording
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training_objective import TrainingObjective


def trained(data: DataSpec, fixed: dict[str, Any], **keep: Any) -> optuna.trial.FrozenTrial:
    study = optuna.create_study(direction="minimize")
    study.optimize(TrainingObjective(data, fixed=fixed, **keep), n_trials=1)
    return study.trials[0]


def test_epochs_go_evenly_from_the_first_to_the_last() -> None:
    assert recording.epochs(5, 20) == [1, 6, 10, 15, 20]
    assert recording.epochs(6, 3) == [1, 2, 3]
    assert recording.epochs(1, 7) == [7]
    assert recording.epochs(0, 7) == []


def test_a_layer_is_told_by_its_norm_its_spread_and_its_share_near_zero() -> None:
    weights = torch.cat([torch.full((60,), 5e-4), torch.full((40,), 2.0)]).reshape(10, 10)
    state = {"0.weight": weights, "0.bias": torch.ones(10), "1.weight": torch.ones(4, 1, 3, 3)}
    dense, convolution = recording.layers(state)
    assert (dense["name"], convolution["name"]) == ("dense 1", "convolution 1")
    assert (dense["weights"], dense["near_zero"], dense["reach"]) == (100, 0.6, 2.0)
    assert dense["norm"] == round(float(weights.norm()), 4)
    assert dense["shares"][-1] == 400
    assert sum(dense["shares"]) == 1000
    assert len(recording.layers({str(place): torch.ones(2, 2) for place in range(40)})) == 12


def test_a_fitted_curve_is_kept_epoch_by_epoch_and_changes_no_training() -> None:
    data = DataSpec("regression_1d", train=10, validation=20)
    fixed = {"model": "mlp", "widths": [8], "epochs": 4, "passes": 3, "batch_size": 10, "dropout": 0.2}
    with_it, without = trained(data, fixed, keep_outputs=3, keep_layers=2), trained(data, fixed)
    last, plain = (trial.user_attrs["winnow:epochs"][-1] for trial in (with_it, without))
    assert last["train_loss"] == plain["train_loss"]
    found = with_it.user_attrs["winnow:outputs"]
    assert found["epochs"] == [1, 2, 4]
    assert [len(curve) for curve in found["y"]] == [len(found["x"])] * 3
    assert len(found["points"]) == 10
    assert [row["epoch"] for row in with_it.user_attrs["winnow:layers"]] == [1, 4]
    assert not {"winnow:outputs", "winnow:layers"} & without.user_attrs.keys()


def test_an_epoch_that_is_trained_again_is_kept_once() -> None:
    data = loading.load(DataSpec("regression_1d", train=10, validation=20))
    trial = optuna.create_study().ask()
    recorder = recording.NetworkRecorder(trial, make_config({"model": "mlp", "epochs": 3}), data, 3, 0)
    for epoch, size in ((1, 1.0), (2, 2.0), (2, 3.0), (3, 4.0)):
        recorder(epoch, lambda size=size: {"model": {"0.weight": torch.full((2, 2), size)}})  # type: ignore[misc]
    kept = trial.user_attrs["winnow:layers"]
    assert [(row["epoch"], row["layers"][0]["reach"]) for row in kept] == [(1, 1.0), (2, 3.0), (3, 4.0)]


def test_the_plane_is_parted_as_the_network_that_the_training_ended_with_parts_it() -> None:
    fixed = {"model": "mlp", "widths": [4], "epochs": 1, "batch_size": 20}
    found = trained(DataSpec("circles", train=40, validation=20), fixed, keep_outputs=1).user_attrs["winnow:outputs"]
    assert np.array(found["probability"]).shape == (len(found["y"]), len(found["x"]))
    assert len(found["points"]) == len(found["labels"]) == 20
