"""One callback that has Hugging Face's Trainer report to a trial, and be pruned by it."""

from typing import Any

import transformers

from winnow.objectives.adapters.reporting import report


class TransformersCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Report each evaluation: `monitor` (`eval_accuracy`, for one) is the value, all else stands beside it.

    It counts evaluations from 1: with `eval_strategy="epoch"` they are epochs. `trainer.train` raises
    optuna.TrialPruned where the trial is pruned.
    """

    def __init__(self, trial: Any, monitor: str) -> None:
        self._trial = trial
        self._monitor = monitor
        self._evaluations = 0

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Report an evaluation."""
        self._evaluations += 1
        measured = {name: number for name, number in metrics.items() if name != "epoch"}
        report(self._trial, self._monitor, measured, self._evaluations)
