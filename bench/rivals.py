"""Searches of other libraries, for `bench.search_quality` to replay beside ours: Syne Tune's schedulers and SMAC.

    pip install -r bench/rivals-requirements.txt && pip install --no-deps syne-tune==0.14.2

In an environment of its own: the last Syne Tune that has MOBSTER and DyHPO asks for NumPy 1, and runs on NumPy 2. Each
is asked and told by its own public interface, and a paused trial goes on from its checkpoint. All halve from one first
rung but DyHPO, whose rungs are its own. A choice is given as its option's place.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.search_tasks import Table, Task
from winnow.objectives.space import Choice, Space, conditions, only_active, ordered


def first_rung(task: Task) -> int:
    """Return the epochs after which a trial is judged first."""
    return max(2, round(0.06 * task.epochs))


def parameters_of(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a configuration of theirs."""
    given = {name: (space[name], config[name]) for name in ordered(space) if name in config}
    return {
        name: entry.labels[int(value)] if isinstance(entry, Choice) else entry.nearest(value)
        for name, (entry, value) in given.items()
    }


class SyneTune:
    """A multi-fidelity scheduler of Syne Tune's; it knows no conditions, and is told the error of a divergence."""

    def __init__(self, task: Task, name: str, seed: int, options: Mapping[str, Any]) -> None:
        from syne_tune.optimizer import legacy_baselines

        logging.disable(logging.WARNING)
        restricted = {}
        if isinstance(task, Table):
            restricted = {"restrict_configurations": [_syne_tune_config(task.space, each) for each in task.parameters]}
        self._task, self._trials = task, list[Any]()
        self._scheduler = getattr(legacy_baselines, name)(
            _syne_tune_space(task.space),
            metric="value",
            mode="max" if task.maximize else "min",
            resource_attr="epoch",
            max_t=task.epochs,
            random_seed=seed,
            search_options={"debug_log": False, **restricted},
            **options,
        )

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        """Take a new trial, or one that paused."""
        from syne_tune.backend.trial_status import Trial

        suggestion = self._scheduler.suggest(len(self._trials))
        if not suggestion.spawn_new_trial_id:
            return int(suggestion.checkpoint_trial_id), None, self._task.epochs
        trial = Trial(len(self._trials), suggestion.config, datetime.now())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        self._asked = only_active(self._task.space, parameters_of(self._task.space, trial.config))
        return trial.trial_id, self._asked, self._task.epochs

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Insist on what was suggested: no other configuration can be told."""
        _insist(self._task, self._asked, parameters)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Report each epoch; the scheduler stops or pauses."""
        decision = self._scheduler.on_trial_result(self._trials[number], {"value": value, "epoch": epoch})
        return bool(decision != "CONTINUE")

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        """Tell as Syne Tune's own tuner does."""
        (self._scheduler.on_trial_error if failed else self._scheduler.on_trial_remove)(self._trials[number])


class Smac:
    """SMAC's multi-fidelity facade, as it comes: Hyperband over a random forest; a divergence is the worst cost yet."""

    def __init__(self, task: Task, seed: int) -> None:
        from smac import MultiFidelityFacade, Scenario

        warnings.filterwarnings("ignore", module="smac")
        self._task, self._trials = task, dict[Any, int]()
        self._asked, self._costs, self._worst = dict[int, Any](), dict[int, float](), 0.0
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            _smac_space(task.space),
            output_directory=Path(self._folder.name),
            deterministic=True,
            n_trials=1_000_000,
            min_budget=first_rung(task),
            max_budget=task.epochs,
            seed=seed,
        )
        self._facade = MultiFidelityFacade(scenario, _never, logging_level=False, overwrite=True)

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        """Take the next configuration, or one that goes on to its next budget."""
        info = self._facade.ask()
        new = info.config not in self._trials
        number = self._trials.setdefault(info.config, len(self._trials))
        self._asked[number] = info
        return number, self._parameters(number) if new else None, round(info.budget)

    def _parameters(self, number: int) -> Mapping[str, Any]:
        return parameters_of(self._task.space, dict(self._asked[number].config))

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Insist on what was suggested: no other configuration can be told."""
        _insist(self._task, self._parameters(number), parameters)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Keep the last value: it is told once, at the end of the budget."""
        self._costs[number] = -value if self._task.maximize else value
        self._worst = max(self._worst, self._costs[number])
        return False

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        """Tell what the budget came to."""
        from smac.runhistory import StatusType, TrialValue

        cost = self._worst if failed else self._costs[number]
        status = StatusType.CRASHED if failed else StatusType.SUCCESS
        self._facade.tell(self._asked.pop(number), TrialValue(cost=cost, status=status), save=False)


def _never(config: Any, seed: int = 0, budget: float = 0) -> float:
    raise AssertionError("the replay trains")


def _insist(task: Task, asked: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    if dict(asked) != dict(parameters):
        raise SystemExit(
            f"{task.name} has only configurations of its own, and these rivals search whole spaces: leave out"
        )


def _syne_tune_space(space: Space) -> dict[str, Any]:
    from syne_tune import config_space as kinds

    found: dict[str, Any] = {}
    for name in ordered(space):
        entry = space[name]
        if isinstance(entry, Choice):
            found[name] = kinds.choice([str(place) for place in range(len(entry.choices))])
        elif entry.whole:
            found[name] = (kinds.lograndint if entry.log else kinds.randint)(int(entry.low), int(entry.high))
        else:
            found[name] = (kinds.loguniform if entry.log else kinds.uniform)(entry.low, entry.high)
    return found


def _syne_tune_config(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with something in what its conditions leave out."""
    found: dict[str, Any] = {}
    for name in ordered(space):
        entry = space[name]
        if isinstance(entry, Choice):
            found[name] = str(entry.labels.index(parameters[name]) if name in parameters else 0)
        else:
            found[name] = parameters.get(name, entry.nearest(entry.low))
    return found


def _smac_space(space: Space) -> Any:
    import ConfigSpace

    found, at = ConfigSpace.ConfigurationSpace(seed=0), {}
    for name in ordered(space):
        entry = space[name]
        if isinstance(entry, Choice):
            at[name] = ConfigSpace.CategoricalHyperparameter(name, list(range(len(entry.choices))))
        else:
            kind = ConfigSpace.UniformIntegerHyperparameter if entry.whole else ConfigSpace.UniformFloatHyperparameter
            at[name] = kind(name, entry.low, entry.high, log=entry.log)
        found.add(at[name])
        clauses = []
        for parent, allowed in conditions(space, name).items():
            choice = space[parent]
            assert isinstance(choice, Choice)
            places = [place for place, each in enumerate(choice.labels) if each in allowed]
            clauses.append(ConfigSpace.InCondition(at[name], at[parent], places))
        if clauses:
            found.add(clauses[0] if len(clauses) == 1 else ConfigSpace.AndConjunction(*clauses))
    return found


def _syne_tune(name: str, halves: bool = True, **options: Any) -> Callable[[Task, int], SyneTune]:
    def made(task: Task, seed: int) -> SyneTune:
        rungs = {"type": "promotion", "grace_period": first_rung(task), "reduction_factor": 3} if halves else {}
        return SyneTune(task, name, seed, rungs | options)

    return made


RIVALS: dict[str, Callable[[Task, int], Any]] = {
    "syne-tune asha": _syne_tune("ASHA"),
    "syne-tune mobster": _syne_tune("MOBSTER"),
    "syne-tune dyhpo": _syne_tune("DyHPO", halves=False),
    "syne-tune bohb": _syne_tune("BOHB"),
    "smac": Smac,
}
