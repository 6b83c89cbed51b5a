"""What `winnow ablate` prints: the effects as tables, and what they mean in sentences."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.ablation import Ablation, Methods
from search.effects import Effect
from search.summary import number

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
            effects = [effect for effect in effects if effect.verdict != "cannot tell"]
        if effects:
            heading = title.format(start=found.start_number, goal=found.goal_number, orders=orders)
            parts += [Text(heading, style="bold"), _effects(effects, ranked=kind != "path"), Text()]
    return Group(*parts, *(Text(sentence) for sentence in sentences(found)))


def sentences(found: Ablation) -> list[str]:
    """What was found, in plain words: the biggest difference, what does not help, whether the order matters."""
    said = []
    if found.whole is not None:
        said.append(
            f"All {len(found.methods)} methods together change the {found.metric} by {found.whole.effect:+.4f} "
            f"({_interval(found.whole)}): {_verdict_words(found.whole)}."
        )
    if found.alone:
        biggest = max(found.alone, key=lambda effect: effect.effect)
        if biggest.verdict == "helps":
            said.append(
                f"Alone, {biggest.method} makes the biggest difference: {biggest.effect:+.4f} ({_interval(biggest)})."
            )
        else:
            said.append("No method alone is shown to help.")
        said += _named("hurts", found.alone, "alone")
        said += _named("cannot tell", found.alone, "alone")
    said += _named("hurts", found.removed, "in the company of all others")
    said += _order_sentences(found)
    if found.diverged:
        said.append(f"{found.diverged} trainings diverged and count as the worst value that any reported.")
    if found.failed:
        said.append(f"{found.failed} trainings failed and count nowhere; winnow status {found.name} says why.")
    state = "nothing more is wanted" if found.complete else "the rest is not told yet: the same command goes on"
    said.append(f"{found.trainings} trainings; {state}.")
    return said


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
        table.add_row(effect.method, f"{effect.effect:+.4f}", _interval(effect), effect.verdict, str(effect.runs))
    return table


def _named(verdict: str, effects: Sequence[Effect], where: str) -> list[str]:
    names = [effect.method for effect in effects if effect.verdict == verdict]
    if not names:
        return []
    said = "does harm" if len(names) == 1 else "do harm"
    if verdict == "cannot tell":
        return [f"{_listed(names)} {where}: these seeds cannot tell whether it helps, so nothing says that it does."]
    return [f"{_listed(names)} {said} {where}."]


def _order_sentences(found: Ablation) -> list[str]:
    pairs = [effect for effect in found.together if effect.verdict != "cannot tell"]
    if pairs:
        return [
            f"The order matters: {effect.method} together do {abs(effect.effect):.4f} "
            f"{'more' if effect.effect > 0 else 'less'} than the sum of both alone ({_interval(effect)})."
            for effect in pairs
        ]
    if len(found.together) == math.comb(len(found.methods), 2) and found.together:
        return ["No two methods are shown to hang on each other, so nothing shows that the order matters."]
    return []


def _listed(names: Sequence[str]) -> str:
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return text[0].upper() + text[1:]


def _interval(effect: Effect) -> str:
    return f"{effect.low:+.4f} to {effect.high:+.4f}" if math.isfinite(effect.low) else "unknown"


def _verdict_words(effect: Effect) -> str:
    return {"helps": "they help", "hurts": "they hurt", "cannot tell": "whether they help cannot be told"}[
        effect.verdict
    ]


def _numbers(effect: Effect) -> dict[str, Any]:
    known = {
        name: value if math.isfinite(value) else None for name, value in (("low", effect.low), ("high", effect.high))
    }
    return {"method": effect.method, "effect": effect.effect, **known, "runs": effect.runs, "verdict": effect.verdict}
