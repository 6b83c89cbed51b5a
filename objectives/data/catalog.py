"""Which data sets there are and what a spec may ask of them. Knows no torch: `winnow check` reads it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args, get_type_hints

from winnow.objectives.errors import DataError

RESIZES = ("crop", "stretch", "pad")
DEFAULT_SIZE = 32
"""Pixels a side of an image folder's images where the spec says none."""


@dataclass(frozen=True)
class DataSet:
    """What is known of a named data set before it is read."""

    name: str
    task: str
    """`classification` (the score is accuracy, to maximise) or `regression` (a loss, to minimise); empty where only
    reading tells, as it does the shape and the classes: `sources.describe`."""
    shape: tuple[int, ...]
    """(channels, height, width), or (features,); an image folder's height and width are the spec's `size`."""
    classes: int
    """0 for a regression, and for an image folder, whose classes are its subfolders."""
    train: int
    """Examples outside the test set; 0 where only the folder tells."""
    test: int
    options: tuple[str, ...] = ()
    """The keys of a spec that mean something for this data set and not for every one."""
    written: bool = False
    """Whether its images are characters, which a mirror or a half turn makes into something else."""
    drifts: bool = False
    """Whether its examples change from the first to the last; then the last of them validate, and not some of all."""


CATALOG: Mapping[str, DataSet] = {
    entry.name: entry
    for entry in (
        DataSet("digits", "classification", (1, 8, 8), 10, 1437, 360, written=True),
        DataSet("mnist", "classification", (1, 28, 28), 10, 60_000, 10_000, ("path",), written=True),
        DataSet("fashion_mnist", "classification", (1, 28, 28), 10, 60_000, 10_000, ("path",)),
        DataSet("cifar10", "classification", (3, 32, 32), 10, 50_000, 10_000, ("path",)),
        DataSet("cifar100", "classification", (3, 32, 32), 100, 50_000, 10_000, ("path",)),
        DataSet(
            "image_folder",
            "classification",
            (3, 0, 0),
            0,
            0,
            0,
            ("path", "size", "resize", "broken", "black", "white", "stream"),
        ),
        DataSet("hugging_face", "", (), 0, 0, 0, ("path", "image", "label", "size", "resize", "stream")),
        DataSet("npz", "", (), 0, 0, 0, ("path", "size", "resize", "stream")),
        DataSet("idx", "", (), 0, 0, 0, ("path", "size", "resize", "stream")),
        DataSet("two_moons", "classification", (2,), 2, 8_000, 2_000, ("noise",), drifts=True),
        DataSet("circles", "classification", (2,), 2, 1_000, 1_000, ("noise",)),
        DataSet("spirals", "classification", (2,), 2, 1_000, 1_000, ("noise",)),
        DataSet("regression_1d", "regression", (1,), 0, 1_000, 1_000, ("noise",)),
        DataSet("regression_100d", "regression", (100,), 0, 10_000, 2_000, ("noise",)),
    )
}


@dataclass(frozen=True)
class Levels:
    """The values of deep grey images (16 or 32 bits, or floating point) that become black and white."""

    black: float = 0.0
    white: float | None = None
    """None is 65,535 for images of 16 bits, and unknown for deeper ones."""


@dataclass(frozen=True)
class DataSpec:
    """The spec's `[data]`: which data, how much of it, and by which seed it is split."""

    name: str
    train: int | None = None
    """Training examples, stratified; None takes all that validation leaves."""
    validation: float = 0.1
    """Validation examples, stratified: a share below 1, or a number of examples. An image folder with a subfolder
    `val` brings its own instead."""
    seed: int = 0
    """Seed of the split, and of nothing else."""
    shuffle_labels: float = 0.0
    """Share of the training labels that are shuffled among themselves, chosen by the seed."""
    path: str | None = None
    """The image folder; or where a named data set's files lie, and are downloaded to."""
    size: int | None = None
    """Pixels a side to which images are resized; None is 32 for an image folder, and as they are for one's own."""
    resize: str | None = None
    """How: their middle square (`crop`, also None), `stretch`, or whole on black (`pad`)."""
    image: str | None = None
    """The column of a Hugging Face data set that holds the images; None is `image`."""
    label: str | None = None
    """The column that holds the labels; None is `label`."""
    stream: bool | None = None
    """Whether images stay on the host and reach the device batch by batch; None where they would fill its memory."""
    broken: str | None = None
    """What an image folder does with a file that is no image: `refuse` (also None) or `skip`, which logs its name."""
    black: float | None = None
    """Which value of an image folder's deep grey images (16 or 32 bits, floating point) is black; None is 0."""
    white: float | None = None
    """Which value of them is white; None is 65,535 for images of 16 bits, and refuses deeper ones."""
    noise: float | None = None
    """Standard deviation of the noise of what is made here, moons to regressions; None is the data set's own."""

    @property
    def levels(self) -> Levels:
        """Which values of deep grey images are black and white."""
        return Levels(self.black or 0.0, self.white)

    def check(self) -> None:
        """Raise DataError where this asks for what no data can give; what these data have `sources.count` says."""
        self._check_types()
        data_set = known(self.name)
        for option in ("path", "size", "resize", "image", "label", "broken", "black", "white", "noise", "stream"):
            if getattr(self, option) is not None and option not in data_set.options:
                raise DataError(f"data.{option} has no meaning for {self.name}", "leave it out")
        for wrong, problem, remedy in (
            (self.seed < 0, f"data.seed = {self.seed} is negative", "choose 0 or above"),
            (self.train is not None and self.train < 1, f"data.train = {self.train} trains nothing", "leave it out"),
            (
                self.validation <= 0 or (self.validation >= 1 and self.validation != int(self.validation)),
                f"data.validation = {self.validation:g} is neither a share nor a number of examples",
                "choose a share between 0 and 1, or a whole number",
            ),
            (
                not 0 <= self.shuffle_labels <= 1,
                f"data.shuffle_labels = {self.shuffle_labels:g} is no share",
                "choose 0 to 1",
            ),
            (
                self.shuffle_labels > 0 and data_set.task == "regression",
                f"{self.name} has no labels to shuffle",
                "leave shuffle_labels out",
            ),
            (self.size is not None and self.size < 1, f"data.size = {self.size} leaves no pixel", "choose 1 or more"),
            (
                self.resize not in (None, *RESIZES),
                f"data.resize = {self.resize!r} is not known",
                f"choose one of {', '.join(RESIZES)}",
            ),
            (
                self.broken not in (None, "refuse", "skip"),
                f"data.broken = {self.broken!r} is not known",
                "choose refuse or skip",
            ),
            (
                self.white is not None and self.white <= self.levels.black,
                f"data.white = {self.white} is not above data.black = {self.levels.black:g}",
                "choose the value of the brightest pixel",
            ),
            (self.noise is not None and self.noise < 0, f"data.noise = {self.noise} is negative", "choose 0 or above"),
        ):
            if wrong:
                raise DataError(problem, remedy)

    def sizes(self, examples: int, classes: int, own_validation: bool = False) -> tuple[int, int]:
        """Return how many of `examples` train and how many validate; raises DataError where they do not suffice.

        With `own_validation` none of them validate: the data brings its own.
        """
        if own_validation:
            validation = 0
        else:
            validation = round(self.validation * examples) if self.validation < 1 else int(self.validation)
        train = examples - validation if self.train is None else self.train
        if train < 1 or train + validation > examples:
            raise DataError(
                f"{self.path or self.name} has {examples:,} examples that are not for the test, too few for {train:,} "
                f"to train and {validation:,} to validate",
                "lower data.train or data.validation",
            )
        for key, count in (("train", train), *(() if own_validation else (("validation", validation),))):
            if count < max(classes, 1):
                aim = "train" if key == "train" else "validate"
                raise DataError(
                    f"{self.path or self.name} has {examples:,} examples of {classes:,} classes that are not for the "
                    f"test, and with {count:,} of them to {aim} a class has none",
                    f"add examples of each class, or choose data.{key} = {max(classes, 1)} or more",
                )
        return train, validation

    def _check_types(self) -> None:
        for key, hint in get_type_hints(DataSpec).items():
            value, kinds = getattr(self, key), get_args(hint) or (hint,)
            if value is None and type(None) in kinds:
                continue
            kind = int | float if kinds[0] is float else kinds[0]
            infinite = isinstance(value, float) and not math.isfinite(value)
            if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool) or infinite:
                raise DataError(f"data.{key} = {value!r} is not {_WORDS[kinds[0]]}", f"write {_WORDS[kinds[0]]}")


_WORDS: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def known(name: str) -> DataSet:
    """Return the catalogue's entry; raises DataError with the names that there are."""
    if ":" in name:
        return DataSet(name, "", (), 0, 0, 0, ("size", "resize", "stream"))
    if name not in CATALOG:
        remedy = f"choose one of {', '.join(CATALOG)}, or your own as module:function"
        raise DataError(f"there is no data set {name!r}", remedy)
    return CATALOG[name]


def is_own(name: str) -> bool:
    """Return whether only reading the data tells its task, shape and classes."""
    return not known(name).task
