"""Callbacks of Optuna's own integrations run on a worker's trial as on Optuna's, and ours in scripts as written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from integration.winnow import Place
from winnow.objectives.own_objective import OwnObjective
from winnow.objectives.space import Choice

pytest.importorskip("lightning.pytorch")
import lightning.pytorch as lightning

from winnow import LightningCallback

SPEC = """
name = "s"
objective = "mine:search"
direction = "minimize"
sampler = { name = "random" }
pruner = { name = "median", n_startup_trials = 1, n_warmup_steps = 0 }
budget = { trials = 2 }
"""
LIGHTNING = """
import lightning.pytorch as pl
import torch
from optuna.terminator import report_cross_validation_scores
from optuna_integration import PyTorchLightningPruningCallback

class Model(pl.LightningModule):
    def __init__(self, number):
        super().__init__()
        self.number, self.layer = number, torch.nn.Linear(2, 1)

    def training_step(self, batch, index):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, index):
        self.log("loss", float(self.number) + self.current_epoch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def search(trial):
    callback = PyTorchLightningPruningCallback(trial, monitor="loss")
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[callback],
    )
    data = torch.utils.data.DataLoader(torch.ones(4, 2), batch_size=2)
    report_cross_validation_scores(trial, [0.5, 0.7])
    trainer.fit(Model(trial.number), data, data)
    callback.check_pruned()
    return float(trainer.callback_metrics["loss"])
"""


def test_lightnings_pruning_callback_and_optunas_terminator(place: Place) -> None:
    (place.folder / "mine.py").write_text(LIGHTNING)
    (place.folder / "s.toml").write_text(SPEC)
    done = place.run("run", "s.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    finished, pruned = place.study().trials
    assert (finished.state.name, finished.intermediate_values) == ("COMPLETE", {0: 0.0, 1: 1.0, 2: 2.0})
    assert finished.system_attrs["terminator:cv_scores"] == [0.5, 0.7]
    assert (pruned.state.name, pruned.intermediate_values) == ("PRUNED", {0: 1.0})
    assert pruned.user_attrs["winnow:reason"] == "Trial was pruned at epoch 0."


def test_each_trial_sets_accelerate_up_for_itself() -> None:
    accelerate = pytest.importorskip("accelerate")

    def fit(trial: Any, mixed_precision: str) -> float:
        accelerator = accelerate.Accelerator(cpu=True, mixed_precision=mixed_precision)
        return float(accelerator.mixed_precision == mixed_precision)

    space = {"mixed_precision": Choice(("no", "bf16"), own=True)}
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"mixed_precision": ["no", "bf16"]}))
    study.optimize(OwnObjective(fit, space))
    assert [trial.value for trial in study.trials] == [1.0, 1.0]


class Line(torch.nn.Module):
    """A model as the Trainer calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.layer(x)
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


class Reports(list[tuple[int, float]]):
    """Stands for a trial: keeps what it is told."""

    def __init__(self) -> None:
        self.checkpoints: list[bytes] = []

    def report(
        self, value: float, step: int, checkpoint: Callable[[], bytes] | None = None, *, prune: bool, **metrics: float
    ) -> None:
        self.append((step, value))
        self.checkpoints += [checkpoint()] if checkpoint else []


def trainer(folder: Path, reports: Reports, monitor: str, **others: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    from winnow import TransformersCallback

    examples = [{"x": torch.tensor([float(x)]), "labels": torch.tensor([2.0 * x])} for x in range(4)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=3, eval_strategy="epoch", save_strategy="epoch", report_to="none",
        disable_tqdm=True, per_device_train_batch_size=2, load_best_model_at_end=True, use_cpu=True,
    )  # fmt: skip
    return transformers.Trainer(
        Line(), arguments, train_dataset=examples, callbacks=[TransformersCallback(reports, monitor)],
        **{"eval_dataset": examples[:2]} | others,
    )  # fmt: skip


def test_what_a_trainer_evaluates_beside_its_training_is_no_epoch(tmp_path: Path) -> None:
    reports = Reports()
    trained = trainer(tmp_path, reports, "eval_loss")
    trained.evaluate()
    trained.train()
    known = list(reports)
    assert [step for step, _ in known] == [1, 2, 3]
    trained.evaluate()
    trained.evaluate(trained.train_dataset)
    trained.evaluate(trained.train_dataset, metric_key_prefix="test")
    assert reports == known


def test_a_trainer_that_resumes_counts_on(tmp_path: Path) -> None:
    reports = Reports()
    trainer(tmp_path, reports, "eval_loss").train()
    again = Reports()
    trainer(tmp_path, again, "eval_loss").train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert again == reports[2:]
    assert not reports.checkpoints


def test_a_trainer_goes_on_from_the_checkpoint_of_an_attempt_elsewhere(tmp_path: Path) -> None:
    attempts = whole, later = Reports(), Reports()
    left = None
    for number, reports in enumerate(attempts):
        attempt = trainer(tmp_path / str(number), reports, "eval_loss")
        (callback,) = (each for each in attempt.callback_handler.callbacks if hasattr(each, "resumed_from"))
        attempt.train(resume_from_checkpoint=callback.resumed_from(left))
        left = reports.checkpoints[0]
    assert [step for step, _ in whole] == [1, 2, 3]
    assert later == whole[1:]


class Module(lightning.LightningModule):
    """A line again, as Lightning trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return self.line(*batch)["loss"]

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("loss", self.line(*batch)["loss"])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), 0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


@pytest.mark.filterwarnings("ignore")  # Lightning advises on clusters and loaders, and uses what torch gives up
def test_lightning_goes_on_from_the_checkpoint_of_an_attempt_elsewhere() -> None:
    attempts = whole, later = Reports(), Reports()
    x = torch.arange(4.0)[:, None]
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x), 2)
    left = None
    for reports in attempts:
        callback = LightningCallback(reports, "loss")
        fitted = lightning.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[callback],
        )  # fmt: skip
        fitted.fit(Module(), data, data, ckpt_path=callback.resumed_from(left))
        left = reports.checkpoints[0]
    assert [step for step, _ in whole] == [1, 2, 3]
    assert later == whole[1:]


def test_a_trainers_second_data_set_may_be_the_one_that_is_watched(tmp_path: Path) -> None:
    reports = Reports()
    examples = [{"x": torch.tensor([1.0]), "labels": torch.tensor([2.0])}]
    two = {"eval_dataset": {"other": examples, "own": examples}}
    unlike = trainer(tmp_path, reports, "eval_accuracy", **two)
    unlike.args.metric_for_best_model = "own_loss"
    with pytest.raises(KeyError, match="'eval_accuracy' was not measured; there are eval_"):
        unlike.train()
    watched = trainer(tmp_path, reports, "eval_own_loss", **two)
    watched.args.metric_for_best_model = "own_loss"
    watched.train()
    assert [step for step, _ in reports] == [1, 2, 3]
