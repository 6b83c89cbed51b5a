"""Seeds that no trial of a search has: one fixed sequence for each purpose, so that no two analyses share one.

What was chosen on some seeds must be measured on others: on the same ones it would be flattered by the luck that
chose it.
"""

from collections.abc import Sequence
from enum import IntEnum

from winnow.objectives.training_objective import derived_seed


class Purpose(IntEnum):
    """What seeds are for. The values keep their sequences apart; a study's records hang on them."""

    MEASURING = 0
    """The winner and the baseline, to be reported."""
    CHOOSING = 1
    """The candidates of a confirmation."""
    ABLATION = 2
    """Methods, alone and together; the first also choose the steps of the path, and those after them measure it."""


def fresh_seeds(study_seed: int, purpose: Purpose, count: int) -> list[int]:
    """Return the first `count` of the purpose's sequence. Trials have numbers from 0 up, these have numbers below."""
    return [derived_seed(study_seed, -1 - purpose * 1_000_000 - i) for i in range(count)]


def decide_nothing(repetitions: Sequence[Sequence[float]]) -> bool:
    """Return whether two or more repetitions, one a seed, have the very same curve and value, and so are one.

    An objective of the user's own may seed itself, whatever seed it is given.
    """
    return len(repetitions) > 1 and all(list(each) == list(repetitions[0]) for each in repetitions)
