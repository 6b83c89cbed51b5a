"""What mattered: importance, and the effects that an ablation measured."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.functional_anova import Interaction
from winnow.search.analysis.importance import Importance, Share
from winnow.search.analysis.statistics import Sample
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LONG = 24
"""Letters of a name that fit beside a narrow picture."""
_SHARE = "%{y}: %{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})"
_VERDICT_COLORS = {"helps": style.BLUE, "hurts": style.VERMILION, "inconclusive": style.GREY}
_VERDICT_SYMBOLS = {"helps": "triangle-right", "hurts": "triangle-left", "inconclusive": "circle-open"}


def importance_bars(found: Importance) -> "Figure":
    """Return each hyperparameter's share with its interval, the largest on top.

    A pale bar is a share that is not certain: its interval reaches what a random number would be given.
    """
    shares = found.shares[::-1]
    told = [(share.low, share.high, share.trials) for share in shares]
    hover = f"{found.method}, {_SHARE}, searched in %{{customdata[2]}} trials"
    return _share_bars("share of importance", [share.name for share in shares], shares, told, hover)


def interactions(found: Sequence[Interaction]) -> "Figure":
    """Return the share of the variance that each two hyperparameters explain only together, the largest on top."""
    ordered = found[::-1]
    names = [" & ".join(interaction.names) for interaction in ordered]
    told = [(interaction.low, interaction.high) for interaction in ordered]
    return _share_bars("share of the variance", names, ordered, told, _SHARE)


def _share_bars(
    x: str, names: Sequence[str], shares: Sequence[Share | Interaction], told: Sequence[tuple[float, ...]], hover: str
) -> "Figure":
    """Return a bar for each share, from the bottom up; what is not certain is pale."""
    drawn = _rows(x, names, 32)
    drawn.update_xaxes(tickformat=".0%", rangemode="tozero")
    drawn.add_bar(
        x=[share.share for share in shares],
        y=[style.text(name) for name in names],
        orientation="h",
        marker={"color": style.BLUE, "opacity": [1.0 if share.certain else 0.35 for share in shares]},
        error_x=_whiskers([(share.share, share.low, share.high) for share in shares]),
        customdata=told,
        hovertemplate=f"{hover}<extra></extra>",
    )
    return drawn


def effects(
    measured: Sequence[Effect], metric: str, names: Sequence[str] = ("helps", "hurts", "inconclusive")
) -> "Figure":
    """Return each method's effect with its interval, the most helpful on top; colour and symbol tell the verdict.

    `names` are what the legend calls an effect above zero, below zero, and on both sides of it.
    """
    ordered = sorted(measured, key=lambda effect: effect.effect)
    drawn = _rows(f"gain in {metric}", [effect.method for effect in ordered], 34)
    drawn.update_xaxes(zeroline=True, zerolinecolor=style.INK)
    for (verdict, color), name in zip(_VERDICT_COLORS.items(), names, strict=True):
        members = [effect for effect in ordered if effect.verdict == verdict]
        style.add_points(
            drawn,
            [effect.effect for effect in members],
            [style.text(effect.method) for effect in members],
            name,
            {"color": color, "symbol": _VERDICT_SYMBOLS[verdict], "size": 11},
            "%{y}: %{x:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g}), %{customdata[2]} trainings",
            [(effect.low, effect.high, effect.runs) for effect in members],
            error_x=_whiskers([(effect.effect, effect.low, effect.high) for effect in members]),
        )
    return drawn


def path(start: float, steps: Sequence[Effect], direction: str, metric: str, origin: str = "baseline") -> "Figure":
    """Return the greedy ablation path of Fawcett and Hoos (2016) as a waterfall, from the value of `origin` on.

    `steps` are in the order in which the path took them; `direction` says which way a gain moves the metric.
    """
    drawn = style.figure("", metric)
    sign = 1 if direction == "maximize" else -1
    levels = start + sign * np.cumsum([0.0, *(step.effect for step in steps)])
    labels = [style.text(origin), *(f"+ {style.text(step.method)}" for step in steps)]
    # Bars as changes from the level before: a bar that rose from zero would hide changes of a percent.
    for verdict, color in _VERDICT_COLORS.items():
        members = [index for index, step in enumerate(steps) if step.verdict == verdict]
        if members:
            drawn.add_bar(
                x=[labels[index + 1] for index in members],
                y=[sign * steps[index].effect for index in members],
                base=[levels[index] for index in members],
                marker={"color": color},
                name=verdict,
                error_y=_whiskers([(steps[i].effect, steps[i].low, steps[i].high) for i in members], sign),
                customdata=[(steps[index].effect, steps[index].low, steps[index].high) for index in members],
                hovertemplate="%{x}: %{customdata[0]:.4g} (%{customdata[1]:.4g} to %{customdata[2]:.4g})"
                "<extra></extra>",
            )
    drawn.add_scatter(
        x=labels,
        y=levels,
        mode="lines+markers",
        line={"color": style.INK, "width": 1, "dash": "dot", "shape": "hv"},
        marker={"color": style.INK, "symbol": "line-ew-open", "size": 18},
        name=metric,
        hovertemplate="%{x}: %{y:.4g}<extra></extra>",
    )
    lines = [f"{sign} {rest.replace(' ', '<br>', 1)}" for sign, rest in (each.split(" ", 1) for each in labels[1:])]
    drawn.update_xaxes(
        categoryorder="array", categoryarray=labels, tickvals=labels, ticktext=[labels[0], *lines]
    )  # on two lines: a narrow page turns them, and they would leave no room above
    return drawn


def order(measured: Sequence[OrderedEffect], metric: str) -> "Figure":
    """Return each method's Shapley value with its interval, between its effect when added first and when added last.

    A long bar means that the order decides; a short one that it does not.
    """
    ordered = sorted(measured, key=lambda entry: entry.shapley.effect)
    names = [style.text(entry.shapley.method) for entry in ordered]
    drawn = _rows(f"gain in {metric}", [entry.shapley.method for entry in ordered], 36)
    drawn.update_xaxes(zeroline=True, zerolinecolor=style.INK)
    drawn.add_bar(
        x=[entry.last - entry.first for entry in ordered],
        base=[entry.first for entry in ordered],
        y=names,
        orientation="h",
        width=0.3,
        marker={"color": style.GREY, "opacity": 0.5},
        showlegend=False,
        hoverinfo="skip",
    )
    for label, symbol, values in (
        ("added first", "circle-open", [entry.first for entry in ordered]),
        ("added last", "square-open", [entry.last for entry in ordered]),
    ):
        marker = {"color": style.VERMILION, "symbol": symbol, "size": 9, "line": {"width": 2}}
        style.add_points(drawn, values, names, label, marker, f"%{{y}}, {label}: %{{x:.4g}}")
    means = [(entry.shapley.effect, entry.shapley.low, entry.shapley.high) for entry in ordered]
    places, hover = [mean for mean, _, _ in means], "%{y}, mean over orders: %{x:.4g}"
    style.add_points(drawn, places, names, "Shapley value", style.MEAN_MARKER, hover, error_x=_whiskers(means))
    return drawn


def repetitions(samples: Mapping[str, Sample], metric: str, searched: float, maximise: bool) -> "Figure":
    """Return every repetition of each configuration and the interval of its mean, the best on top.

    A dotted line stands at `searched`, what the search believed of its best.
    """
    names = sorted(samples, key=lambda name: samples[name].mean, reverse=not maximise)
    drawn = _rows(metric, names, 34)
    scores = [score for name in names for score in samples[name].scores]
    rows = [style.text(name) for name in names for _ in samples[name].scores]
    marker = {"color": style.GREY, "symbol": "circle-open", "size": 7}
    style.add_points(drawn, scores, rows, "one training", marker, "%{y}: %{x:.4g}")
    lines, means = [style.text(name) for name in names], [samples[name].mean for name in names]
    whiskers = _whiskers([(samples[name].mean, *_known(samples[name])) for name in names])
    style.add_points(drawn, means, lines, "mean", style.MEAN_MARKER, "%{y}, mean: %{x:.4g}", error_x=whiskers)
    ends, line = [lines[0], lines[-1]], {"color": style.VERMILION, "dash": "dot"}
    style.add_line(drawn, [searched] * 2, ends, "the search's best", line, "the search's best: %{x:.4g}")
    return drawn


def _known(sample: Sample) -> tuple[float, float]:
    """Return the interval of its mean; of a single score nothing but itself is known."""
    return sample.interval if len(sample.scores) > 1 else (sample.mean, sample.mean)


def _rows(x: str, names: Sequence[str], pixels: int) -> "Figure":
    """Return a figure with a row of `pixels` for each name, from the bottom up."""
    drawn = style.figure(x, "", height=124 + pixels * len(names))
    rows = [style.text(name) for name in names]
    shown = [style.text(_shortened(name)) for name in names]
    # The names of two on two lines, and what is long, or there is no room left for the effects and their axis' name.
    lines = [name.replace(" and ", "<br>and ").replace(" &amp; ", "<br>&amp; ") for name in shown]
    lines = ["<br>".join(_wrapped(line) for line in name.split("<br>")) for name in lines]
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=rows, tickvals=rows, ticktext=lines)
    drawn.update_xaxes(title_text=style.text(x).replace(" in ", "<br>in ", 1).replace("share ", "share<br>", 1))
    return drawn


def _wrapped(line: str) -> str:
    """Return a long line on several."""
    return "<br>".join(textwrap.wrap(line, _LONG, break_long_words=False, break_on_hyphens=False))


def _shortened(name: str) -> str:
    """Return a name that fits on a line beside its bar, its middle left out; the tooltip has the whole."""
    return name if len(name) <= _LONG or " " in name else f"{name[: _LONG - 10]}…{name[-9:]}"


def _whiskers(values: Sequence[tuple[float, float, float]], sign: int = 1) -> dict[str, Any]:
    """Draw error bars from (value, low, high), mirrored where `sign` is -1."""
    above = [high - value for value, _, high in values]
    below = [value - low for value, low, _ in values]
    if sign < 0:
        above, below = below, above
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": style.INK, "width": 4}
