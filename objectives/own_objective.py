"""An objective of the user's own: a function that is given a configuration, and gives its epochs and its score.

Its configuration is drawn from a declared space and arrives as keyword arguments, or the function draws it by its own
`suggest_*` calls. A trial that repeats another one is given that one's configuration either way.
"""

import argparse
import inspect
import json
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

from winnow.objectives.space import Space, hyperparameter
from winnow.objectives.training_objective import configuration, is_given
from winnow.records import CONFIG, EPOCHS, KEEP_WEIGHTS, RESERVED, RESTARTED, TEST_SCORE, TRAINING, restarted


@dataclass
class OwnObjective:
    """Call `function` with a trial, `fixed`, what is drawn of `space`, and what else its parameters ask for."""

    function: Callable[..., Any]
    space: Space = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    devices_per_trial: int = 1
    """So many processes, of which this is one, call the function at once."""

    def __call__(self, trial: Any, resume: bytes | None = None) -> Any:
        """Run one trial; raises what the function raises."""
        values = configuration(trial, self.space, self.fixed, self.seed)
        seed, test = values["seed"], values.pop("test", False)
        by_keyword = {*self.fixed, *(hyperparameter(parameter) for parameter in self.space)}
        options = {name: value for name, value in values.items() if name in by_keyword}
        options |= self._asked_for(seed=seed, **({"test": True} if test else {}))
        checkpoint = {} if resume is None else self._asked_for(resume=resume)
        configured = ConfiguredTrial(trial, values, given=is_given(trial))
        try:
            returned = self._call(configured, seed, options, checkpoint)
        finally:  # what it drew, and what it imported, is known only now
            configured.close()
            close_runs()
            trial.set_user_attr(CONFIG, values)
            trial.set_user_attr(TRAINING, {**_platform(self.devices_per_trial), **trial.user_attrs.get(TRAINING, {})})
        if test and returned is not None:
            returned, score = returned
            trial.set_user_attr(TEST_SCORE, float(score))
        return returned

    def _call(
        self, trial: "ConfiguredTrial", seed: int, options: Mapping[str, Any], checkpoint: Mapping[str, Any]
    ) -> Any:
        """Call the function; once more from the start where it fails on its checkpoint before it reports anything.

        It alone knows whether it can still read what it wrote.
        """
        seed_generators(seed)
        forget_accelerator()
        if not checkpoint or self.devices_per_trial > 1:  # of several processes none begins anew by itself
            return self.function(trial, **options, **checkpoint)
        import optuna

        try:
            return self.function(trial, **options, **checkpoint)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            if trial.has_reported:
                raise
            why = f"{type(error).__name__}: {error}"
            said = f"its checkpoint could not be gone on from ({why}), so it trained again from the start"
            trial.note_restart(said)
        return self._call(trial, seed, options, {})

    def _asked_for(self, **options: Any) -> dict[str, Any]:
        """Return those of `options` that the function has a parameter for."""
        known = inspect.signature(self.function).parameters
        return {name: value for name, value in options.items() if name in known}


class ConfiguredTrial:
    """A trial whose `suggest_*` note in `values` what they draw, or draw from there where the values are `given`.

    With a trial of stock Optuna's, which takes the value alone, other metrics are kept as Winnow's own objective does.
    """

    def __init__(self, trial: Any, values: dict[str, Any], *, given: bool) -> None:
        self._trial = trial
        self._values = values
        self._given = given
        self._curve: list[dict[str, Any]] = []
        self.has_reported = False
        """Whether it has told of an epoch."""

    def __getattr__(self, name: str) -> Any:
        """Everything else is the trial's own."""
        return getattr(self._trial, name)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Behave as Optuna's; raises ValueError for the names of Winnow's own, by which reports and resuming go."""
        if str(key).startswith(RESERVED):
            raise ValueError(f"the attribute {key!r} is Winnow's own; let its name begin otherwise than {RESERVED!r}")
        self._trial.set_user_attr(key, value)

    def note_restart(self, said: str) -> None:
        """Record why it is trained again from the start."""
        self._trial.set_user_attr(RESTARTED, restarted(self._trial.user_attrs, said))

    def report(
        self,
        value: float,
        step: int,
        checkpoint: Callable[[], bytes] | None = None,
        *,
        prune: bool = False,
        **metrics: SupportsFloat,
    ) -> None:
        """Report as a worker's trial does; with `prune`, raise optuna.TrialPruned where it should be pruned."""
        self.has_reported = True
        if hasattr(self._trial, "report_epoch"):
            self._trial.report(value, step, checkpoint, **metrics)
        else:
            self._trial.report(value, step)
            self._curve.append({"epoch": step, **{name: float(number) for name, number in metrics.items()}})
        if prune and self._trial.should_prune():
            import optuna

            raise optuna.TrialPruned(f"pruned after epoch {step} at {value:.4g}")

    def parse_args(self, parser: argparse.ArgumentParser, **options: Any) -> argparse.Namespace:
        """Return what a script's parser reads where nothing but these options is given, each by its name.

        Raises LookupError for a name that is none of its options, and ValueError for a value that is no choice of one.
        """
        known: dict[str, argparse.Action] = {}
        for action in parser._actions:
            known |= dict.fromkeys((action.dest, *(each.lstrip("-") for each in action.option_strings)), action)
        given = {}
        for name, value in options.items():
            if (option := known.get(name)) is None:
                raise LookupError(f"the script has no option {name!r}; it has {', '.join(known)}")
            if isinstance(value, str) and callable(option.type):
                value = option.type(value)
            if option.choices is not None and value not in option.choices:
                raise ValueError(f"{value!r} is none of {name}'s choices, {', '.join(map(str, option.choices))}")
            given[option.dest] = value
            option.required = False
        return argparse.Namespace(**vars(parser.parse_args([])) | given)

    def keep_model(self, model: Any) -> None:
        """Hand over what was trained, a torch module or its `state_dict`, for whoever exports or loads the winner.

        It is kept of the trainings of `winnow confirm`, and of the trials that `[keep] weights` asks for; how many
        parameters a module has is recorded of every trial (`winnow front`).
        """
        if hasattr(model, "parameters"):
            known = self._trial.user_attrs.get(TRAINING, {})
            self._trial.set_user_attr(
                TRAINING, {**known, "parameters": sum(part.numel() for part in model.parameters())}
            )
        if self._trial.user_attrs.get(KEEP_WEIGHTS):
            import torch

            from winnow.objectives import snapshots

            weights = model.state_dict() if hasattr(model, "state_dict") else dict(model)
            for name, weight in weights.items():
                if not isinstance(weight, torch.Tensor):
                    raise TypeError(f"keep_model takes a torch module or its state_dict, and {name!r} is no tensor")
            self._trial.store_artifact("weights", snapshots.to_bytes(snapshots.on_cpu(weights)))

    def close(self) -> None:
        """Keep the other metrics with a plain trial."""
        if any(len(epoch) > 1 for epoch in self._curve):
            self._trial.set_user_attr(EPOCHS, self._curve)

    def suggest_float(self, name: str, *arguments: Any, **options: Any) -> float:
        """Behave as Optuna's."""
        return float(self._value("suggest_float", name, *arguments, **options))

    def suggest_int(self, name: str, *arguments: Any, **options: Any) -> int:
        """Behave as Optuna's."""
        return int(self._value("suggest_int", name, *arguments, **options))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Behave as Optuna's; what was given is known by its JSON, in which a tuple is a list."""
        value = self._value("suggest_categorical", name, choices)
        return next((choice for choice in choices if json.dumps(choice) == json.dumps(value)), value)

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high, step=q)

    def _value(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        if not self._given:
            self._values[name] = getattr(self._trial, method)(name, *arguments, **options)
        elif name not in self._values:
            raise LookupError(f"the objective asks for {name!r}, which the configuration to be repeated does not have")
        return self._values[name]


@dataclass(frozen=True)
class OwnModel:
    """What an objective of one's own handed over by `trial.keep_model`: only its own code can build the module again.

    `network.load_state_dict(model.weights)` makes it what it was.
    """

    config: Mapping[str, Any]
    """All that the function was called with, or drew, and the seed."""
    weights: Mapping[str, Any]
    """The `state_dict`, on the CPU."""


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch, of the latter two where they are imported."""
    random.seed(seed)
    for module, function in (("numpy.random", "seed"), ("torch", "manual_seed")):
        if module in sys.modules:
            getattr(sys.modules[module], function)(seed)


def close_runs() -> None:
    """Close the runs that a trial left open at Weights & Biases and MLflow: the next one would go on with them."""
    for module, close in (("wandb", "finish"), ("mlflow", "end_run")):
        with suppress(Exception):  # it may be a folder of that name; and what was trained is worth more
            getattr(sys.modules.get(module), close)()


def forget_accelerator() -> None:
    """Let accelerate be set up anew, in another precision than for the trial before: it keeps one state a process."""
    if accelerate := sys.modules.get("accelerate.state"):
        accelerate.AcceleratorState._reset_state()
        accelerate.GradientState._reset_state()


def _platform(devices_per_trial: int) -> dict[str, Any]:
    """Return what must match for a replay to give the same bits, where the function trains with torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    from winnow.objectives.platforms import platform_record

    return platform_record(torch.device("cuda" if torch.cuda.is_initialized() else "cpu"), devices_per_trial)
