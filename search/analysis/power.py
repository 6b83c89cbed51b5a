"""What an ablation will cost, and what it can find with that: said before it trains."""

import math

from winnow.search.analysis import contrasts, quantiles
from winnow.search.analysis.contrasts import Contrast
from winnow.search.analysis.multiplicity import Table
from winnow.search.analysis.sequential import SequentialDesign
from winnow.search.analysis.statistics import ROOM, seeds_at_look

_POWER = 0.8


def sentences(design: SequentialDesign) -> list[str]:
    """Return how many trainings the first look takes and all looks at most, and how large an effect they would show."""
    sets = {on for contrast in design.fixed_contrasts for on in contrast.weights(design.seeds[0])}
    first = len(design.next_trainings({}))
    most = len(sets) * (design.first + seeds_at_look(design.looks, design.first))
    most = most if design.trainings is None else min(most, design.trainings)
    methods = f"{len(design.methods)} methods" if len(design.methods) > 1 else "one method"
    alone = _detectable(design, contrasts.alone(design.methods)[0])
    mean = _detectable(design, contrasts.order(design.methods)[0])
    return [
        f"The ablation of {methods} takes {first} trainings at the first look ({design.first} seeds of "
        f"{len(sets)} sets of methods), and up to {most} in all: more seeds only where they may decide.",
        f"In 4 of 5 cases it finds what a method does alone from {alone:.1f} times the deviation between two seeds on, "
        f"and what it does on the mean over all orders from {mean:.1f} times on. Smaller effects stay inconclusive; "
        "--seeds and --looks find smaller ones.",
    ]


def _detectable(design: SequentialDesign, contrast: Contrast) -> float:
    """Return the effect that the last look finds so often, in standard deviations of a score between seeds."""
    table = Table(design.methods, {("order", method) for method in design.methods} - {(contrast.kind, contrast.name)})
    level = table.level((contrast.kind, contrast.name), design.looks)
    seeds = seeds_at_look(design.looks, design.first)
    spread = math.sqrt(sum(weight**2 for weight in contrast.weights(design.seeds[0]).values()) / seeds)
    return (quantiles.student(seeds - 1, 1 - level / 2) * (1 + ROOM / 2) + quantiles.normal(_POWER)) * spread
