"""Hyperparameter importance by Optuna's own evaluators, with intervals."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from winnow.errors import StudyError
from winnow.search.analysis import coverage
from winnow.search.analysis.formatting import listed
from winnow.search.analysis.importance_evaluators import METHODS, Method, Shares, top_share
from winnow.search.analysis.importance_trials import (
    MOST_TRIALS,
    by_rank,
    for_a_forest,
    in_order,
    refuse_survivors,
    usable_trials,
    without,
)
from winnow.search.analysis.statistics import fenced
from winnow.search.analysis.study_record import StudyRecord

_MOST_IN_SAMPLE = 60
_ANYWHERE = ("random", "grid", "qmc")
"""Samplers that draw wherever trials may lie; all others draw near the best."""
_TRIALS_EACH = 6
"""So many trials of each hyperparameter does a forest need of a sampler that draws near the best.

Of searches by TPE and ASHA with four or five it ranked two planted effects rightly in 22 of 83, with seven in 40 of 64.
"""
_SAMPLES = 50
"""Samples for an interval: their spread is then known to a tenth of itself."""


@dataclass(frozen=True)
class Share:
    """One hyperparameter's share of the importance that was found, with its 95 % interval."""

    name: str
    share: float
    """0 to 1; the shares of a study add up to 1, or are all 0 where nothing was found."""
    low: float
    high: float
    trials: int
    """Trials in which it was searched (fewer than all where it is conditional)."""
    certain: bool
    """Whether the interval lies above what the method gives to a random number: other trials would show it too.

    Never of two that moved together: a share that one of them has may be the other's.
    """


@dataclass(frozen=True)
class Importance:
    """What one method found, largest share first."""

    method: Method
    question: str
    """What the method asks of the trials, in words."""
    trials: int
    pruned: int
    """How many of these trials were pruned."""
    shares: tuple[Share, ...]


def assess(record: StudyRecord, method: Method = "PED-ANOVA", *, pruned: bool = False) -> Importance:
    """Return the importance by one method, over completed trials and, as what they are, pruned ones.

    A pruned or diverged trial is not among the best: to PED-ANOVA it stands behind all that completed. MDI sees the
    order of the trials: those that completed by their values, then those that were pruned by their last ones, then
    those that diverged. fANOVA would need a pruned trial's value, which is not known: it sees completed trials, and is
    refused where pruning chose them (with `pruned` it takes the last values that were reported). A search that moved
    one hyperparameter at a time is refused to all: there a share says how often and how far each was moved.

    PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255; conditional: arXiv:2601.20800) asks what sets the best trials
    apart; the best are the top tenth, or the top five where a tenth is fewer. fANOVA (Hutter et al., ICML 2014) asks a
    random forest what the value varies with, hopeless values counting as `worse_fence`, and MDI (Louppe et al.,
    NeurIPS 2013) what the order does; they know only hyperparameters that every trial searched, and need scikit-learn.
    The baseline is left out: its parameters may have been clamped.

    An interval is the share ± 1.96 deviations over samples of at most half the trials, without replacement (Politis
    and Romano, 1994, with m of n trials scaled by √(m / (n - m))). A bootstrap with replacement does not serve: a
    trial drawn twice confirms itself to a forest and to a density, and useless hyperparameters gain. A forest gives a
    share even to random numbers; a hyperparameter is only `certain` above that.

    Raises StudyError below MINIMUM_TRIALS, saying how many more are needed, and where the design tells nothing.
    """
    generator = np.random.default_rng(0)
    if method == "PED-ANOVA":
        records = by_rank(record)
    elif method == "MDI":
        records = for_a_forest(in_order(record), generator)
    else:
        refuse_survivors(record, pruned)
        records = for_a_forest(usable_trials(record, pruned), generator)
        values = fenced(np.array([trial.value for trial in records], dtype=np.float64), record.direction)
        records = [replace(trial, value=value) for trial, value in zip(records, values.tolist(), strict=True)]
    shares = Shares(method, record, records, generator)
    if method != "PED-ANOVA" and draws_near_the_best(record):
        _refuse_few(record, len(records), _TRIALS_EACH * len(shares.names))
    found, floor = shares(range(len(records)))
    spread = _spread(shares, len(records), generator)
    twins = coverage.moved_together(record)
    ordered = sorted(zip(shares.names, found, spread, strict=True), key=lambda entry: (-entry[1], entry[0]))
    return Importance(
        method,
        _question(method, len(records)),
        len(records),
        sum(record.state == "PRUNED" for record in records),
        tuple(
            Share(
                name,
                float(share),
                max(0.0, float(share - 1.96 * deviation)),
                min(1.0, float(share + 1.96 * deviation)),
                sum(name in record.parameters for record in records),
                bool(share - 1.96 * deviation > floor) and name not in twins,
            )
            for name, share, deviation in ordered
        ),
    )


def _refuse_few(record: StudyRecord, trials: int, needed: int) -> None:
    if trials < min(needed, MOST_TRIALS):
        raise StudyError(
            f"importance needs {needed} trials of study {record.study!r} besides the baseline, {_TRIALS_EACH} for each "
            f"hyperparameter, since {_how_drawn(record)}, and it has {trials}{without(record)}",
            f"let {needed - trials} more end, with a larger budget where it is used up",
        )


@lru_cache(maxsize=1)
def assess_if_enough(record: StudyRecord) -> tuple[Importance | None, str]:
    """Return importance by the method that comes first of these trials, or why there is none.

    Kept of the last record, which a report and its notes both ask about.
    """
    try:
        return assess(record, methods_for(record)[0]), ""
    except StudyError as error:
        said = str(error)
        return None, f"{said[0].upper()}{said[1:]}."


def compare(record: StudyRecord, *, pruned: bool = False) -> tuple[Importance, ...]:
    """Return importance by the methods that the trials allow, in their order; raises StudyError as the first does."""
    first, *others = methods_for(record)
    found = [assess(record, first, pruned=pruned)]
    for method in others:
        with suppress(StudyError):
            found.append(assess(record, method, pruned=pruned))
    return tuple(found)


def draws_near_the_best(record: StudyRecord) -> bool:
    """Return whether the sampler drew most trials near the best, as Optuna's own does where none was recorded."""
    return record.sampler not in _ANYWHERE


def _how_drawn(record: StudyRecord) -> str:
    if record.sampler:
        return "the sampler drew near the best trials"
    return "its sampler, which nobody recorded, may have drawn near the best trials"


def methods_for(record: StudyRecord) -> tuple[Method, ...]:
    """Return the methods to ask, the one first that ranked planted effects best in such searches (`bench/truth.py`).

    That is MDI, but forests do not know hyperparameters that some trials alone searched. Where a sampler draws near
    the best, little sets these apart, so PED-ANOVA is asked only of such hyperparameters, and second.
    """
    conditional, near = _conditional(record), draws_near_the_best(record)
    if len(conditional) == len(record.parameter_names) or (conditional and not near):
        return METHODS
    return ("MDI", "PED-ANOVA", "fANOVA") if conditional or not near else ("MDI", "fANOVA")


def doubt(found: Sequence[Importance], record: StudyRecord) -> str:
    """Return what the planted searches of `bench/truth.py` say against these shares, in sentences."""
    together = coverage.moved_together(record)
    said = (
        f"{listed(together)} moved together in these trials, which do not tell whose each share is." if together else ""
    )
    return " ".join(filter(None, (said, _of_a_sampler(found, record))))


def _of_a_sampler(found: Sequence[Importance], record: StudyRecord) -> str:
    if not draws_near_the_best(record):
        return ""
    if any(each.method == "PED-ANOVA" for each in found):
        return (
            "A sampler that draws near the best trials (TPE) leaves little that sets them apart: PED-ANOVA may then "
            "rank wrongly, and show as clear what does nothing."
        )
    conditional = _conditional(record)
    untold = (
        f" Of {', '.join(conditional)}, which some trials alone searched, this tells nothing." if conditional else ""
    )
    return (
        "A sampler that draws near the best trials (TPE) tells little of what it left early: of two hyperparameters "
        f"whose intervals overlap, do not rely on the order.{untold}"
    )


def _conditional(record: StudyRecord) -> list[str]:
    """Return the hyperparameters that some trials alone searched."""
    searched = [trial for trial in record.finished if trial.parameters and not trial.baseline]
    return [name for name in record.parameter_names if any(name not in trial.parameters for trial in searched)]


def left_out(record: StudyRecord, *, pruned: bool = False) -> str:
    """Return which methods are not asked and why, in sentences; empty where all are."""
    said = []
    if "PED-ANOVA" not in methods_for(record):
        said.append(f"PED-ANOVA is left out: {_how_drawn(record)}, and little sets these apart.")
    try:
        refuse_survivors(record, pruned)
        usable_trials(record, pruned)
    except StudyError as error:
        said.append(f"fANOVA is left out: {error}.")
    return " ".join(said)


def disagreement(importances: Sequence[Importance], record: StudyRecord) -> str:
    """Return a sentence where the methods name different hyperparameters as the strongest; empty where they agree.

    Who found nothing names none, and PED-ANOVA is not heard where its word is doubted anyway.
    """
    doubted = {"PED-ANOVA"} if draws_near_the_best(record) else set()
    heard = [found for found in importances if found.method not in doubted]
    strongest = {found.method: found.shares[0].name for found in heard if found.shares and found.shares[0].share > 0}
    if len(set(strongest.values())) < 2:
        return ""
    named = ", ".join(f"{method} names {name}" for method, name in strongest.items())
    return f"The methods disagree on the strongest ({named}), so do not rely on any of them here."


def _question(method: Method, trials: int) -> str:
    if method == "PED-ANOVA":
        top = int(np.ceil(top_share(trials) * trials))
        return f"what sets the best {top} of {trials} trials apart"
    if method == "MDI":
        return f"what the order of {trials} trials varies with"
    return f"what the values of {trials} trials vary with"


def _spread(shares: Shares, trials: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the deviation of each share over other trials, from samples without replacement."""
    size = min(trials // 2, _MOST_IN_SAMPLE)
    samples = [shares(generator.permutation(trials)[:size].tolist())[0] for _ in range(_SAMPLES)]
    return deviation(np.array(samples), size, trials)


def deviation(samples: NDArray[np.float64], size: int, trials: int) -> NDArray[np.float64]:
    """Return the deviation over other trials of what (samples, …) of `size` of `trials` gave, none drawn twice."""
    scaled: NDArray[np.float64] = np.sqrt(size / (trials - size)) * np.std(samples, axis=0, ddof=1)
    return scaled
