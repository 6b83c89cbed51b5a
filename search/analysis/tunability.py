"""Which methods are easy to tune: over how much of its range a hyperparameter does about as well as at its best."""

from dataclasses import dataclass

import numpy as np

from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.functional_anova import Array, FunctionalAnova, Marginal


@dataclass(frozen=True)
class Tunability:
    """The share of a hyperparameter's range that is as good as its best place, with its 95 % interval."""

    method: str
    """The method that it belongs to; where one has several, the hardest of them speaks for it."""
    name: str
    share: float
    low: float
    high: float


def tunabilities(found: Ablation, anova: FunctionalAnova) -> list[Tunability]:
    """Return the tunability of the methods that are shown to help, the easiest first.

    As good is what lies within one standard deviation over seeds of the best place's mean, all else varied evenly.
    Methods without a hyperparameter that every trial searched are left out.
    """
    helpful = {effect.method for effect in [*found.alone, *found.removed] if effect.verdict == "helps"}
    tunabilities = []
    for method, members in found.methods.items():
        known = [marginal for name in members if (marginal := anova.marginal(name))]
        if method in helpful and known:
            each = [_ease(method, marginal, found.goal.deviation, found.direction) for marginal in known]
            tunabilities.append(min(each, key=lambda tunability: tunability.share))
    return sorted(tunabilities, key=lambda tunability: -tunability.share)


def sentences(found: Ablation, anova: FunctionalAnova | None) -> list[str]:
    """Return the easiest and the hardest in words, or why that is unknown."""
    if not found.alone:
        return []
    if not any(effect.verdict == "helps" for effect in [*found.alone, *found.removed]):
        return ["No method is shown to help, so none is worth tuning yet."]
    if anova is None:
        return ["Unknown: the search has too few trials."]
    if anova.of_survivors:
        return ["Unknown: the pruner chose which trials completed, so nothing is known where it stopped the others."]
    ranked = tunabilities(found, anova)
    if not ranked:
        return ["Unknown: no trial varied a hyperparameter of the methods that help."]
    within = f"within one standard deviation over seeds ({found.goal.deviation:.4f}) of the best setting"
    said = [f"Of those that help, {ranked[0].method}: {_range(ranked[0])} lies {within}."]
    if len(ranked) > 1 and ranked[-1].high < ranked[0].low:
        said.append(f"The hardest is {ranked[-1].method}: {_range(ranked[-1])}.")
    elif len(ranked) > 1:
        others = ", ".join(f"{tunability.method} ({_percent(tunability)})" for tunability in ranked[1:])
        said.append(f"No other is clearly harder: {others}.")
    return [*said, f"Estimated by a random forest fitted to {anova.trials} trials of the search."]


def _ease(method: str, marginal: Marginal, tolerance: float, direction: str) -> Tunability:
    share = _as_good(marginal.means, tolerance, direction)
    deviation = float(np.std([_as_good(curve, tolerance, direction) for curve in marginal.samples], ddof=1))
    low, high = max(0.0, share - 1.96 * deviation), min(1.0, share + 1.96 * deviation)
    return Tunability(method, marginal.name, share, low, high)


def _as_good(curve: Array, tolerance: float, direction: str) -> float:
    losses = -curve if direction == "maximize" else curve
    return float((losses <= losses.min() + tolerance).mean())


def _range(tunability: Tunability) -> str:
    return f"{_percent(tunability)} of the searched range of {tunability.name}"


def _percent(tunability: Tunability) -> str:
    return f"{tunability.share:.0%} ({tunability.low:.0%} to {tunability.high:.0%})"
