"""Where the examples of each data set come from. Knows no torch."""

from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data import (
    decoded,
    image_files,
    image_folder,
    overview,
    own_parts,
    splits,
    synthetic,
    torchvision_files,
)
from winnow.objectives.data.catalog import DEFAULT_SIZE, DataSet, DataSpec, is_own, known
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.rows import Rows
from winnow.objectives.errors import DataError


def read(spec: DataSpec, part: str) -> Examples | None:
    """Return all examples of one part, `train` (of which validation is a share), `validation` or `test`.

    None for `validation` where it is no part of its own, as in all data but some image folders. Raises DataError.
    """
    if spec.name == "image_folder":
        return _read_folder(spec, part)
    if is_own(spec.name):
        found = own_parts.read(spec, part)
        if part == "validation" or (part == "test" and found is not None):
            return found
        # Test data of its own leaves all of the training part to the search.
        return found if part == "train" and own_parts.has_test(spec) else _without_or_only_test(_all(spec), part)
    if part == "validation":
        return None
    if spec.name == "digits":
        return _without_or_only_test(Examples(*_read_digits()), part)
    data_set = known(spec.name)
    if spec.name in synthetic.MAKERS:
        count = data_set.test if part == "test" else data_set.train
        return Examples(*synthetic.make(spec.name, count, part == "test", spec.noise))
    examples = Examples(*torchvision_files.read(spec.name, part, spec.path))
    outside = (examples.targets < 0) | (examples.targets >= data_set.classes)
    if outside.any():
        raise DataError(
            f"a {part} label of {spec.name} is {examples.targets[outside][0]}, outside 0 to {data_set.classes - 1}",
            "download its files again",
        )
    return examples


def describe(spec: DataSpec) -> DataSet:
    """Return what is known of the data of `spec`: the catalogue's entry, or what reading one's own says.

    Raises DataError.
    """
    return own_parts.describe(spec) if is_own(spec.name) else known(spec.name)


def shape(spec: DataSpec) -> tuple[int, ...]:
    """Return (channels, height, width) of an example, or (features,)."""
    return tuple(side or spec.size or DEFAULT_SIZE for side in describe(spec).shape)


def count(spec: DataSpec) -> tuple[int, int]:
    """Return how many examples train and how many validate, as far as names of files tell it; one's own data are read.

    Raises DataError where the spec asks for what no data, or not these, can give.
    """
    spec.check()
    if spec.name == "image_folder":
        found = overview.of_folder(spec)
        return found.train, found.validation
    data_set, own_validation = describe(spec), None
    if is_own(spec.name):
        own_validation = own_parts.read(spec, "validation")
    train, share = spec.sizes(data_set.train, data_set.classes, own_validation is not None)
    return train, share if own_validation is None else len(own_validation.targets)


def class_names(spec: DataSpec) -> tuple[str, ...]:
    """Return the names of the classes by label: an image folder's subfolders, or numbers; none in a regression."""
    if spec.name == "image_folder":
        return image_folder.list_part(folder_of(spec), "train").classes
    if is_own(spec.name):
        return own_parts.class_names(spec)
    return tuple(map(str, range(known(spec.name).classes)))


def held_out_beside(spec: DataSpec) -> Examples | None:
    """Return the test images that lie in one folder with those of the search, and are decoded with them; or None.

    For their digests alone: only a confirmation may look at more.
    """
    if spec.name != "image_folder" or "test" in image_folder.parts(folder_of(spec)):
        return None
    return _read_folder(spec, "test")


def folder_of(spec: DataSpec) -> Path:
    """Return where an image folder lies."""
    return Path(spec.path or "").expanduser()


def _read_folder(spec: DataSpec, part: str) -> Examples | None:
    folder, size, skip = folder_of(spec), spec.size or DEFAULT_SIZE, spec.broken == "skip"

    def decode(part: str) -> Examples:
        listing = image_folder.list_part(folder, part)
        what = f"image_folder {listing.folder.resolve()} size {size} broken {spec.broken} levels {spec.levels}"
        what += f" {spec.resize}" if spec.resize else ""
        images, *rest = decoded.read(
            what,
            listing.files,
            lambda allocate: image_files.decode(
                listing, size, spec.resize or "crop", skip_broken=skip, levels=spec.levels, allocate=allocate
            ),
        )
        return Examples(Rows(images, np.arange(len(images))), *rest)

    parts = image_folder.parts(folder)
    if part in parts and (part != "train" or "test" in parts):
        return decode(part)
    return None if part == "validation" else _without_or_only_test(decode("train"), part)


def _all(spec: DataSpec) -> Examples:
    found = own_parts.read(spec, "train")
    assert found is not None
    return found


def _without_or_only_test(examples: Examples, part: str) -> Examples:
    """Return the part of a data set whose test data is held out here."""
    numbers = examples.targets.dtype.kind == "f"  # of which no two are alike
    search, test = splits.held_out(np.zeros(len(examples.targets), np.int64) if numbers else examples.targets)
    return examples.take(test if part == "test" else search)


def _read_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read scikit-learn's own file: to import scikit-learn for it takes longer than a search's first trials."""
    file = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    pixels, labels = np.hsplit(np.loadtxt(file, delimiter=","), [64])
    # Its 17 shades, 0 to 16, become bytes.
    return np.round(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8), labels[:, 0].astype(np.int64)
