"""Where a search has been: whether its design lets anything be said of a hyperparameter, and of two together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.search.analysis import quantiles
from winnow.search.analysis.axes import Axis
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

Array = NDArray[np.float64]

FEWEST_IN_CORNER = 3
"""So many trials must lie in each corner of a pair's plane: both low, one high, the other, both high."""
TRIALS_PER_TERM = 4
"""So many trials are needed for each number that an additive model of the hyperparameters has."""
_ONE_AT_A_TIME = 0.8
_ALIKE = 0.9


def one_at_a_time(record: StudyRecord, trials: Sequence[TrialRecord]) -> bool:
    """Return whether the search moved along one hyperparameter at a time, as a coordinate-wise search does.

    Then most trials differ from others in a single value, and always in that of the same hyperparameter (in a grid, in
    those of several). How often each was moved decides what its share is, not what it does.
    """
    names = [name for name in record.parameter_names if all(name in trial.parameters for trial in trials)]
    if len(names) < 2 or len(trials) < 2:
        return False
    rows = [tuple(trial.parameters[name] for name in names) for trial in trials]
    along = _moved_along(rows)
    one, several = [axes for axes in along if len(axes) == 1], [axes for axes in along if len(axes) > 1]
    moved = set().union(*one)  # where one is continuous and the others are choices, no draw moves any other alone
    return len(moved) > 1 and len(one) + len(several) >= _ONE_AT_A_TIME * len(rows) and len(one) > len(several)


def _moved_along(rows: Sequence[tuple[Any, ...]]) -> list[set[int]]:
    """Return for each row the hyperparameters in one of which alone another differs; in a grid there are several."""
    along: list[set[int]] = [set() for _ in rows]
    for place in range(len(rows[0])):
        rests = [row[:place] + row[place + 1 :] for row in rows]
        values: dict[tuple[Any, ...], set[Any]] = {}
        for rest, row in zip(rests, rows, strict=True):
            values.setdefault(rest, set()).add(row[place])
        for axes, rest in zip(along, rests, strict=True):
            if len(values[rest]) > 1:
                axes.add(place)
    return along


def moved_together(record: StudyRecord) -> list[str]:
    """Return the hyperparameters that stood in nearly the same order as another in all trials, or in the reverse.

    Of what the ranks of either vary by, nine tenths are the other's too: a variance inflation factor of 10, from which
    on a regression is not taken to tell them apart (Kutner et al., 2005).
    """
    from scipy.stats import rankdata

    trials = [trial for trial in record.finished if trial.parameters and not trial.baseline]
    searched = [name for name in record.parameter_names if all(name in trial.parameters for trial in trials)]
    ranks = {name: rankdata(Axis(record, name).positions(trials)) for name in searched}
    varied = [name for name in searched if np.ptp(ranks[name]) > 0]
    if len(varied) < 2:
        return []
    alike = np.corrcoef([ranks[name] for name in varied]) ** 2 > _ALIKE
    return [name for name, others in zip(varied, alike, strict=True) if others.sum() > 1]


def visited(first: Array, second: Array) -> bool:
    """Return whether trials lie in all four corners of the plane of two hyperparameters, each (trials,) from 0 to 1."""
    corners = 2 * (first > _middle(first)) + (second > _middle(second))
    return bool(np.bincount(corners.astype(int), minlength=4).min() >= FEWEST_IN_CORNER)


def enough(unit: Array) -> bool:
    """Return whether (trials, hyperparameters) are enough to tell what two do together from what each does alone."""
    return len(unit) >= TRIALS_PER_TERM * (2 + sum(_powers(column) for column in unit.T))


def together_p(unit: Array, values: Array, pair: tuple[int, int]) -> float:
    """Return the p value of what two columns of `unit` (trials, hyperparameters) do only together; 1 where unknown.

    An additive model, three powers of every hyperparameter, takes what each does by itself; a t test of the product of
    the two in what is left, with standard errors that hold for uneven noise (HC3; MacKinnon and White, 1985).
    """
    terms = [np.ones(len(unit))]
    for column in unit.T:
        terms += [(column - 0.5) ** power for power in range(1, _powers(column) + 1)]
    alone = np.column_stack(terms)
    trials = len(values)
    product = (unit[:, pair[0]] - _middle(unit[:, pair[0]])) * (unit[:, pair[1]] - _middle(unit[:, pair[1]]))
    model = np.column_stack([alone, product])
    base, _ = np.linalg.qr(alone)
    left = product - base @ (base.T @ product)
    size = float(left @ left)
    if size < 1e-9 * float(product @ product) or size == 0:
        return 1.0
    effect = float(left @ values) / size
    residuals = values - base @ (base.T @ values) - effect * left
    leverage = np.minimum((base**2).sum(axis=1) + left**2 / size, 0.99)
    error = float(np.sqrt(((left * residuals / (1 - leverage)) ** 2).sum())) / size
    return 2 * quantiles.below(trials - model.shape[1], -abs(effect) / error) if error > 0 else 1.0


def _powers(values: Array) -> int:
    """Return how many powers of a hyperparameter are told apart."""
    return min(3, len(np.unique(values)) - 1)


def _middle(values: Array) -> float:
    return float(values.min() + values.max()) / 2
