"""Callbacks of Optuna's own integrations run on a worker's trial as they run on Optuna's."""

import pytest

from integration.winnow import Place

pytest.importorskip("lightning.pytorch")

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
