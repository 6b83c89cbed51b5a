"""One callback that has Hugging Face's Trainer report to a trial, and be pruned by it."""

from typing import Any

import transformers

from winnow.objectives.adapters.reporting import report


class TransformersCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Report each evaluation of a training: `monitor` (`eval_accuracy`, say) is the value, all else stands beside it.

    It counts evaluations from 1, those before a checkpoint that the Trainer resumes from included: with
    `eval_strategy="epoch"` they are epochs. What is evaluated before or after the training is not reported.
    `trainer.train` raises optuna.TrialPruned where the trial is pruned.
    """

    def __init__(self, trial: Any, monitor: str) -> None:
        self._trial = trial
        self._monitor = monitor
        self._reported_step = 0
        self._without_monitor: dict[str, float] = {}

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Report an evaluation after new steps; of several data sets, that which has `monitor`."""
        measured = {name: number for name, number in metrics.items() if name != "epoch"}
        if self._monitor not in measured:
            self._without_monitor = measured
        elif state.global_step not in (0, self._reported_step):
            self._reported_step = state.global_step
            evaluated = {logged["step"] for logged in state.log_history if self._monitor in logged} - {0}
            report(self._trial, self._monitor, measured, len(evaluated))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise KeyError where an evaluation is over and `monitor` was in none of its data sets."""
        if self._without_monitor and not self._reported_step:
            report(self._trial, self._monitor, self._without_monitor, 0)

    on_train_end = on_step_begin
