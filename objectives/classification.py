"""The built-in objective: sample a configuration, train it, return its score.

It runs in a Winnow worker and in a plain `study.optimize(objective, n_trials=3)` alike: only here does a training
touch a trial.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from objectives.catalog import DataSpec
from objectives.errors import Diverged, Infeasible
from objectives.hyperparameters import Config, config_values, make_config
from objectives.space import Space, suggest


def derived_seed(study_seed: int, number: int) -> int:
    """The seed of trial `number`: 32 bits that depend on nothing but the study's seed and the number."""
    digest = hashlib.sha256(f"{study_seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


@dataclass
class Classification:
    """Train one configuration on `data`; the value is its validation accuracy.

    In a study of one's own: `study.optimize(Classification(DataSpec("digits"), space={...}), n_trials=3)`.
    """

    data: DataSpec
    space: Space = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"

    def __call__(self, trial: Any, resume: bytes | None = None) -> float:
        """Run one trial; raises optuna.TrialPruned where it is pruned, diverges or is infeasible."""
        import optuna

        from objectives import data as data_module
        from objectives import snapshots, training

        config = self.config(trial)
        data = data_module.load(self.data, self.device)
        record = {
            "config": config_values(config),
            "data_fingerprint": data.fingerprint,
            "parameters": training.count_parameters(config, data),
            **training.platform_record(data),
        }
        trial.set_user_attr("winnow:config", record.pop("config"))
        trial.set_user_attr("winnow:training", record)
        epochs: list[dict[str, Any]] = []
        report = _reporter(trial, epochs, snapshots.to_bytes)
        try:
            result = training.train(config, data, report, snapshots.from_bytes(resume) if resume else None)
        except Infeasible as error:
            trial.set_constraint(error.constraint, error.excess)
            trial.set_user_attr("winnow:reason", f"infeasible: {error}")
            raise optuna.TrialPruned(str(error)) from error
        except Diverged as error:
            trial.set_user_attr("winnow:reason", f"diverged: {error}")
            raise optuna.TrialPruned(str(error)) from error
        finally:
            if epochs:
                trial.set_user_attr("winnow:epochs", epochs)
        return result.value

    def config(self, trial: Any) -> Config:
        """The configuration that this trial trains: what it draws, or what it came with."""
        values = suggest(trial, self.space, self.fixed)
        values.update(trial.user_attrs.get("winnow:given", {}))
        values.setdefault("seed", derived_seed(self.seed, trial.number))
        return make_config(values)


def _reporter(
    trial: Any, epochs: list[dict[str, Any]], to_bytes: Callable[[Any], bytes]
) -> Callable[[int, Any, Callable[[], Any]], None]:
    """How this trial hears of an epoch: a worker's trial takes all of it at once, a plain one its value alone."""
    import optuna

    def report(epoch: int, metrics: Any, snapshot: Callable[[], Any]) -> None:
        if hasattr(trial, "report_epoch"):
            trial.report_epoch(epoch, metrics.value, metrics.as_dict(), lambda: to_bytes(snapshot()))
        else:
            trial.report(metrics.value, epoch)
            epochs.append({"epoch": epoch, **metrics.as_dict()})
        if trial.should_prune():
            raise optuna.TrialPruned(f"pruned after epoch {epoch}")

    return report
