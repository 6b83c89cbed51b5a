"""What networks became as they trained: the weights of their layers, the curves they fit, the boundaries they draw."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from winnow.search.analysis.formatting import score
from winnow.search.analysis.study_record import TrialRecord
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_EARLY, _LATE = (200, 210, 222), (0, 60, 110)
_MOST_LAYERS = 6


def histograms(trial: TrialRecord) -> "Figure":
    """Return the spread of each layer's weights, a panel each, with a line for each epoch that was recorded."""
    names = [layer["name"] for layer in trial.layers[-1]["layers"]]
    shown = [names[place] for place in _few(len(names), _MOST_LAYERS)]
    drawn = _panels(len(shown), 1, 100 + 96 * len(shown), vertical=0.3 / max(len(shown), 2))
    for place, row in enumerate(trial.layers):
        color = _shade(place, len(trial.layers))
        for panel, name in enumerate(shown, start=1):
            layer = next(each for each in row["layers"] if each["name"] == name)
            edges = np.linspace(-layer["reach"], layer["reach"], len(layer["shares"]) + 1)
            middles, density = (edges[1:] + edges[:-1]) / 2, np.array(layer["shares"]) / 1000 / np.diff(edges)
            style.add_line(
                drawn,
                middles.astype(np.float32),
                density.astype(np.float32),
                f"epoch {row['epoch']}",
                {"color": color, "shape": "hvh"},
                f"epoch {row['epoch']}, at %{{x:.3g}}: density %{{y:.3g}}",
                legendgroup=str(row["epoch"]),
                showlegend=panel == 1,
                row=panel,
                col=1,
            )
    for panel, name in enumerate(shown, start=1):
        drawn.update_yaxes(showticklabels=False, ticks="", row=panel, col=1)
        _write(drawn, name, {"x": 0, "xanchor": "left", "y": 1, "yanchor": "top"}, {"row": panel, "col": 1})
    drawn.update_xaxes(title={"text": "weight"}, row=len(shown), col=1)
    return drawn


def norms(trial: TrialRecord) -> "Figure":
    """Return the norm of each layer's weights over the epochs that were recorded."""
    drawn = style.figure("epoch", "norm of the weights")
    epochs = [row["epoch"] for row in trial.layers]
    names = [layer["name"] for layer in trial.layers[-1]["layers"]]
    for place in _few(len(names), len(style.LINES)):
        color, dash = style.LINES[len(drawn.data)]
        values = np.array([row["layers"][place]["norm"] for row in trial.layers], dtype=np.float32)
        hover = f"{names[place]}, epoch %{{x}}: %{{y:.4g}}"
        style.add_line(drawn, epochs, values, names[place], {"color": color, "dash": dash}, hover)
    style.whole_numbers(drawn, epochs[-1])
    return drawn


def by_layer(groups: Mapping[str, Sequence[TrialRecord]], quantity: str, words: str) -> "Figure":
    """Return a bar a layer and group: the mean of `quantity` when the trainings were last recorded."""
    drawn = style.figure("", words)
    for place, (name, trials) in enumerate(groups.items()):
        values: dict[str, list[float]] = {}
        for trial in trials:
            for layer in trial.layers[-1]["layers"]:
                values.setdefault(layer["name"], []).append(layer[quantity])
        color, _ = style.LINES[place % len(style.LINES)]
        drawn.add_bar(
            x=list(values),
            y=np.array([np.mean(each) for each in values.values()], dtype=np.float32),
            name=style.text(name),
            marker={"color": color},
            hovertemplate=f"{style.text(name)}, %{{x}}: %{{y:.4g}}<extra></extra>",
        )
    drawn.update_layout(barmode="group", bargap=0.25)
    if quantity == "near_zero":
        drawn.update_yaxes(tickformat="~%", rangemode="tozero")
    return drawn


def boundaries(cells: Sequence[Sequence[TrialRecord | None]], rows: Sequence[str], columns: Sequence[str]) -> "Figure":
    """Return the plane as each trial parts it: colour for the probability of class 1, a line where it is a half."""
    drawn = _panels(len(rows), len(columns), 70 + 150 * len(rows), titles=columns)
    for row, line in enumerate(cells, start=1):
        for column, trial in enumerate(line, start=1):
            if trial is not None:
                _add_boundary(drawn, trial.outputs, score(trial.value), {"row": row, "col": column})
            else:  # or its axes, and with them the row's name, would not be drawn
                drawn.add_scatter(x=[None], y=[None], showlegend=False, row=row, col=column)
        drawn.update_yaxes(title={"text": style.text(rows[row - 1]), "standoff": 4}, row=row, col=1)
    drawn.update_xaxes(showticklabels=False, ticks="", showgrid=False)
    drawn.update_yaxes(showticklabels=False, ticks="", showgrid=False)
    return drawn


def _add_boundary(drawn: "Figure", found: Mapping[str, Any], value: str, place: Mapping[str, int]) -> None:
    drawn.add_contour(
        x=np.array(found["x"], dtype=np.float32),
        y=np.array(found["y"], dtype=np.float32),
        z=np.round(100 * np.array(found["probability"])).astype(np.uint8),
        colorscale=style.PLANE,
        zmin=0,
        zmax=100,
        contours={"coloring": "heatmap", "start": 50, "end": 50, "size": 100},
        line={"color": style.INK, "width": 2},
        showscale=False,
        showlegend=False,
        hovertemplate="%{x:.3g}, %{y:.3g}: %{z} %<extra></extra>",
        **place,
    )
    points, labels = np.array(found["points"], dtype=np.float32).reshape(-1, 2), np.array(found["labels"])
    for label, (color, symbol) in enumerate(style.CLASSES):
        x, y = points[labels == label].T
        marker = {"color": color, "symbol": symbol, "size": 3}
        drawn.add_scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip", showlegend=False, **place)
    _write(drawn, value, {"x": 1, "xanchor": "right", "y": 0, "yanchor": "bottom"}, place)


def _write(drawn: "Figure", words: str, corner: Mapping[str, Any], place: Mapping[str, int]) -> None:
    """Write into a corner of a panel."""
    inside = {"xref": "x domain", "yref": "y domain", "bgcolor": "rgba(255,255,255,0.8)", "showarrow": False}
    drawn.add_annotation(text=words, font={"size": 11, "color": style.INK}, **inside, **corner, **place)


def fitted(trials: Mapping[str, TrialRecord]) -> "Figure":
    """Return the curve that each trial fits, a panel each, as it became from epoch to epoch, over the examples."""
    names = [f"{name}: {score(trial.value)}" for name, trial in trials.items()]
    columns = min(2, len(names))
    drawn = _panels(-(-len(names) // columns), columns, 60 + 280 * -(-len(names) // columns), each=names, vertical=0.15)
    for place, trial in enumerate(trials.values()):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        found = trial.outputs
        for number, (epoch, y) in enumerate(zip(found["epochs"], found["y"], strict=True)):
            ends = number in (0, len(found["epochs"]) - 1)
            x, values = np.array(found["x"], dtype=np.float32), np.array(y, dtype=np.float32)
            line = {"color": _shade(number, len(found["epochs"])), "width": 2 if ends else 1}
            hover, shown = f"epoch {epoch}, at %{{x:.3g}}: %{{y:.3g}}", ends and not place
            style.add_line(drawn, x, values, f"epoch {epoch}", line, hover, showlegend=shown, **where)
        x, y = np.array(found["points"], dtype=np.float32).T
        marker, hover = {"color": style.VERMILION, "size": 7}, "%{x:.3g}: %{y:.3g}"
        style.add_points(drawn, x, y, "training examples", marker, hover, showlegend=not place, **where)
    return drawn


def _panels(
    rows: int,
    columns: int,
    height: int,
    *,
    vertical: float = 0.03,
    titles: Sequence[str] = (),
    each: Sequence[str] = (),
) -> "Figure":
    """Return an empty figure of panels that share their axes column by column and row by row."""
    from plotly.subplots import make_subplots

    base = style.figure("", "", height=height)
    drawn = make_subplots(
        rows,
        columns,
        shared_xaxes=bool(titles) or bool(each),
        shared_yaxes=bool(titles) or bool(each),
        horizontal_spacing=0.05 if each else 0.02,
        vertical_spacing=vertical if rows > 1 else 0,
        column_titles=[style.text(title) for title in titles] or None,
        subplot_titles=[style.text(title) for title in each] or None,
    )
    drawn.update_annotations(font={"size": 12, "color": style.INK})
    axis = base.layout.xaxis.to_plotly_json()
    drawn.update_layout({**base.layout.to_plotly_json(), "xaxis": {}, "yaxis": {}})
    drawn.update_layout(margin={"t": 36 if titles or each else 12})
    for update in (drawn.update_xaxes, drawn.update_yaxes):
        update(**{key: setting for key, setting in axis.items() if key != "title"})
    if each:
        drawn.update_layout(legend={"y": -0.08, "yanchor": "top"})
    return drawn


def _few(count: int, most: int) -> list[int]:
    """Return so many places of a list, its first and its last among them."""
    return [round(place) for place in np.linspace(0, count - 1, min(most, count)).tolist()]


def _shade(place: int, of: int) -> str:
    """Return the colour of the n-th of several lines, from pale to dark."""
    share = place / max(of - 1, 1)
    return "rgb({}, {}, {})".format(*(round(a + share * (b - a)) for a, b in zip(_EARLY, _LATE, strict=True)))
