"""The colours, axes and texts that all pictures share: light, readable by the colour-blind, fit for paper."""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from winnow.search.analysis.statistics import worse_fence

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe and Ito's palette (Color Universal Design, 2008): told apart with every common kind of colour blindness.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

GREY = "#8A8F98"
"""For what stands behind: the mass of trials, pruned ones."""
PALE = "rgba(138, 143, 152, 0.45)"
BAND = "rgba(138, 143, 152, 0.22)"
INK = "#1F2933"
INK_ON_PALE = "rgb(31, 41, 51)"
"""The same where what is written on stays pale: a page in the dark turns INK, and not this."""
_GRID = "#E4E7EB"
_FEW = 12

LINES = ((BLUE, "solid"), (VERMILION, "dash"), (GREEN, "dot"), (PURPLE, "dashdot"), (SKY, "longdash"))
"""Colour and dash of the n-th line: a reader without colours still has the dash."""
CLASSES = ((ORANGE, "circle"), (BLUE, "square"))
"""Colour and symbol of the points of two classes."""
PLANE = [[0, "#FBE3B3"], [0.5, "#FFFFFF"], [1, "#B3D4E8"]]
"""Colours of a plane by the probability of the second."""

PRUNED_MARKER = {"color": GREY, "symbol": "circle-open", "size": 4}
BEST_MARKER = {"color": VERMILION, "symbol": "star", "size": 12}
BASELINE_MARKER = {"color": BLACK, "symbol": "diamond", "size": 10}
MEAN_MARKER = {"color": BLUE, "symbol": "diamond", "size": 10}


def figure(x: str, y: str, *, height: int = 380) -> "Figure":
    """Return an empty figure with named axes, `height` pixels high and as wide as its place."""
    from plotly.graph_objects import Figure

    axis = {"gridcolor": _GRID, "linecolor": GREY, "zeroline": False, "ticks": "outside", "automargin": True}
    return Figure(
        layout={
            "template": "none",
            "height": height,
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "margin": {"l": 48, "r": 12, "t": 12, "b": 44},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "font": {"size": 12}},
            "hoverlabel": {"align": "left"},
            "xaxis": {**axis, "title": {"text": text(x), "standoff": 8}},
            "yaxis": {**axis, "title": {"text": text(y), "standoff": 8}},
        }
    )


def add_points(
    drawn: "Figure", x: Any, y: Any, name: str, marker: Mapping[str, Any], hover: str, data: Any = None, **more: Any
) -> None:
    """Add points with a legend, if there are any; `hover` may use `data`, one row a point."""
    if len(x):
        said = {"customdata": data, "hovertemplate": f"{hover}<extra></extra>"}
        drawn.add_scatter(x=x, y=y, mode="markers", marker=marker, name=name, **said, **more)


def add_line(drawn: "Figure", x: Any, y: Any, name: str, line: Mapping[str, Any], hover: str = "", **more: Any) -> None:
    """Add a line with a legend, two pixels wide unless `line` says otherwise; without `hover` it says nothing.

    Of a line of one point that point is marked, for nothing else of it would be seen.
    """
    mode = "lines" if len(x) > 1 else "markers"
    said = {"hovertemplate": f"{hover}<extra></extra>"} if hover else {"hoverinfo": "skip"}
    drawn.add_scatter(x=x, y=y, mode=mode, line={"width": 2, **line}, name=name, **said, **more)


def whole_numbers(drawn: "Figure", most: int) -> None:
    """Mark every number of a short axis that counts to `most`, so that no mark stands between two of them."""
    if 0 < most <= _FEW:
        drawn.update_xaxes(dtick=1)


def text(words: object) -> str:
    """Return words as plotly shows them unchanged: it would read `<b>` in a study's name as markup."""
    return html.escape(str(words), quote=False)


def keep_in_view(
    drawn: "Figure", values: Sequence[float | None], direction: str, axis: Literal["x", "y"] = "y"
) -> None:
    """Let no few hopeless values (a diverged loss) stretch the axis, and write how many lie outside.

    Only the worse side is cut: the best values are always seen, and the words stand where values were cut.
    """
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    if known.size < 4:
        return
    fence = worse_fence(known, direction)
    inside = known >= fence if direction == "maximize" else known <= fence
    if inside.all() or np.ptp(known[inside]) == 0:
        return
    shown = known[inside]
    margin = 0.05 * float(np.ptp(shown))
    drawn.update_layout({f"{axis}axis_range": [float(shown.min()) - margin, float(shown.max()) + margin]})
    outside, corner = int((~inside).sum()), {"x": 1, "y": 0}
    if direction == "minimize":
        corner["y"] = 1
    elif axis == "x":
        corner["x"] = 0
    drawn.add_annotation(
        text=f"{outside} {'values lie' if outside > 1 else 'value lies'} outside this picture",
        showarrow=False,
        xref="paper",
        yref="paper",
        **corner,
        xanchor="right" if corner["x"] else "left",
        yanchor="top" if corner["y"] else "bottom",
        font={"size": 12, "color": INK},
        bgcolor="white",
    )
