"""Which examples train, validate and test: a stratified order by seed, the same on every machine and for ever."""

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

HELD_OUT = 0.2
"""Share of a data set without a test set of its own that is kept as test data."""

_HELD_OUT_SEED = 20_241_122
"""Never the spec's: test data stays test data whatever a study asks for."""


def shuffled(count: int, seed: int, purpose: str) -> Index:
    """Return the numbers 0 to `count` - 1 in the order that `seed` gives for `purpose`; int64 (count,)."""
    # NumPy promises the bits of PCG64 and SeedSequence for all its versions; it promises no such thing of
    # `Generator.permutation`. A split made today must be the same next year, or replay is a lie.
    bits = np.random.PCG64(np.random.SeedSequence([seed, *purpose.encode()]))
    return np.argsort(bits.random_raw(count), kind="stable")


def stratified(targets: NDArray[np.int64], seed: int, purpose: str) -> Index:
    """Return all examples in an order of which every stretch holds each class in its share, to within a few examples.

    `targets` int64 (N,); returns int64 (N,). Each class is shuffled on its own and its examples are spread evenly over
    the order, so a smaller training set is a part of a larger one. Classes of one size take turns, and a stretch of
    whole turns holds each alike.
    """
    order = shuffled(len(targets), seed, purpose)
    classes, counts = np.unique(targets, return_counts=True)
    # Classes begin at different places, or all those with a single example would meet in the middle.
    starts = (shuffled(len(classes), seed, f"{purpose}: turns") + 0.5) / len(classes)
    place = np.empty(len(targets))
    for label, count, start in zip(classes, counts, starts, strict=True):
        place[order[targets[order] == label]] = (np.arange(count) + start) / count
    return np.argsort(place, kind="stable")


def train_and_validation(
    targets: NDArray[np.int64], seed: int, train: int, validation: int, *, ordered: bool = False, drifts: bool = False
) -> tuple[Index, Index]:
    """Return the indices of `train` and `validation` examples, by the spec's seed; stratified unless `ordered`.

    `ordered` targets are those of a regression, which has no classes to keep in their shares. Of data that `drifts` the
    last examples validate, as they stand.
    """
    if drifts:
        first = len(targets) - validation
        return stratified(targets[:first], seed, "split")[:train], np.arange(first, len(targets))
    order = shuffled(len(targets), seed, "split") if ordered else stratified(targets, seed, "split")
    return order[validation : validation + train], order[:validation]


def held_out(targets: NDArray[np.int64]) -> tuple[Index, Index]:
    """Return the indices of the examples that a search may see and of those that only confirmation reads."""
    order = stratified(targets, _HELD_OUT_SEED, "test")
    test = int(np.ceil(HELD_OUT * len(targets)))
    return np.sort(order[test:]), np.sort(order[:test])


def shuffle_labels(targets: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return the labels (N,), of which a `share`, chosen by the seed, changed places among themselves."""
    chosen = shuffled(len(targets), seed, "shuffled labels")[: round(share * len(targets))]
    labels = targets.copy()
    labels[chosen] = targets[chosen[shuffled(len(chosen), seed, "their new places")]]
    return labels
