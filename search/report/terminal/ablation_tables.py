"""What `winnow ablate` prints: the effects as tables, and what they mean in sentences."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from winnow.search.analysis.ablation import Ablation, Methods
from winnow.search.analysis.answers import interval, sentences
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import number

_TITLES = {
    "alone": "Add one in: each method alone, added to trial {start}",
    "removed": "Leave one out: each method in trial {goal}, all others being there",
    "path": "Path: each step the method that helps most, measured on other seeds",
    "order": "Order: each method's mean effect over {orders} orders (Shapley)",
    "together": "Together: what two methods do beyond the sum of both alone",
}


def tables(found: Ablation) -> RenderableType:
    """All of it for a terminal."""
    parts: list[RenderableType] = [_methods(found.methods), Text()]
    orders = "all" if found.exact_order else "sampled"
    for kind, title in _TITLES.items():
        effects = [entry.shapley for entry in found.order] if kind == "order" else getattr(found, kind)
        if kind == "together":
            effects = [effect for effect in effects if effect.verdict != "inconclusive"]
        if effects:
            heading = title.format(start=found.start_number, goal=found.goal_number, orders=orders)
            parts += [Text(heading, style="bold"), _effects(effects, ranked=kind != "path"), Text()]
    return Group(*parts, *(Text(sentence) for sentence in sentences(found)))


def numbers(found: Ablation) -> dict[str, Any]:
    """`winnow ablate --json`; what is unknown is null."""
    plain = asdict(found)
    plain["whole"] = found.whole and _numbers(found.whole)
    for kind in ("alone", "removed", "path", "together"):
        plain[kind] = [_numbers(effect) for effect in getattr(found, kind)]
    plain["order"] = [{**_numbers(e.shapley), "first": e.first, "last": e.last} for e in found.order]
    plain["start"], plain["goal"] = list(found.start.scores), list(found.goal.scores)
    return plain


def _methods(methods: Methods) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("method", "hyperparameter", "from", "to"):
        table.add_column(name, justify="right" if name in ("from", "to") else "left")
    for method, members in methods.items():
        for position, (name, (before, after)) in enumerate(members.items()):
            table.add_row("" if position else method, name, number(before), number(after))
    return table


def _effects(effects: Sequence[Effect], ranked: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("method", "effect", "95 % interval", "verdict", "trainings"):
        table.add_column(name, justify="left" if name in ("method", "verdict") else "right")
    for effect in sorted(effects, key=lambda effect: -effect.effect) if ranked else effects:
        table.add_row(effect.method, f"{effect.effect:+.4f}", interval(effect), effect.verdict, str(effect.runs))
    return table


def _numbers(effect: Effect) -> dict[str, Any]:
    known = {
        name: value if math.isfinite(value) else None for name, value in (("low", effect.low), ("high", effect.high))
    }
    return {"method": effect.method, "effect": effect.effect, **known, "runs": effect.runs, "verdict": effect.verdict}
