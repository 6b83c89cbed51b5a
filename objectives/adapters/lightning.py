"""One callback that has Lightning's Trainer report to a trial, and be pruned by it."""

import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning

from winnow.objectives.adapters.reporting import folder_of, report


class LightningCallback(lightning.Callback):
    """Report what was logged by the end of each epoch: `monitor` is the value, all else stands beside it.

    `trainer.fit` raises optuna.TrialPruned where the trial is pruned.
    """

    def __init__(self, trial: Any, monitor: str) -> None:
        super().__init__()
        self._trial = trial
        self._monitor = monitor
        self._saves = False

    def resumed_from(self, resume: bytes | None) -> Path | None:
        """Return the `ckpt_path` for `trainer.fit`, and report with Lightning's own checkpoints from now on."""
        self._saves = True
        if resume is None:
            return None
        path = folder_of(self) / "resumed.ckpt"
        path.write_bytes(resume)
        return path

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report an epoch, counted from 1, if it was validated; raise KeyError where `monitor` was not logged."""
        epoch = trainer.current_epoch + 1
        if epoch % (trainer.check_val_every_n_epoch or 1) == 0:
            checkpoint = (lambda: _checkpoint(trainer)) if self._saves else None
            report(self._trial, self._monitor, trainer.callback_metrics, epoch, checkpoint)


def _checkpoint(trainer: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "last.ckpt")
        trainer.save_checkpoint(path)
        return path.read_bytes()
