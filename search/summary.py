"""What a study found, in plain words: the report's first paragraph and the last lines of a run."""

import math
import shlex
from dataclasses import dataclass
from typing import Any

from search import audit as audits
from search.history import History, TrialRecord, elapsed


@dataclass(frozen=True)
class Compared:
    """One hyperparameter in the baseline and in the best trial; None where it played no part."""

    name: str
    searched: bool
    baseline: Any
    best: Any


def sentences(history: History) -> list[str]:
    """What won, by how much, how sure that is, and what it cost; each a whole sentence."""
    audited = audits.audit(history)
    return [*_result(history), *([audits.sentence(audited)] if audited else []), _cost(history)]


def comparison(history: History) -> list[Compared]:
    """The searched hyperparameters of the best trial beside the baseline's, and all others in which they differ.

    Empty while there is no best trial. The trial's own seed is left out: it differs always and means nothing.
    """
    baseline, best = history.baseline, history.best
    if best is None:
        return []
    searched = history.parameter_names
    others = [name for name in best.config if name not in searched and name != "seed"]
    rows = [(name, True) for name in searched]
    rows += [(name, False) for name in others if baseline and baseline.config.get(name) != best.config[name]]
    return [
        Compared(name, is_searched, _setting(baseline, name, is_searched), _setting(best, name, is_searched))
        for name, is_searched in rows
    ]


def _setting(trial: TrialRecord | None, name: str, searched: bool) -> Any:
    """The value that was trained: the configuration's, for a parameter may have been clamped into its range."""
    if trial is None or (searched and trial.parameters and name not in trial.parameters):
        return None
    return trial.config.get(name, trial.parameters.get(name))


def quoted(history: History) -> str:
    """The study's name as a shell takes it."""
    return shlex.quote(history.study)


def confirm_command(history: History) -> str:
    """The command that measures the winner again, on fresh seeds and then on test data."""
    return f"winnow confirm {quoted(history)}"


def number(value: Any) -> str:
    """A value as people read it: four significant digits, a dash for what is not there."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    return ", ".join(map(number, value)) if isinstance(value, list | tuple) else str(value)


def duration(seconds: float) -> str:
    """Seconds as people say them: `4.2 s`, `3 min 20 s`, `5 h 12 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _result(history: History) -> list[str]:
    best, baseline = history.best, history.baseline
    if not history.finished:
        return ["No trial has finished yet, so there is nothing to conclude."]
    if best is None:
        return ["No trial has completed, so there is no winner; the table of trials says why each one ended."]
    if best is baseline:
        return [
            f"Nothing beat the baseline: its {history.metric} of {number(best.value)} is the best of "
            f"{len(history.ranked)} completed trials."
        ]
    won = f"Trial {best.number} won with a {history.metric} of {number(best.value)}"
    if baseline is None:
        compared = [f"{won}.", "The study has no baseline, so nothing says how much the search gained."]
    elif baseline.value is None:
        compared = [f"{won}.", "The baseline has no value, so nothing says how much the search gained."]
    else:
        gain = number(abs(history.gain(best, baseline)))
        compared = [f"{won}, {gain} better than the baseline's {number(baseline.value)}."]
    return [
        *compared,
        f"This is not yet a result to rely on: the best of {len(history.ranked)} values measured once, and on the data "
        "that chose it, is partly luck.",
    ]


def _cost(history: History) -> str:
    finished = history.finished
    pruned, failed = history.count("PRUNED"), history.count("FAIL")
    worker_time, wall_time = sum(trial.seconds for trial in finished), elapsed(finished)
    workers = len({trial.worker for trial in finished if trial.worker})
    by = f" by {workers} workers" if workers > 1 else ""
    return (
        f"The search ran {len(finished)} trials ({len(finished) - pruned - failed} completed, {pruned} pruned, "
        f"{failed} failed){by} and took {duration(wall_time)}, or {duration(worker_time)} of device time."
    )
