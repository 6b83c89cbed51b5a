"""How the search went."""

from typing import TYPE_CHECKING

import numpy as np

from search.history import History, TrialRecord
from search.plots import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def optimisation_history(history: History) -> "Figure":
    """Every finished trial's value over its number, and the best so far."""
    drawn = style.figure("trial", history.metric)
    valued = [trial for trial in history.finished if trial.value is not None and np.isfinite(trial.value)]
    for name, marker, group in (
        ("pruned", {"color": style.GREY, "symbol": "circle-open", "size": 4}, "PRUNED"),
        ("completed", {"color": style.BLUE, "symbol": "circle", "size": 6}, "COMPLETE"),
    ):
        members = [trial for trial in valued if trial.state == group and not trial.baseline]
        if members:
            drawn.add_scatter(
                x=np.array([trial.number for trial in members]),
                y=np.array([trial.value for trial in members]),
                text=[style.text(trial.reason) for trial in members],
                mode="markers",
                marker=marker,
                name=name,
                hovertemplate="trial %{x}: %{y:.4g}<br>%{text}<extra></extra>",
            )
    _add_best_so_far(drawn, history)
    baseline = history.baseline
    if baseline is not None and baseline in valued:
        drawn.add_scatter(
            x=[baseline.number],
            y=[baseline.value],
            mode="markers",
            marker={"color": style.BLACK, "symbol": "diamond", "size": 10},
            name="baseline",
            hovertemplate="baseline, trial %{x}: %{y:.4g}<extra></extra>",
        )
    style.keep_in_view(drawn, [trial.value for trial in valued], history.direction)
    return drawn


def best_so_far(history: History) -> list[TrialRecord]:
    """The trials that were the best when they came, in order of their numbers."""
    winners: list[TrialRecord] = []
    for trial in sorted(history.ranked, key=lambda trial: trial.number):
        if not winners or history.gain(trial, winners[-1]) > 0:
            winners.append(trial)
    return winners


def _add_best_so_far(drawn: "Figure", history: History) -> None:
    winners = best_so_far(history)
    if winners:
        drawn.add_scatter(
            x=[*(trial.number for trial in winners), history.finished[-1].number],
            y=[*(trial.value for trial in winners), winners[-1].value],
            mode="lines",
            line={"shape": "hv", "color": style.VERMILION, "width": 2},
            name="best so far",
            hovertemplate="best so far from trial %{x}: %{y:.4g}<extra></extra>",
        )
