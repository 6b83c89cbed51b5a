"""Where in the search space the good values lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import StudyError
from winnow.search.analysis.axes import Axis, scaled
from winnow.search.analysis.formatting import number
from winnow.search.analysis.functional_anova import Marginal
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_UNUSED = -0.15
"""Where parallel coordinates put a hyperparameter that a trial did not have, left of the axis from 0 to 1."""
_ROW, _LINE = 54, 14
"""Pixels from one of their axes to the next, and from one line of its words to the next."""
_MOST_LETTERS = 32
"""Of all choices of an axis: those of more stand on two lines by turns, as a telephone is wide."""
_MOST_BEST = 10
_GRID = 41
_FEW_INTEGERS = 10
_NEIGHBOURS = 3.0
"""A contour is drawn where at least so many trials bear on a point; elsewhere nobody looked."""


def parameter_slice(record: StudyRecord, name: str, marginal: Marginal | None = None) -> "Figure":
    """Return every finished trial's value over one hyperparameter; diverged trials stand as crosses at the worse edge.

    Over the learning rate it is the sweep that shows where training breaks. `marginal` is drawn behind the trials.
    Raises StudyError for an unknown name.
    """
    axis = Axis(record, name)
    drawn = style.figure(name, record.metric, height=320)
    drawn.update_xaxes(**_layout(axis))
    if marginal is not None:
        _add_marginal(drawn, marginal, as_line=not axis.choices)
    trials = [trial for trial in record.finished if name in trial.parameters]
    valued = [trial for trial in trials if trial.value is not None and np.isfinite(trial.value) and not trial.diverged]
    best = record.best
    for label, marker, members in (
        ("pruned", style.PRUNED_MARKER, _only(valued, "PRUNED")),
        ("completed", {"color": style.BLUE, "size": 6}, _only(valued, "COMPLETE")),
        ("baseline", style.BASELINE_MARKER, [trial for trial in valued if trial.baseline]),
        ("best", style.BEST_MARKER, [trial for trial in valued if trial is best]),
    ):
        _add_points(drawn, axis, members, [trial.value for trial in members], label, marker)
    style.keep_in_view(drawn, [trial.value for trial in valued], record.direction)
    diverged = [trial for trial in trials if trial.diverged]
    values = [trial.value for trial in valued if trial.value is not None]
    if values:
        edge = drawn.layout.yaxis.range or [min(values), max(values)]
        edge = edge[0] if record.direction == "maximize" else edge[1]
        marker = {"color": style.VERMILION, "symbol": "x", "size": 8}
        _add_points(drawn, axis, diverged, [edge] * len(diverged), "diverged", marker)
    return drawn


def contour(record: StudyRecord, x: str, y: str) -> "Figure":
    """Return the metric over two numeric hyperparameters, smoothed over the completed trials, which stand as points.

    The surface is a kernel mean (Nadaraya and Watson, 1964; Scott's bandwidth), left blank where no trials bear on it.
    Raises StudyError for a hyperparameter that is unknown or not a number, or where no completed trial has both.
    """
    across, up = Axis(record, x), Axis(record, y)
    for axis in (across, up):
        if axis.choices:
            raise StudyError(f"{axis.name} is a choice and has no contour", "draw its slice instead")
    trials = [trial for trial in record.ranked if x in trial.parameters and y in trial.parameters]
    if not trials:
        raise StudyError(f"no completed trial searched both {x} and {y}", "choose two that were searched together")
    points = np.column_stack([across.unit(trials), up.unit(trials)])
    values = np.array([trial.value for trial in trials])
    ticks = np.linspace(0, 1, _GRID)
    surface = _kernel_mean(points, values, ticks)
    drawn = style.figure(x, y)
    drawn.update_xaxes(**_layout(across))
    drawn.update_yaxes(**_layout(up))
    drawn.add_contour(
        x=across.positions_at(ticks),
        y=up.positions_at(ticks),
        z=surface.astype(np.float32),
        colorscale="Cividis",
        reversescale=record.direction == "minimize",
        contours={"showlines": False},
        ncontours=12,
        colorbar={"title": {"text": style.text(record.metric), "side": "right"}, "thickness": 12},
        hovertemplate="%{x:.4g}, %{y:.4g}: about %{z:.4g}<extra></extra>",
    )
    marker = {"color": "white", "size": 6, "line": {"color": style.INK, "width": 1}}
    told, hover = [(trial.number, trial.value) for trial in trials], "trial %{customdata[0]}: %{customdata[1]:.4g}"
    positions = across.positions(trials), up.positions(trials)
    style.add_points(drawn, *positions, "completed", marker, hover, told, showlegend=False)
    return drawn


def cells(
    of: str,
    across: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    words: Sequence[Sequence[str]],
    direction: str,
) -> "Figure":
    """Draw the mean in each cell of several hyperparameters as a colour, with its `words` (rows, columns).

    Counts have no direction (""): the more, the bluer.
    """
    drawn = style.figure(across, of, height=110 + 48 * len(rows))
    shades = np.array([[np.nan if value is None else value for value in row] for row in values], dtype=np.float32)
    numbers = [[_in_a_cell(value) for value in row] for row in values]
    drawn.add_heatmap(
        z=shades,
        x=[style.text(column) for column in columns],
        y=[style.text(row) for row in rows],
        text=[
            [(n + style.text(w)).removesuffix("<br>") for n, w in zip(*pair, strict=True)]
            for pair in zip(numbers, words, strict=True)
        ],
        texttemplate="%{text}",
        textfont={"size": 11, "color": style.INK_ON_PALE},
        colorscale=[[0, "#F6D9C3"], [0.5, "#FFFFFF"], [1, "#B3D4E8"]] if direction else ["#FFFFFF", "#B3D4E8"],
        reversescale=direction == "minimize",
        showscale=False,
        xgap=2,
        ygap=2,
        hovertemplate="%{y}, %{x}: %{z:.4g}<extra></extra>",
    )
    drawn.update_xaxes(type="category", showgrid=False)
    drawn.update_yaxes(type="category", showgrid=False, autorange="reversed")
    return drawn


def _in_a_cell(value: float | None) -> str:
    """Return a count in full, a mean in three digits, each on a line of its own."""
    if value is None:
        return ""
    return f"{value:,}<br>" if isinstance(value, int) else f"{value:#.3g}".rstrip(".") + "<br>"


def parallel_coordinates(record: StudyRecord, names: Sequence[str]) -> "Figure":
    """Return each completed trial as a line through its hyperparameters to its value; the best stand out.

    Its axes lie one above the other, so that names and values have room on a telephone too; drawn as plain lines, for
    paper and machines without WebGL. `names` chooses and orders them.
    """
    axes = [Axis(record, name) for name in names]
    trials = record.ranked
    drawn = style.figure("", "", height=100 + _ROW * (len(axes) + 1))
    if not trials or not axes:
        return drawn
    values = np.array([trial.value for trial in trials])
    places = np.column_stack([*(axis.unit(trials) for axis in axes), scaled(values, values.min(), values.max())])
    places = np.where(np.isnan(places), _UNUSED, places)
    best = min(max(1, len(trials) // 10), _MOST_BEST)
    half = max(best, len(trials) // 2)
    for label, members, color, width in (
        ("other half", slice(half, None), style.PALE, 1.0),
        ("better half", slice(best, half), style.SKY, 1.0),
        (f"best {best}", slice(0, best), style.VERMILION, 2.0),
    ):
        lines = places[members]
        if len(lines):
            gaps = np.full((len(lines), 1), np.nan)
            rows = np.tile(np.arange(places.shape[1] + 1, dtype=np.uint8), len(lines))
            joined = np.hstack([lines, gaps]).ravel().astype(np.float32)
            style.add_line(drawn, joined, rows, label, {"color": color, "width": width})
    _label_axes(drawn, axes, record.metric, values, unused=bool((places == _UNUSED).any()))
    return drawn


def _layout(axis: Axis) -> dict[str, Any]:
    """Return what plotly must know of an axis."""
    if axis.choices:
        ticks = list(range(len(axis.choices)))
        return {"tickvals": ticks, "ticktext": _labels(axis), "range": [-0.5, len(ticks) - 0.5]}
    if not axis.log:
        return {"dtick": 1} if axis.whole and axis.high - axis.low <= _FEW_INTEGERS else {}
    decades = np.log10(axis.high / axis.low)
    return {"type": "log", "exponentformat": "power", "dtick": 1 if decades >= 2 else None}


def _labels(axis: Axis) -> list[str]:
    """Return the choices as they are written at their ticks: as in tables."""
    return [style.text(number(each)) for each in axis.choices]


def _add_marginal(drawn: "Figure", marginal: Marginal, *, as_line: bool) -> None:
    """Draw the mean over all other hyperparameters with its interval: a band on a range, a whisker on a choice."""
    reach = marginal.high - marginal.means
    if as_line:
        drawn.add_scatter(
            x=np.concatenate([marginal.positions, marginal.positions[::-1]]).astype(np.float32),
            y=np.concatenate([marginal.high, marginal.low[::-1]]).astype(np.float32),
            fill="toself",
            fillcolor=style.BAND,
            line={"width": 0},
            showlegend=False,
            hoverinfo="skip",
        )
    drawn.add_scatter(
        x=marginal.positions.astype(np.float32),
        y=marginal.means.astype(np.float32),
        mode="lines" if as_line else "markers",
        line={"color": style.GREEN, "width": 2},
        marker={"color": style.GREEN, "symbol": "line-ew-open", "size": 34, "line": {"width": 2}},
        error_y=None if as_line else {"type": "data", "array": reach.astype(np.float32), "color": style.GREEN},
        name="partial dependence",
        customdata=np.column_stack([marginal.low, marginal.high]).astype(np.float32),
        hovertemplate="%{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})<extra></extra>",
    )


def _only(trials: Sequence[TrialRecord], state: str) -> list[TrialRecord]:
    return [trial for trial in trials if trial.state == state and not trial.baseline]


def _add_points(
    drawn: "Figure",
    axis: Axis,
    trials: Sequence[TrialRecord],
    values: Sequence[float | None],
    name: str,
    marker: dict[str, Any],
) -> None:
    places, heights = axis.positions(trials).astype(np.float32), np.array(values, dtype=np.float32)
    numbers = [trial.number for trial in trials]
    style.add_points(drawn, places, heights, name, marker, f"{name}, trial %{{customdata}}: %{{y:.4g}}", numbers)


def _kernel_mean(
    points: NDArray[np.float64], values: NDArray[np.float64], ticks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return means (ticks, ticks) of `values` at the grid, rows by the second coordinate; NaN where too few bear."""
    bandwidth = 0.3 * len(points) ** (-1 / 6)
    near = [np.exp(-0.5 * ((ticks[:, None] - points[:, side]) / bandwidth) ** 2) for side in (0, 1)]
    weight = near[1] @ near[0].T
    mean: NDArray[np.float64] = np.where(weight >= _NEIGHBOURS, (near[1] * values) @ near[0].T / weight, np.nan)
    return mean


def _label_axes(
    drawn: "Figure", axes: Sequence[Axis], metric: str, values: NDArray[np.float64], *, unused: bool
) -> None:
    """Write the ends of each range, or the choices, on the axis, and its name above it."""
    marks = [[(0.0, f"{axis.low:.3g}"), (1.0, f"{axis.high:.3g}")] for axis in axes]
    for row, axis in enumerate(axes):
        if axis.choices:
            places = scaled(np.arange(len(axis.choices), dtype=np.float64), axis.low, axis.high)
            marks[row] = list(zip(places.tolist(), _labels(axis), strict=True))
    marks.append([(0.0, f"{values.min():.4g}"), (1.0, f"{values.max():.4g}")])
    left = _UNUSED if unused else 0.0
    plain: dict[str, Any] = {"showarrow": False, "bgcolor": "rgba(255,255,255,0.8)"}
    for row, name in enumerate([*(axis.name for axis in axes), metric]):
        style.add_line(drawn, [0, 1], [row] * 2, "", {"color": style.INK, "width": 1}, showlegend=False)
        drawn.add_annotation(x=left, y=row, text=style.text(name), xanchor="left", xshift=-20, yshift=_LINE, **plain)
        lines = 2 if sum(len(words) for _, words in marks[row]) > _MOST_LETTERS else 1
        for count, (place, words) in enumerate(marks[row]):
            below = -_LINE * (count % lines)
            drawn.add_annotation(x=place, y=row, text=words, yshift=below, font={"size": 11}, **plain)
    drawn.update_yaxes(visible=False, range=[len(marks) - 0.5, -0.5])
    drawn.update_xaxes(
        showgrid=False,
        showline=False,
        ticks="",
        tickvals=[_UNUSED] if unused else [],
        ticktext=["unused"] if unused else [],
    )
