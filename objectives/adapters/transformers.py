"""One callback that has Hugging Face's Trainer report to a trial, and be pruned by it."""

import io
import tarfile
from pathlib import Path
from typing import Any

import transformers

from winnow.objectives.adapters.reporting import folder_of, report


class TransformersCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Report each evaluation of a training: `monitor` (`eval_accuracy`, say) is the value, all else stands beside it.

    It counts evaluations from 1, those before a checkpoint that the Trainer resumes from included: with
    `eval_strategy="epoch"` they are epochs. What is evaluated before or after the training is not reported.
    `trainer.train` raises optuna.TrialPruned where the trial is pruned.
    """

    def __init__(self, trial: Any, monitor: str) -> None:
        self._trial = trial
        self._monitor = monitor
        self._saves = False
        self._reported_step = 0
        self._measured: dict[str, float] = {}
        """By the last evaluation, where it is to be reported with the checkpoint that comes next, or has no value."""

    def resumed_from(self, resume: bytes | None) -> str | None:
        """Return what `trainer.train` is to resume from, and report with the Trainer's own checkpoints from now on.

        It writes them where `save_strategy` is the same as `eval_strategy`.
        """
        self._saves = True
        if resume is None:
            return None
        folder = folder_of(self)
        with tarfile.open(fileobj=io.BytesIO(resume)) as archive:
            archive.extractall(folder, filter="data")
        return str(next(folder.iterdir()))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Report an evaluation after new steps; of several data sets, that which has `monitor`."""
        if self._monitor not in metrics:
            self._measured = self._measured or metrics
        elif state.global_step not in (0, self._reported_step):
            self._measured = metrics
            if not (self._saves and control.should_save):
                self._report(state)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report with the checkpoint that was written after the evaluation."""
        if self._monitor in self._measured and self._saves:
            self._report(state, Path(args.output_dir, f"checkpoint-{state.global_step}"))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise KeyError where an evaluation is over and `monitor` was in none of its data sets."""
        if self._measured and not self._reported_step:
            self._report(state)

    on_train_end = on_step_begin

    def _report(self, state: Any, checkpoint: Path | None = None) -> None:
        self._reported_step = state.global_step
        measured, self._measured = self._measured, {}
        evaluated = {logged["step"] for logged in state.log_history if self._monitor in logged} - {0}
        numbers = {name: number for name, number in measured.items() if name != "epoch"}
        saved = (lambda: _archived(checkpoint)) if checkpoint else None
        report(self._trial, self._monitor, numbers, len(evaluated), saved)


def _archived(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(folder, folder.name)
    return content.getvalue()
