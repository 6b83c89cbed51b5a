"""What a folder of images holds, told from names alone: classes, images per class and part, and what is left aside.

Knows no torch: `winnow check` shows it before a study exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data import image_files, image_folder, splits
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import DataError

LOOKED_AT = 200
"""So many files have their headers read; a large folder is not read whole before a study is made."""


@dataclass(frozen=True)
class Class:
    """How many images of one class train, validate and test."""

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Overview:
    """What is known of a folder of images before any is decoded."""

    classes: tuple[Class, ...]
    smallest: tuple[int, int] | None
    """Width and height in pixels, of the files looked at; None where none can be read."""
    largest: tuple[int, int] | None
    skipped: tuple[tuple[Path, str], ...]
    """What lies beside the images, and why it is none of them."""
    files: tuple[Path, ...] = ()
    """All images, by their names."""
    skips_broken: bool = False
    """Whether those of them that turn out to be none are left out."""

    @property
    def train(self) -> int:
        """How many images train."""
        return sum(each.train for each in self.classes)

    @property
    def validation(self) -> int:
        """How many images validate."""
        return sum(each.validation for each in self.classes)

    @property
    def test(self) -> int:
        """How many images are held out for confirmation."""
        return sum(each.test for each in self.classes)


def of_folder(spec: DataSpec) -> Overview:
    """Return what `winnow check` says of an image folder; raises DataError where it cannot be searched on."""
    if spec.path is None:
        raise DataError("an image folder needs data.path", "name the folder that holds one subfolder a class")
    folder = Path(spec.path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{spec.path} is no folder", "name the folder that holds one subfolder a class")
    listings = {part: image_folder.list_part(folder, part) for part in image_folder.parts(folder)}
    for listing in listings.values():
        if listing.dangling and spec.broken != "skip":
            raise image_files.broken(listing.dangling[0], "a link that leads nowhere")
    names = listings["train"].classes
    targets = {
        part: np.array(
            [label for file, label in zip(listing.files, listing.labels, strict=True) if file not in listing.dangling],
            np.int64,
        )
        for part, listing in listings.items()
    }
    if "test" not in targets:
        search, test = splits.held_out(targets["train"])
        targets["train"], targets["test"] = targets["train"][search], targets["train"][test]
    train, validation = spec.sizes(len(targets["train"]), len(names), own_validation="validation" in targets)
    chosen, rest = splits.train_and_validation(targets["train"], spec.seed, train, validation)
    targets.setdefault("validation", targets["train"][rest])
    targets["train"] = targets["train"][chosen]
    refuse_untrained(names, targets["train"])
    counts = {part: np.bincount(labels, minlength=len(names)) for part, labels in targets.items()}
    files = [file for listing in listings.values() for file in listing.files]
    smallest, largest = image_files.extreme_sizes(evenly(files), spec.levels)
    return Overview(
        tuple(
            Class(name, *(int(counts[part][label]) for part in ("train", "validation", "test")))
            for label, name in enumerate(names)
        ),
        smallest,
        largest,
        tuple(
            entry
            for listing in listings.values()
            for entry in (*listing.skipped, *((file, "a link that leads nowhere") for file in listing.dangling))
        ),
        tuple(files),
        spec.broken == "skip",
    )


def evenly(files: Sequence[Path]) -> Sequence[Path]:
    """Return about LOOKED_AT of some files, spread over all of them."""
    return files[:: max(1, len(files) // LOOKED_AT)]


def refuse_untrained(names: Sequence[str], targets: NDArray[Any]) -> None:
    """Raise DataError where a class has no training example: no network can learn to name it."""
    counts = np.bincount(targets, minlength=len(names))
    if missing := [name for name, count in zip(names, counts, strict=True) if not count]:
        raise DataError(
            f"no example of the class {missing[0]} is left to train on",
            "give it more examples, or choose another data.seed, data.train or data.validation",
        )
