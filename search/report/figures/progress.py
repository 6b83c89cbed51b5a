"""How the search went: the best so far, who worked when, and what pruning saved."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from winnow.search.analysis.pruning import Length, saved_by
from winnow.search.analysis.study_record import StudyRecord, TrialRecord, elapsed
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def optimisation_history(record: StudyRecord) -> "Figure":
    """Return every finished trial's value over its number, and the best so far."""
    drawn = style.figure("trial", record.metric)
    valued = [trial for trial in record.finished if trial.value is not None and np.isfinite(trial.value)]
    for name, marker, group in (
        ("pruned", style.PRUNED_MARKER, "PRUNED"),
        ("completed", {"color": style.BLUE, "symbol": "circle", "size": 6}, "COMPLETE"),
    ):
        members = [trial for trial in valued if trial.state == group and not trial.baseline]
        numbers, values = np.array([t.number for t in members]), np.array([t.value for t in members])
        style.add_points(drawn, numbers, values, name, marker, "trial %{x}: %{y:.4g}")
    _add_best_so_far(drawn, record)
    baseline = record.baseline
    if baseline is not None and baseline in valued:
        place = [baseline.number], [baseline.value]
        style.add_points(drawn, *place, "baseline", style.BASELINE_MARKER, "baseline, trial %{x}: %{y:.4g}")
    style.whole_numbers(drawn, len(record.finished))
    style.keep_in_view(drawn, [trial.value for trial in valued], record.direction)
    return drawn


def searches(records: Mapping[str, StudyRecord], trials: int) -> "Figure":
    """Return the best so far of several searches over their first `trials` finished trials, in one picture."""
    first = next(iter(records.values()))
    drawn = style.figure("trials finished", first.metric)
    values: list[float] = []
    for (name, record), (color, dash) in zip(records.items(), style.LINES * len(records), strict=False):
        best, line = math.inf, list[float]()
        for trial in sorted(record.finished, key=lambda trial: trial.number)[:trials]:
            best = min(best, record.loss(trial.value) if trial in record.ranked else math.inf)
            line.append(-best if record.direction == "maximize" else best)
        known = [(place, value) for place, value in enumerate(line, start=1) if math.isfinite(value)]
        values += {value for _, value in known}  # each once, or what a search began with counts as hopeless
        places, heights = [place for place, _ in known], np.array([value for _, value in known], dtype=np.float32)
        hover = f"{style.text(name)}, after %{{x}} trials: %{{y:.4g}}"
        style.add_line(drawn, places, heights, style.text(name), {"color": color, "dash": dash, "shape": "hv"}, hover)
    style.whole_numbers(drawn, trials)
    style.keep_in_view(drawn, values, first.direction)
    return drawn


def timeline(record: StudyRecord) -> "Figure":
    """Draw each finished trial from start to end, in a row for each worker and device."""
    timed = [trial for trial in record.finished if trial.started and trial.ended]
    rows = sorted({_worker_row(trial) for trial in timed}, reverse=True)
    unit, seconds = _unit(elapsed(timed))
    drawn = style.figure(unit, "", height=130 + 26 * len(rows))
    drawn.update_layout(barmode="overlay", bargap=0.2, showlegend=True)
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=rows)
    origin = min((trial.started for trial in timed if trial.started), default=None)
    for state, (name, color) in _STATES.items():
        members = [trial for trial in timed if trial.state == state]
        if members:
            drawn.add_bar(
                x=np.array([_seconds(trial.started, trial.ended) / seconds for trial in members], dtype=np.float32),
                base=np.array([_seconds(origin, trial.started) / seconds for trial in members], dtype=np.float32),
                y=[_worker_row(trial) for trial in members],
                orientation="h",
                marker={"color": color, "line": {"width": 0}},
                name=name,
                customdata=np.array([trial.number for trial in members]),
                hovertemplate=f"trial %{{customdata}}: %{{x:.2f}} {unit}<extra></extra>",
            )
    return drawn


def pruning_savings(record: StudyRecord) -> "Figure":
    """Draw the training time spent over the trials, beside what it would have been, had each run to its length."""
    length = Length(record)
    numbers = [trial.number for trial in record.finished]
    spent = np.cumsum([trial.seconds for trial in record.finished])
    unpruned = np.cumsum([trial.seconds + saved_by(trial, length) for trial in record.finished])
    unit, seconds = _unit(float(unpruned[-1]))
    drawn = style.figure("trial", f"{unit} of training")
    for name, time, color, dash in (
        ("without pruning (estimate)", unpruned, style.GREY, "dash"),
        ("spent", spent, style.BLUE, "solid"),
    ):
        hover = f"{name}, up to trial %{{x}}: %{{y:.4g}} {unit}"
        style.add_line(drawn, numbers, time / seconds, name, {"color": color, "dash": dash}, hover)
    style.whole_numbers(drawn, len(numbers))
    drawn.update_yaxes(rangemode="tozero")
    return drawn


_UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))


def _unit(seconds: float) -> tuple[str, int]:
    """Return the largest unit of which there are two, with its seconds."""
    return next((unit, size) for unit, size in _UNITS if seconds >= 2 * size or size == 1)


_STATES = {
    "COMPLETE": ("completed", style.BLUE),
    "PRUNED": ("pruned", style.ORANGE),
    "FAIL": ("failed", style.VERMILION),
}


def _worker_row(trial: TrialRecord) -> str:
    return style.text(" ".join(filter(None, (trial.worker, trial.host, trial.device))) or "unknown worker")


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0


def best_so_far(record: StudyRecord) -> list[TrialRecord]:
    """Return the trials that were the best when they came, in order of their numbers."""
    winners: list[TrialRecord] = []
    for trial in sorted(record.ranked, key=lambda trial: trial.number):
        if not winners or record.gain(trial, winners[-1]) > 0:
            winners.append(trial)
    return winners


def _add_best_so_far(drawn: "Figure", record: StudyRecord) -> None:
    winners = best_so_far(record)
    if winners:
        numbers = [*(trial.number for trial in winners), record.finished[-1].number]
        values = [*(trial.value for trial in winners), winners[-1].value]
        line = {"shape": "hv", "color": style.VERMILION}
        style.add_line(drawn, numbers, values, "best so far", line, "best so far from trial %{x}: %{y:.4g}")
