"""How trials trained, epoch by epoch."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def learning_curves(record: StudyRecord, top: int = 5) -> "Figure":
    """Draw the curves of the `top` best and the baseline over a band of all: each epoch's median and middle half.

    The band is made of the trials that reached the epoch, so later epochs show only what pruning let through.
    """
    drawn = style.figure("epoch", record.metric)
    _add_band(drawn, record)
    for trial, name, color, dash in _best_and_baseline(record, top):
        _add_curve(drawn, trial, "value", name, color, dash)
    values = [epoch.value for trial in record.trials for epoch in trial.curve]
    style.keep_in_view(drawn, values, record.direction)
    return _in_epochs(drawn)


def quartiles(trials: Sequence[TrialRecord]) -> tuple[list[int], NDArray[np.float64]]:
    """Return the epochs that any trial reached, and (epochs, 3) lower quartile, median and upper quartile there."""
    values: dict[int, list[float]] = defaultdict(list)
    for trial in trials:
        for epoch in trial.curve:
            if np.isfinite(epoch.value):
                values[epoch.epoch].append(epoch.value)
    reached = sorted(values)
    return reached, np.array([np.quantile(values[number], [0.25, 0.5, 0.75]) for number in reached]).reshape(-1, 3)


def baseline_against_best(record: StudyRecord, quantity: str) -> "Figure":
    """Draw validation (solid) and training (dotted) curves of the baseline and of the best trial.

    `quantity` is `accuracy` or `loss`. Empty where neither trial recorded it, or where there are not two trials.
    """
    baseline, best, drawn = record.baseline, record.best, style.figure("epoch", quantity)
    if baseline is None or best is None or best is baseline:
        return drawn
    for trial, name, color in ((baseline, "baseline", style.BLACK), (best, "best", style.BLUE)):
        _add_curve(drawn, trial, f"validation_{quantity}", name, color, "solid")
        _add_curve(drawn, trial, f"train_{quantity}", f"{name}, training", color, "dot", legend=False)
    return _in_epochs(drawn)


def together(groups: Mapping[str, Sequence[TrialRecord]], quantity: str, words: str) -> "Figure":
    """Return a line for each group of trials: the mean of what they recorded of `quantity`, one that ended at its last.

    Without those the mean would leap where the worst of a group end.
    Where a training counterpart was recorded (`train_loss` of `validation_loss`) it is dotted in the same colour.
    """
    drawn = style.figure("epoch", words)
    for place, (name, trials) in enumerate(groups.items()):
        color, dash = style.LINES[place % len(style.LINES)]
        _add_mean(drawn, trials, quantity, name, {"color": color, "dash": dash}, legend=True)
        if quantity.startswith("validation_"):
            training = quantity.replace("validation_", "train_")
            _add_mean(drawn, trials, training, f"{name}, training", {"color": color, "dash": "dot", "width": 1}, False)
    return _in_epochs(drawn)


def rate_range(found: Mapping[str, Any]) -> "Figure":
    """Return the loss while the learning rate rose, as `winnow range --json` says it, and the range to search."""
    drawn = style.figure("learning rate", "training loss", height=320)
    drawn.update_xaxes(type="log")
    style.add_line(drawn, found["rates"], found["losses"], "loss", {"color": style.BLUE}, "rate %{x:.2g}: %{y:.4g}")
    if found["learns"]:
        drawn.add_vrect(x0=found["low"], x1=found["high"], fillcolor=style.BAND, line_width=0)
    return drawn


def _add_mean(
    drawn: "Figure", trials: Sequence[TrialRecord], quantity: str, name: str, line: Mapping[str, Any], legend: bool
) -> None:
    known = [{epoch.epoch: getattr(epoch, quantity) for epoch in trial.curve} for trial in trials]
    curves = [
        {number: value for number, value in each.items() if value is not None and np.isfinite(value)} for each in known
    ]
    reached = sorted({number for curve in curves for number in curve})
    if reached:
        values = np.array([[curve.get(number, np.nan) for number in reached] for curve in curves if curve])
        for column in range(1, len(reached)):
            gone = np.isnan(values[:, column])
            values[gone, column] = values[gone, column - 1]
        means = np.nanmean(values, axis=0).astype(np.float32)
        hover = f"{style.text(name)}, epoch %{{x}}: %{{y:.4g}}"
        style.add_line(drawn, reached, means, style.text(name), line, hover, showlegend=legend)


def one_trial(trial: TrialRecord, metric: str) -> "Figure":
    """Draw what one trial reported, epoch by epoch, and what else it measured; empty before its first epoch.

    The legend hides and shows each line.
    """
    extra = extra_metrics([trial])
    drawn = style.figure("epoch", "value" if extra else metric)
    _add_curve(drawn, trial, "value", metric if extra else f"trial {trial.number}", style.BLUE, "solid", bool(extra))
    for name, (color, dash) in zip(extra, itertools.cycle(style.LINES[1:])):
        _add_curve(drawn, trial, name, name, color, dash)
    return _in_epochs(drawn)


def extra_metrics(trials: Sequence[TrialRecord]) -> list[str]:
    """Return the names of what the objective measured beside what Winnow knows, in the order of first appearance."""
    return list(dict.fromkeys(name for trial in trials for epoch in trial.curve for name in epoch.extra))


def quantity_curves(record: StudyRecord, quantity: str, title: str, top: int = 5) -> "Figure":
    """Return one recorded quantity of the `top` best trials and the baseline; empty where it was not recorded."""
    drawn = style.figure("epoch", title)
    for trial, name, color, dash in _best_and_baseline(record, top):
        _add_curve(drawn, trial, quantity, name, color, dash)
    return _in_epochs(drawn)


def generalisation_gap(record: StudyRecord) -> "Figure":
    """Return how much better each completed trial did on training than on validation data, over its result.

    At the epoch whose value is the trial's; in accuracy where it was recorded, else in loss; empty where neither was.
    """
    gaps, words = _gaps(record, "accuracy"), "training minus validation accuracy"
    if not gaps:
        gaps, words = _gaps(record, "loss"), "validation minus training loss"
    drawn = style.figure(record.metric, words)
    trials = [trial for trial in record.ranked if trial.number in gaps]
    for name, marker, members in (
        ("completed", {"color": style.BLUE, "size": 6}, [trial for trial in trials if not trial.baseline]),
        ("best", style.BEST_MARKER, trials[:1]),
        ("baseline", style.BASELINE_MARKER, [trial for trial in trials if trial.baseline]),
    ):
        numbers = [trial.number for trial in members]
        values = np.array([trial.value for trial in members], dtype=np.float32)
        sizes = np.array([gaps[number] for number in numbers], dtype=np.float32)
        hover = "trial %{customdata}: %{x:.4g}, gap %{y:.4g}"
        style.add_points(drawn, values, sizes, name, marker, hover, numbers)
    drawn.update_yaxes(zeroline=True, zerolinecolor=style.INK)
    style.keep_in_view(drawn, [trial.value for trial in trials], record.direction, "x")
    return drawn


def _in_epochs(drawn: "Figure") -> "Figure":
    """Return the figure with whole numbers under its epochs."""
    style.whole_numbers(drawn, max((int(max(trace.x)) for trace in drawn.data if len(trace.x)), default=0))
    return drawn


def _best_and_baseline(record: StudyRecord, top: int) -> Iterator[tuple[TrialRecord, str, str, str]]:
    """Return the trials to draw as lines, with name, colour and dash; the baseline last, so that it lies on top."""
    for trial, (color, dash) in zip(record.ranked[:top], style.LINES, strict=False):
        if not trial.baseline:
            yield trial, f"trial {trial.number}", color, dash
    if record.baseline is not None:
        yield record.baseline, "baseline", style.BLACK, "solid"


def _add_curve(
    drawn: "Figure", trial: TrialRecord, quantity: str, name: str, color: str, dash: str, legend: bool = True
) -> None:
    points = [(epoch.epoch, epoch.quantity(quantity)) for epoch in trial.curve]
    known = [(number, value) for number, value in points if value is not None]
    if known:
        numbers, values = [number for number, _ in known], np.array([value for _, value in known], dtype=np.float32)
        hover = f"{name}, epoch %{{x}}: %{{y:.4g}}"
        style.add_line(drawn, numbers, values, name, {"color": color, "dash": dash}, hover, showlegend=legend)


def _add_band(drawn: "Figure", record: StudyRecord) -> None:
    epochs, values = quartiles(record.trials)
    if not epochs:
        return
    lower, median, upper = values.astype(np.float32).T  # as the curves: one point lies on its median
    around = [*epochs, *reversed(epochs)], np.concatenate([upper, lower[::-1]])
    style.add_line(drawn, *around, "middle half", {"width": 0}, fill="toself", fillcolor=style.BAND)
    style.add_line(drawn, epochs, median, "median", {"color": style.GREY}, "median at epoch %{x}: %{y:.4g}")


def _gaps(record: StudyRecord, quantity: str) -> dict[int, float]:
    """Return by how much each completed trial was better on training data, by its number.

    Those that do not know are left out.
    """
    gaps = {}
    for trial in record.ranked:
        training = getattr(trial.best_epoch, f"train_{quantity}", None)
        validation = getattr(trial.best_epoch, f"validation_{quantity}", None)
        if training is not None and validation is not None:
            gaps[trial.number] = training - validation if quantity == "accuracy" else validation - training
    return gaps
