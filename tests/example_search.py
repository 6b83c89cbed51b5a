"""A real Optuna study of a cheap objective that learns as networks do, for the tests of what is drawn from studies."""

import math
from typing import Any

import optuna

from winnow.records import Epoch
from winnow.search.analysis import study_reader, study_record

EPOCHS = 8
Rows = dict[int, list[Epoch]]


def search(
    trials: int, *, name: str = "example", sampler: optuna.samplers.BaseSampler | None = None
) -> tuple[optuna.Study, Rows]:
    """A finished Winnow study in memory and its epoch rows: trial 0 is the baseline, the median rule prunes."""
    study = optuna.create_study(
        study_name=name,
        direction="maximize",
        sampler=sampler or optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    )
    rows: Rows = {}
    study.enqueue_trial(
        {"lr": 1e-3, "weight_decay": 1e-6, "dropout": 0.0, "optimizer": "adam", "flip": False},
        user_attrs={"winnow:baseline": True},
    )
    study.optimize(lambda trial: _train(trial, rows), n_trials=trials)
    return study, rows


def searched(trials: int, **options: Any) -> study_record.StudyRecord:
    """The history of such a study."""
    study, rows = search(trials, **options)
    return study_reader.read(study, rows)


def _train(trial: optuna.Trial, rows: Rows) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.6)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    momentum = trial.suggest_float("momentum", 0.0, 0.99) if optimizer == "sgd" else 0.0
    flip = trial.suggest_categorical("flip", [True, False])
    baseline = bool(trial.user_attrs.get("winnow:baseline"))
    values = {"lr": lr, "weight_decay": weight_decay, "dropout": dropout, "optimizer": optimizer, "momentum": momentum}
    config = {**values, "flip": flip, "model": "mlp", "epochs": EPOCHS, "seed": trial.number}
    trial.set_user_attr("winnow:config", {**config, "weight_decay": 0.0} if baseline else config)
    trial.set_user_attr("winnow:training", {"parameters": 9610, "precision": "fp32", "threads": 1})
    final = 0.97 - 0.06 * (math.log10(lr) + 2.3) ** 2 - 0.1 * (dropout - 0.2) ** 2 - 0.01 * flip
    rows[trial.number] = []
    for epoch in range(1, EPOCHS + 1):
        learned = 1 - math.exp(-epoch / 2)
        accuracy = 0.1 + (final - 0.1) * learned + 0.004 * math.sin(trial.number * 7 + epoch)
        fit = min(1.0, accuracy + 0.02 * learned * (1 - dropout))
        rows[trial.number].append(
            Epoch(
                epoch,
                accuracy,
                train_loss=2.3 * (1 - fit) + 0.01,
                train_accuracy=fit,
                validation_loss=2.3 * (1 - accuracy) + 0.02,
                validation_accuracy=accuracy,
                lr=lr,
                weight_norm=10 + epoch * (1 - 50 * weight_decay),
                seconds=0.5,
            )
        )
        trial.report(accuracy, epoch)
        run = {"worker": f"worker-{trial.number % 2}", "host": "node1", "device": "cpu", "device_seconds": epoch / 2}
        trial.set_user_attr("winnow:run", run)
        if trial.should_prune() and not baseline:
            trial.set_user_attr("winnow:reason", f"below the median after epoch {epoch}")
            raise optuna.TrialPruned
    return accuracy
