"""Draws this package's plotly figures with matplotlib, for machines without a Chrome.

It knows the traces and settings that our pictures use (points, lines, areas, bars, contours), and refuses others.
"""

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.figure
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PIXELS_PER_INCH = 96
_DASHES: dict[str | None, Any] = {"dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
_SYMBOLS = {"diamond": "D", "star": "*", "x": "X", "triangle-right": ">", "triangle-left": "<", "square": "s"}
_SYMBOLS |= {"line-ew": "_"}


def write(figure: "Figure", path: Path, width: int) -> None:
    """Write `figure` to `path`, `width` pixels wide; raises ValueError for a kind of trace that is not ours."""
    for trace in figure.data:
        if trace.type not in ("scatter", "bar", "contour"):
            raise ValueError(f"matplotlib draws no {trace.type} here")
    layout = figure.layout
    size = (width / _PIXELS_PER_INCH, layout.height / _PIXELS_PER_INCH)
    canvas = matplotlib.figure.Figure(figsize=size, layout="constrained")
    axes = canvas.add_subplot()
    axes.set_axisbelow(True)
    axes.use_sticky_edges = False  # or a marker at a bar's end is cut in half
    groups = [trace for trace in figure.data if trace.type == "bar"] if layout.barmode == "group" else []
    places = {side: _Places(getattr(layout, f"{side}axis"), figure, side) for side in "xy"}
    for trace in figure.data:
        x, y = places["x"](trace.x), places["y"](trace.y)
        if trace.type == "scatter":
            _draw_scatter(axes, trace, x, y)
        elif trace.type == "bar":
            slot = (groups.index(trace), len(groups)) if groups else (0, 1)
            _draw_bars(axes, trace, x, y, *slot)
        else:
            _draw_contour(canvas, axes, trace, x, y)
    for side, place in places.items():
        _set_axis(axes, side, getattr(layout, f"{side}axis"), place)
    for annotation in layout.annotations:
        _annotate(axes, annotation)
    if axes.get_legend_handles_labels()[1]:
        backwards = layout.legend.traceorder == "reversed"
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=4, frameon=False, fontsize=9, reverse=backwards)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.savefig(path, dpi=2 * _PIXELS_PER_INCH if path.suffix == ".png" else _PIXELS_PER_INCH)


class _Places:
    """Turns what a trace holds along one axis into numbers: categories into their places."""

    def __init__(self, axis: Any, figure: "Figure", side: str) -> None:
        named = [item for trace in figure.data for item in _listed(getattr(trace, side)) if isinstance(item, str)]
        given = list(_listed(axis.categoryarray))
        self.categories = list(dict.fromkeys([*given, *named])) if named or given else []

    def __call__(self, items: Any) -> NDArray[np.float64]:
        if self.categories:
            return np.array([self.categories.index(item) for item in _listed(items)], dtype=np.float64)
        return np.array(_listed(items), dtype=np.float64)


def _listed(items: Any) -> list[Any]:
    return [] if items is None else list(items)


def _draw_scatter(axes: Axes, trace: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    label = _label(trace)
    if trace.fill == "toself":
        axes.fill(x, y, color=_color(trace.fillcolor), linewidth=0, label=label)
        return
    line, marker = trace.line, trace.marker
    style: dict[str, Any] = {"linestyle": "none", "label": label}
    if "lines" in trace.mode:
        style |= {"color": _color(line.color), "linestyle": _DASHES.get(line.dash, "-"), "linewidth": line.width}
        style["drawstyle"] = "steps-post" if line.shape == "hv" else "default"
    if "markers" in trace.mode:
        symbol, color = (marker.symbol or "circle"), _color(marker.color)
        edge = _color(marker.line.color) or color
        style |= {"marker": _SYMBOLS.get(symbol.removesuffix("-open"), "o"), "markersize": 0.75 * marker.size}
        style |= {"markerfacecolor": "none" if symbol.endswith("-open") else color, "markeredgecolor": edge}
    axes.plot(x, y, **style)
    _draw_whiskers(axes, trace, x, y)


def _draw_bars(axes: Axes, trace: Any, x: NDArray[np.float64], y: NDArray[np.float64], slot: int, slots: int) -> None:
    lying = trace.orientation == "h"
    place, length = (y, x) if lying else (x, y)
    thickness = (trace.width or 0.8) / slots
    place = place + (slot - (slots - 1) / 2) * thickness
    base = 0.0 if trace.base is None else np.array(trace.base, dtype=np.float64)
    bars = (axes.barh if lying else axes.bar)(place, length, thickness, base, color=_color(trace.marker.color))
    bars.set_label(_label(trace) or "_")
    opacity = trace.marker.opacity
    for bar, alpha in zip(bars, opacity if isinstance(opacity, tuple | list) else [opacity] * len(bars), strict=True):
        bar.set_alpha(alpha)
    end = length + base
    _draw_whiskers(axes, trace, end if lying else place, place if lying else end)


def _draw_whiskers(axes: Axes, trace: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    for side, error in (("xerr", trace.error_x), ("yerr", trace.error_y)):
        if error.array is not None:
            reach: Any = {side: np.maximum([error.arrayminus, error.array], 0)}
            axes.errorbar(x, y, fmt="none", ecolor=_color(error.color), elinewidth=1.5, capsize=3, **reach)


def _draw_contour(
    canvas: matplotlib.figure.Figure, axes: Axes, trace: Any, x: NDArray[np.float64], y: NDArray[np.float64]
) -> None:
    surface = np.ma.masked_invalid(np.array(trace.z, dtype=np.float64))
    if trace.contours.coloring == "none":
        drawn = axes.contour(x, y, surface, levels=[trace.contours.start], colors=_color(trace.line.color))
        drawn.set_linestyle(_DASHES.get(trace.line.dash, "-"))
        axes.plot([], [], color=_color(trace.line.color), linestyle=_DASHES.get(trace.line.dash, "-"), label=trace.name)
        return
    colors = _colors(trace)
    if surface.count():
        drawn = axes.contourf(x, y, surface, levels=trace.ncontours, cmap=colors)
        canvas.colorbar(drawn, ax=axes, label=_plain(trace.colorbar.title.text))


def _colors(trace: Any) -> Any:
    """The trace's colours: ours of two ends, else Cividis."""
    if len(trace.colorscale) == 3:
        return LinearSegmentedColormap.from_list("", list(trace.colorscale))
    return "cividis_r" if trace.reversescale else "cividis"


def _set_axis(axes: Axes, side: str, axis: Any, places: _Places) -> None:
    drawn = axes.xaxis if side == "x" else axes.yaxis
    set_limits = axes.set_xlim if side == "x" else axes.set_ylim
    drawn.set_label_text(_plain(axis.title.text))
    if axis.type == "log":
        (axes.set_xscale if side == "x" else axes.set_yscale)("log")
    if places.categories:
        drawn.set_ticks(range(len(places.categories)), [_plain(name) for name in places.categories])
    elif axis.tickvals is not None:
        drawn.set_ticks(list(axis.tickvals), [_plain(name) for name in _listed(axis.ticktext)])
    if axis.tickformat == ".0%":
        drawn.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    if axis.range is not None:
        set_limits(*axis.range)
    elif axis.rangemode == "tozero":
        set_limits(0)
    if axis.zeroline:
        (axes.axvline if side == "x" else axes.axhline)(0, color=axis.zerolinecolor, linewidth=1)
    if axis.showgrid is not False:
        drawn.grid(visible=True, color=axis.gridcolor)


def _annotate(axes: Axes, annotation: Any) -> None:
    on_paper = annotation.xref == "paper"
    axes.annotate(
        _plain(annotation.text),
        (annotation.x, annotation.y),
        xycoords="axes fraction" if on_paper else "data",
        ha="right" if on_paper else "center",
        va="bottom" if on_paper else "center",
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
    )


def _label(trace: Any) -> str | None:
    return None if trace.showlegend is False or not trace.name else _plain(trace.name)


def _plain(text: str | None) -> str:
    """Plotly's text as matplotlib shows it unchanged: a dollar sign would begin a formula."""
    return html.unescape(text or "").replace("$", r"\$")


def _color(color: str | None) -> Any:
    """A colour of plotly's as matplotlib takes it."""
    if color is None or not color.startswith("rgba"):
        return color
    red, green, blue, alpha = map(float, re.findall(r"[\d.]+", color))
    return red / 255, green / 255, blue / 255, alpha
