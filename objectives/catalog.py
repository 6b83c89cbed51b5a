"""Which data sets there are and what a spec may ask of them. Knows no torch: `winnow check` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from objectives.errors import DataError


@dataclass(frozen=True)
class DataSet:
    """What is known of a named data set before it is read."""

    name: str
    task: str
    """`classification` (the score is accuracy, to maximise) or `regression` (a loss, to minimise)."""
    shape: tuple[int, ...]
    """(channels, height, width), or (features,); an image folder's height and width are the spec's `size`."""
    classes: int
    """0 for a regression, and for an image folder, whose classes are its subfolders."""
    train: int
    """Examples outside the test set; 0 where only the folder tells."""
    test: int
    written: bool = False
    """Whether its images are characters, which a mirror or a half turn makes into something else."""


CATALOG: Mapping[str, DataSet] = {
    entry.name: entry
    for entry in (
        DataSet("digits", "classification", (1, 8, 8), 10, 1437, 360, written=True),
        DataSet("mnist", "classification", (1, 28, 28), 10, 60_000, 10_000, written=True),
        DataSet("fashion_mnist", "classification", (1, 28, 28), 10, 60_000, 10_000),
        DataSet("cifar10", "classification", (3, 32, 32), 10, 50_000, 10_000),
        DataSet("cifar100", "classification", (3, 32, 32), 100, 50_000, 10_000),
        DataSet("image_folder", "classification", (3, 0, 0), 0, 0, 0),
        DataSet("two_moons", "classification", (2,), 2, 10_000, 2_000),
        DataSet("regression_1d", "regression", (1,), 0, 1_000, 1_000),
        DataSet("regression_100d", "regression", (100,), 0, 10_000, 2_000),
    )
}

ON_DISK = ("mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder")
"""The data sets that are files, so that a spec may say where they lie."""


@dataclass(frozen=True)
class DataSpec:
    """The spec's `[data]`: which data, how much of it, and by which seed it is split."""

    name: str
    train: int | None = None
    """Training examples, stratified; None takes all that validation leaves."""
    validation: float = 0.1
    """Validation examples, stratified: a share below 1, or a number of examples. An image folder that has a
    subfolder `val` brings its own instead."""
    seed: int = 0
    """Seed of the split, and of nothing else."""
    path: str | None = None
    """The image folder; or where the files of the named data set lie, and are downloaded to."""
    shuffle_labels: float = 0.0
    """Share of the training labels that are shuffled among themselves, chosen by the seed."""
    size: int | None = None
    """Pixels a side to which an image folder's images are resized; None is 32."""
    broken: str | None = None
    """What an image folder does with a file that is no image: `refuse` (also None) or `skip`, which logs its name."""
    noise: float | None = None
    """Standard deviation of the noise of two moons and of the regressions; None is the data set's own."""

    def check(self) -> None:
        """Raise DataError where this asks for what no data can give; reads file names, never a file."""
        data_set = known(self.name)
        if self.seed < 0:
            raise DataError(f"data.seed = {self.seed} is negative", "choose 0 or above")
        if not 0 <= self.shuffle_labels <= 1:
            raise DataError(f"data.shuffle_labels = {self.shuffle_labels:g} is no share", "choose 0 to 1")
        if self.shuffle_labels and data_set.task == "regression":
            raise DataError(f"{self.name} has no labels to shuffle", "leave shuffle_labels out")
        self._check_options()
        if data_set.train:
            self.sizes(data_set.train, data_set.classes)
        else:
            self._check_size_alone()

    def sizes(self, examples: int, classes: int) -> tuple[int, int]:
        """How many of `examples` train and how many validate; raises DataError where they do not suffice."""
        self._check_size_alone()
        validation = round(self.validation * examples) if self.validation < 1 else int(self.validation)
        train = examples - validation if self.train is None else self.train
        if train + validation > examples or train < 1 or validation < 1:
            raise DataError(
                f"{self.name} has {examples:,} examples, too few for {train:,} to train and {validation:,} to validate",
                "lower data.train or data.validation",
            )
        for key, count in (("train", train), ("validation", validation)):
            if count < classes:
                raise DataError(
                    f"{count} examples for data.{key} leave some of the {classes} classes of {self.name} without any",
                    f"choose {classes} or more",
                )
        return train, validation

    def _check_size_alone(self) -> None:
        if self.train is not None and self.train < 1:
            raise DataError(f"data.train = {self.train} trains nothing", "choose 1 or more, or leave it out for all")
        if self.validation <= 0 or (self.validation >= 1 and self.validation != int(self.validation)):
            raise DataError(
                f"data.validation = {self.validation:g} is neither a share nor a number of examples",
                "choose a share between 0 and 1, or a whole number",
            )

    def _check_options(self) -> None:
        folder = self.name == "image_folder"
        made = self.name in ("two_moons", "regression_1d", "regression_100d")
        for key, given, allowed in (
            ("path", self.path, self.name in ON_DISK),
            ("size", self.size, folder),
            ("broken", self.broken, folder),
            ("noise", self.noise, made),
        ):
            if given is not None and not allowed:
                raise DataError(f"data.{key} has no meaning for {self.name}", "leave it out")
        if self.size is not None and self.size < 1:
            raise DataError(f"data.size = {self.size} leaves no pixel", "choose 1 or more")
        if self.broken not in (None, "refuse", "skip"):
            raise DataError(f"data.broken = {self.broken!r} is not known", "choose refuse or skip")
        if self.noise is not None and self.noise < 0:
            raise DataError(f"data.noise = {self.noise:g} is negative", "choose 0 or above")
        if folder and self.path is None:
            raise DataError("an image folder needs data.path", "name the folder that holds one subfolder a class")
        if folder and not Path(self.path or "").expanduser().is_dir():
            raise DataError(f"{self.path} is no folder", "name the folder that holds one subfolder a class")


def known(name: str) -> DataSet:
    """The catalogue's entry; raises DataError with the names that there are."""
    if name not in CATALOG:
        raise DataError(f"there is no data set {name!r}", f"choose one of {', '.join(CATALOG)}")
    return CATALOG[name]
