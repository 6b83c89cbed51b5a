"""The built-in objective: sample a configuration, train it, return its score.

It runs in a Winnow worker and in a plain `study.optimize(objective, n_trials=3)` alike: only here does a training
touch a trial.
"""

import hashlib
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import Diverged, Infeasible, SnapshotError
from winnow.objectives.hyperparameters import Config, change, config_values, make_config
from winnow.objectives.models import weights_file
from winnow.objectives.space import Space, suggest
from winnow.records import BASELINE, CONFIG, EPOCHS, GIVEN, KEEP_WEIGHTS, RESTARTED, TRAINING, Epoch, restarted

if TYPE_CHECKING:
    from winnow.objectives.calibration import StackSize


def derived_seed(study_seed: int, number: int) -> int:
    """Return the seed of trial `number`: 32 bits that depend on nothing but the study's seed and the number."""
    digest = hashlib.sha256(f"{study_seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def is_given(trial: Any) -> bool:
    """Return whether a trial draws nothing, since its configuration is given.

    A baseline is shown as if it were drawn.
    """
    return GIVEN in trial.user_attrs and BASELINE not in trial.user_attrs


def configuration(trial: Any, space: Space, fixed: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the values that a trial trains, its seed among them: what it draws, or what it was given."""
    drawn = {} if is_given(trial) else suggest(trial, space, fixed)
    return {"seed": derived_seed(seed, trial.number), **drawn, **trial.user_attrs.get(GIVEN, {})}


@dataclass
class TrainingObjective:
    """Train one configuration on `data`; the value is its validation score.

    In a study of one's own: `study.optimize(TrainingObjective(DataSpec("digits"), space), n_trials=3)`. Without a
    Winnow worker the curve is kept in the user attribute `winnow:epochs`; with one, in the table of epochs.
    """

    data: DataSpec
    space: Space = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    max_parameters: int | None = None
    trial_minutes: float | None = None
    precision: str = "fp32"
    """Of trials whose configuration says nothing of it."""
    metric: str = ""
    """What trials are judged by: empty is accuracy, or the loss of a regression."""

    keep_layers: int = 0
    """After so many epochs of a training, what its layers' weights are; see `recording`."""
    keep_outputs: int = 0
    """After so many, what the network answers."""
    devices_per_trial: int = 1
    """So many processes, of which this is one, train each trial together: `torch.distributed` knows them by the
    environment."""
    patience_seconds: float = 900.0
    """How long one of them waits for another."""
    stacks: Any = None
    """The `Stacks` by which the trials of several threads train as one; None: each alone."""

    def prepare(self) -> None:
        """Import torch and load the data, before a trial waits for them; raises DataError."""
        from winnow.objectives.data import loading

        if self.devices_per_trial > 1 and self.device == "cuda":
            import torch

            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        loading.load(self.data, self.device)

    def calibrate(self, values: Mapping[str, Any]) -> str:
        """Return the faster precision on this device for a configuration like the given values."""
        from winnow.objectives.calibration import faster_precision
        from winnow.objectives.data import loading

        return faster_precision(make_config({**values, "precision": "fp32"}), loading.load(self.data, self.device))

    def stack_size(self, values: Mapping[str, Any], most: int) -> "StackSize":
        """Return how many trials, up to `most`, are best trained as one stack on this device: measured, or known.

        Beside trainings under way it is measured between two of their steps, so that none is timed with another.
        """
        from winnow.objectives.calibration import best_stack
        from winnow.objectives.data import loading

        config, data = make_config(values), loading.load(self.data, self.device)

        def in_one_step() -> Generator[Any, Any, Any]:
            return best_stack(config, data, most)
            yield

        return self.stacks.do(in_one_step()) if self.stacks else best_stack(config, data, most)

    def apart_because(self, values: Mapping[str, Any]) -> str:
        """Return why a stack calls the network of the given values member by member, where that is not its layers'."""
        from winnow.objectives import compatibility
        from winnow.objectives.data import loading
        from winnow.objectives.models.building import build
        from winnow.objectives.models.imported_network import ImportedNetwork
        from winnow.objectives.models.stacked_own import apart_because

        config, data = make_config(values), loading.load(self.data, self.device)
        shape = compatibility.input_shape(config, data.shape)
        network = build(config, shape, data.classes or 1)
        return apart_because(network, shape) if isinstance(network, ImportedNetwork) else ""

    def __call__(self, trial: Any, resume: bytes | None = None) -> float:
        """Run one trial; raises optuna.TrialPruned where it is pruned, diverges or is infeasible."""
        import optuna

        from winnow.objectives import data_parallel, recording, snapshots, training
        from winnow.objectives.data import loading
        from winnow.objectives.divergence import guessing_accuracy, guessing_loss
        from winnow.objectives.platforms import platform_record

        config = self.config(trial)
        data = loading.load(self.data, self.device)
        trial.set_user_attr(CONFIG, config_values(config))
        trial.set_user_attr(
            TRAINING,
            {
                "parameters": training.count_parameters(config, data),
                "data_fingerprint": data.fingerprint,
                "validation_examples": len(data.validation.targets),
                "guessing_loss": guessing_loss(data, config),
                "guessing_accuracy": guessing_accuracy(data),
                **platform_record(data.device, self.devices_per_trial),
            },
        )
        ranks = data_parallel.join(self.devices_per_trial, self.device, self.patience_seconds)
        recorder = recording.NetworkRecorder(trial, config, data, self.keep_layers, self.keep_outputs)
        report = _Reporter(trial, recorder)
        try:
            started = training.begin(
                config,
                data,
                report,
                None if resume is None else _snapshot(trial, resume),
                training.Limits(self.max_parameters, self.trial_minutes),
                ranks,
            )
            result: training.Result = (self.stacks.do if self.stacks else training.alone)(started)
        except Infeasible as error:
            trial.set_constraint(error.constraint, error.excess)
            raise optuna.TrialPruned(f"infeasible: {error}") from error
        except Diverged as error:
            raise optuna.TrialPruned(f"diverged: {error}") from error
        finally:
            report.close()
        if self.max_parameters is not None:
            trial.set_constraint("max_parameters", result.parameters - self.max_parameters)
        if trial.user_attrs.get(KEEP_WEIGHTS):
            trial.store_artifact("weights", snapshots.to_bytes(result.weights))
        recorder.conclude(result.weights)
        return result.value

    def config(self, trial: Any) -> Config:
        """Return the configuration that this trial trains: what it draws, or what it was given."""
        given = configuration(trial, self.space, self.fixed, self.seed)
        values = {"precision": self.precision, "metric": self.metric, **given}
        config = make_config(values)
        if config.weights and not config.weights_sha256:
            config = change(config, weights_sha256=weights_file.digest(config.weights))
        return config


def _snapshot(trial: Any, content: bytes) -> dict[str, Any] | None:
    """Return what an attempt goes on from; None, with a word in the trial's record, where nobody can read it."""
    from winnow.objectives import snapshots

    try:
        return snapshots.from_bytes(content)
    except SnapshotError as error:
        said = f"its checkpoint cannot be read ({error.problem}), so it trained again from the start"
        trial.set_user_attr(RESTARTED, restarted(trial.user_attrs, said))
        return None


class _Reporter:
    """Report epochs to a trial: a worker's takes all of one at once, a plain one its value alone."""

    def __init__(self, trial: Any, record: Callable[[int, Callable[[], Any]], None]) -> None:
        self.trial = trial
        self.record = record
        self.curve: list[dict[str, Any]] = []

    def __call__(self, epoch: Epoch, snapshot: Callable[[], Any]) -> Callable[[bool], None]:
        import optuna

        from winnow.objectives import snapshots

        self.record(epoch.epoch, snapshot)
        answered: Callable[[], None] | None = None
        if hasattr(self.trial, "report_epoch"):
            answered = self.trial.report_epoch(epoch, lambda: snapshots.to_bytes(snapshot()))
        else:
            self.trial.report(epoch.value, epoch.epoch)
            self.curve.append({"epoch": epoch.epoch, **epoch.metrics})

        def verdict(over: bool) -> None:
            if answered is not None:
                answered()
            if self.trial.should_prune() and not over:  # whose epochs are all trained is complete: nothing is saved
                raise optuna.TrialPruned(f"pruned after epoch {epoch.epoch} at {epoch.value:.4g}")

        return verdict

    def close(self) -> None:
        """Keep the curve with a plain trial."""
        if self.curve:
            self.trial.set_user_attr(EPOCHS, self.curve)
