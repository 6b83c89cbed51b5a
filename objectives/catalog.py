"""Which data sets there are and what a spec may ask of them. Knows no torch: `winnow check` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from objectives.errors import DataError


@dataclass(frozen=True)
class DataSet:
    """What is known of a named data set before it is read."""

    name: str
    task: str
    """`classification` (the score is accuracy, to maximise) or `regression` (a loss, to minimise)."""
    shape: tuple[int, ...]
    """(channels, height, width), or (features,)."""
    classes: int
    train: int
    """Examples outside the test set."""
    test: int


CATALOG: Mapping[str, DataSet] = {
    "digits": DataSet("digits", "classification", (1, 8, 8), 10, 1437, 360),
    "fashion_mnist": DataSet("fashion_mnist", "classification", (1, 28, 28), 10, 60_000, 10_000),
}


@dataclass(frozen=True)
class DataSpec:
    """The spec's `[data]`: which data, how much of it, and by which seed it is split."""

    name: str
    train: int | None = None
    """Training examples; None takes all that validation leaves."""
    validation: float = 0.1
    """Validation examples: a share below 1, or a number of examples."""
    seed: int = 0
    """Seed of the split, and of nothing else."""


def known(name: str) -> DataSet:
    """The catalogue's entry; raises DataError with the names that there are."""
    if name not in CATALOG:
        raise DataError(f"there is no data set {name!r}", f"choose one of {', '.join(CATALOG)}")
    return CATALOG[name]
