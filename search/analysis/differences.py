"""What the two trials of an ablation differ in: the hyperparameters, grouped into methods."""

from collections.abc import Mapping, Sequence
from typing import Any

from winnow.errors import StudyError
from winnow.objectives.methods import method_of
from winnow.search.analysis.commands import methods_command
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

Methods = Mapping[str, Mapping[str, tuple[Any, Any]]]
"""By method its hyperparameters, each with its value before and after."""


def named_trial(record: StudyRecord, number: int | None, default: TrialRecord | None, what: str) -> TrialRecord:
    """Return the trial of a number, by default the baseline or best trial, as `what` says; raises StudyError."""
    flag = "--from" if what == "baseline" else "--to"
    if number is None:
        if default is None and what == "baseline":  # trial 0 is it or none is: no further trial becomes one
            proposed = f", for example {command}" if (command := methods_command(record)) else ""
            raise StudyError(f"the study {record.study!r} has no baseline", f"begin at a trial by --from{proposed}")
        if default is None:
            raise StudyError(f"the study {record.study!r} has no {what} yet", f"run it on, or name a trial by {flag}")
        trial = default
    else:
        trial = record.trial(number)
    if not trial.config and trial.state in ("WAITING", "RUNNING"):
        raise StudyError(f"trial {trial.number} is not trained yet", f"run it first: winnow work {record.study}")
    if not trial.config:
        raise StudyError(f"trial {trial.number} has no recorded configuration", f"name another by {flag}")
    return trial


def differences(
    record: StudyRecord, start: TrialRecord, goal: TrialRecord, groups: Mapping[str, Sequence[str]], *, own: bool
) -> Methods:
    """Return what differs, by method; what only one side has goes with its parent, and is None on the other."""
    methods: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name in {**start.config, **goal.config}:
        before, after = start.config.get(name), goal.config.get(name)
        if name != "seed" and before != after:
            method = method_of(name, groups, own=own)
            if method == name and (name not in start.config or name not in goal.config):
                method = method_of(_parent(record, start, goal, name), groups, own=own)
            methods.setdefault(method, {})[name] = before, after
    return methods


def _parent(record: StudyRecord, start: TrialRecord, goal: TrialRecord, child: str) -> str:
    """Return the hyperparameter whose value alone decided whether `child` was there; of several, the coarsest.

    It is the child itself where no other did.
    """
    found = {}
    for name in start.config:
        if name != "seed" and name in goal.config and start.config[name] != goal.config[name]:
            values: dict[bool, set[str]] = {True: set(), False: set()}
            for trial in record.trials:
                if trial.config:
                    values[child in trial.config].add(repr(trial.config.get(name)))
            if values[True].isdisjoint(values[False]):
                found[name] = len(values[True]) + len(values[False])
    return min(found, key=lambda name: found[name], default=child)
