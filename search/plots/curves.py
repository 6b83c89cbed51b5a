"""How trials trained, epoch by epoch."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search.history import History, TrialRecord
from search.plots import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def learning_curves(history: History, top: int = 5) -> "Figure":
    """The curves of the `top` best trials over a band of all: its median and middle half at each epoch.

    The band is made of the trials that reached the epoch, so later epochs show only what pruning let through.
    """
    drawn = style.figure("epoch", history.metric)
    _add_band(drawn, history)
    baseline = history.baseline
    for trial, (color, dash) in zip(history.ranked[:top], style.LINES, strict=False):
        if trial is not baseline:
            _add_curve(drawn, trial, f"trial {trial.number}", color, dash)
    if baseline is not None and baseline.curve:
        _add_curve(drawn, baseline, "baseline", style.BLACK, "solid")
    values = [record.value for trial in history.trials for record in trial.curve]
    style.keep_in_view(drawn, values, history.direction)
    return drawn


def quartiles(trials: Sequence[TrialRecord]) -> tuple[list[int], NDArray[np.float64]]:
    """The epochs that any trial reached, and (epochs, 3) lower quartile, median and upper quartile of the values."""
    values: dict[int, list[float]] = defaultdict(list)
    for trial in trials:
        for record in trial.curve:
            if np.isfinite(record.value):
                values[record.epoch].append(record.value)
    epochs = sorted(values)
    return epochs, np.array([np.quantile(values[epoch], [0.25, 0.5, 0.75]) for epoch in epochs]).reshape(-1, 3)


def _add_band(drawn: "Figure", history: History) -> None:
    epochs, values = quartiles(history.trials)
    if not epochs:
        return
    lower, median, upper = values.T
    drawn.add_scatter(
        x=[*epochs, *reversed(epochs)],
        y=np.concatenate([upper, lower[::-1]]),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=style.BAND,
        name="middle half",
        hoverinfo="skip",
    )
    drawn.add_scatter(
        x=epochs,
        y=median,
        mode="lines",
        line={"color": style.GREY, "width": 2},
        name="median",
        hovertemplate="median at epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _add_curve(drawn: "Figure", trial: TrialRecord, name: str, color: str, dash: str) -> None:
    drawn.add_scatter(
        x=[record.epoch for record in trial.curve],
        y=np.array([record.value for record in trial.curve]),
        mode="lines",
        line={"color": color, "dash": dash, "width": 2},
        name=name,
        hovertemplate=f"{name}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def baseline_against_best(history: History, quantity: str) -> "Figure | None":
    """Validation (solid) and training (dotted) curves of the baseline and of the best trial.

    `quantity` is `accuracy` or `loss`. None where neither trial recorded it, or where there are not two trials.
    """
    baseline, best = history.baseline, history.best
    if baseline is None or best is None or best is baseline:
        return None
    drawn = style.figure("epoch", quantity)
    for trial, name, color in ((baseline, "baseline", style.BLACK), (best, "best", style.BLUE)):
        for part, dash in (("validation", "solid"), ("train", "dot")):
            points = [(record.epoch, getattr(record, f"{part}_{quantity}")) for record in trial.curve]
            known = [(epoch, value) for epoch, value in points if value is not None]
            if known:
                drawn.add_scatter(
                    x=[epoch for epoch, _ in known],
                    y=np.array([value for _, value in known]),
                    mode="lines",
                    line={"color": color, "dash": dash, "width": 2},
                    name=name,
                    showlegend=part == "validation",
                    hovertemplate=f"{name}, {part}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
                )
    return drawn if drawn.data else None
