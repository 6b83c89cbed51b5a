"""The parts of data of one's own: what a function, a Hugging Face data set, an npz or idx files give for each.

A function is called with `train`, `validation` or `test`, or with nothing and gives a mapping of these.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives import user_code
from winnow.objectives.data import decoded, idx, image_folder, own_examples, splits
from winnow.objectives.data.catalog import DataSet, DataSpec, known
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.rows import Rows
from winnow.objectives.errors import DataError, ObjectiveError

PARTS = {**image_folder.NAMES, "test": (*image_folder.NAMES["test"], "t10k")}
"""What files and mappings may call a part."""


@functools.lru_cache(maxsize=4)
def read(spec: DataSpec, part: str) -> Examples | None:
    """Return the examples of one part, or None where the data has no such part; raises DataError."""
    given, files = _GIVERS.get(spec.name, _of_function)(spec, part)
    if given is None:
        return None
    where = f"the {part} data of {spec.name}"
    if not files:
        return own_examples.examples(given, spec, where)
    what = (
        f"{spec.name} {part} of {Path(spec.path or '').resolve()} {spec.image} {spec.label} {spec.size} {spec.resize}"
    )

    def decode(allocate: decoded.Allocate) -> decoded.Arrays:
        found = own_examples.examples(given, spec, where, allocate)
        inputs = found.inputs.read() if isinstance(found.inputs, Rows) else found.inputs
        return inputs, found.targets

    inputs, targets = decoded.read(what, files, decode)
    return Examples(Rows(inputs, np.arange(len(inputs))), targets)


@functools.lru_cache(maxsize=4)
def has_test(spec: DataSpec) -> bool:
    """Return whether the data has test examples of its own, which are not read for that where a file's names say it."""
    return _GIVERS.get(spec.name, _of_function)(spec, "test")[0] is not None


@functools.lru_cache(maxsize=4)
def describe(spec: DataSpec) -> DataSet:
    """Return what is known of the data once its training part is read; raises DataError."""
    train = read(spec, "train")
    if train is None or not len(train.targets):
        raise DataError(f"{spec.name} has no train examples", "let it give some")
    task = "regression" if train.targets.dtype.kind == "f" else "classification"
    classes = _count_classes(train.targets, spec.name) if task == "classification" else 0
    if (other := read(spec, "validation")) is not None:
        if not len(other.targets):
            raise DataError(f"{spec.name} has no validation examples", "let it give some, or None for that part")
        if other.targets.dtype != train.targets.dtype:
            raise DataError(
                f"of the targets of {spec.name} those to train on are {train.targets.dtype}, the others "
                f"{other.targets.dtype}",
                "let them be whole numbers in all parts, or real ones",
            )
        if other.inputs.shape[1:] != train.inputs.shape[1:]:
            raise DataError(
                f"the validation examples of {spec.name} have the shape {other.inputs.shape[1:]}, and those to train "
                f"on {train.inputs.shape[1:]}",
                "let all parts be alike, or set data.size",
            )
        if task == "classification" and other.targets.max() >= classes:
            raise DataError(
                f"a validation label of {spec.name} is {other.targets.max()}, and those to train on end at "
                f"{classes - 1}",
                "let every class have examples to train on",
            )
    count = len(train.targets)
    if not has_test(spec):
        count -= math.ceil(splits.HELD_OUT * count)
    return DataSet(spec.name, task, train.inputs.shape[1:], classes, count, 0, known(spec.name).options)


def _count_classes(labels: NDArray[Any], name: str) -> int:
    present = np.unique(labels)
    last = int(present[-1])
    if not last:
        raise DataError(f"all training examples of {name} have the label 0", "give it two classes or more to tell")
    if len(present) <= last:
        absent = next(label for label, found in enumerate(present.tolist()) if label != found)
        raise DataError(
            f"no training example of {name} has the label {absent}, and labels go up to {last}",
            "number the classes from 0 on, without gaps; in a regression give real numbers",
        )
    return last + 1


def class_names(spec: DataSpec) -> tuple[str, ...]:
    """Return the names of the classes: those that the data says, or numbers; none in a regression."""
    classes = describe(spec).classes
    named: Any = None
    if spec.name == "hugging_face":
        from datasets import ClassLabel

        feature = _hugging_face_parts(spec)["train"].features[spec.label or "label"]
        named = feature.names if isinstance(feature, ClassLabel) else None
    elif ":" in spec.name:
        named = getattr(user_code.load_part(spec.name, "data"), "class_names", None)
    return tuple(map(str, named)) if named is not None and len(named) == classes else tuple(map(str, range(classes)))


Given = tuple[Any, tuple[Path, ...]]


def _of_function(spec: DataSpec, part: str) -> Given:
    function = user_code.load_part(spec.name, "data")
    parameters = inspect.signature(function).parameters
    if next(iter(parameters), "") == "trial":
        remedy = f'a study is a TOML file, which names it: objective = "{spec.name}" (docs/own_script.md)'
        raise DataError(f"{spec.name} takes a trial: it is an objective, and gives no data", remedy)
    by_part = any(each.default is each.empty for each in parameters.values())
    try:
        if by_part:
            return function(part), ()
        return _named(_all_of(function), part), ()
    except ObjectiveError:
        raise
    except (Exception, SystemExit) as error:
        call = f"{spec.name}({part!r})" if by_part else f"{spec.name}()"
        raise DataError(f"{call} fails: {type(error).__name__}: {error}", "see that it runs by itself") from error


@functools.lru_cache(maxsize=1)
def _all_of(function: Callable[[], Any]) -> Mapping[str, Any]:
    found = function()
    if not isinstance(found, Mapping):
        problem = f"{function.__name__}() gives a {type(found).__name__}"
        raise DataError(problem, "let it take the name of a part, or give a mapping with train, validation, test")
    return found


def _named(parts: Mapping[str, Any], part: str) -> Any:
    return next((parts[name] for name in PARTS[part] if name in parts), None)


def _of_hugging_face(spec: DataSpec, part: str) -> Given:
    given = _hugging_face_parts(spec).get(part)
    if given is None:
        return None, ()
    image, label = spec.image or "image", spec.label or "label"
    for column in (image, label):
        if column not in given.column_names:
            raise DataError(
                f"{spec.path} has no column {column!r}",
                f"set data.image and data.label to two of {', '.join(given.column_names)}",
            )
    return _Columns(given, image, label), tuple(Path(each["filename"]) for each in given.cache_files)


class _Columns:
    def __init__(self, rows: Any, image: str, label: str) -> None:
        self._rows, self._image, self._label = rows, image, label

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        row = self._rows[place]
        return row[self._image], row[self._label]


def _hugging_face_parts(spec: DataSpec) -> dict[str, Any]:
    try:
        import datasets
    except ImportError:
        raise DataError("datasets is not installed", "pip install datasets") from None
    try:
        found = datasets.load_from_disk(str(_path(spec)))
    except Exception as error:
        raise DataError(
            f"{spec.path} is no data set that datasets saved to disk: {error}", "give the folder of save_to_disk"
        ) from error
    if not isinstance(found, Mapping):
        return {"train": found}
    return {part: rows for part in PARTS if (rows := _named(found, part)) is not None}


def _of_npz(spec: DataSpec, part: str) -> Given:
    path = _path(spec)
    try:
        with np.load(path) as archive:  # never pickled objects
            held = {name.lower(): name for name in archive.files}
            for name in PARTS[part]:
                pairs = [(f"{name}_images", f"{name}_labels"), (f"x_{name}", f"y_{name}"), (f"{name}_x", f"{name}_y")]
                pairs += [("images", "labels"), ("x", "y"), ("inputs", "targets")] if part == "train" else []
                for inputs, targets in pairs:
                    if inputs in held and targets in held:
                        return (archive[held[inputs]], archive[held[targets]]), (path,)
            names = ", ".join(archive.files)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no npz of plain arrays ({error})", "save it by numpy.savez") from error
    if part == "train":
        raise DataError(
            f"{path} holds {names}", "name its arrays train_images and train_labels, or x_train and y_train"
        )
    return None, ()


def _of_idx(spec: DataSpec, part: str) -> Given:
    found = [
        sorted(file for name in PARTS[part] for file in _path(spec).glob(f"*{name}*-{kind}-*") if file.is_file())
        for kind in ("images", "labels")
    ]
    if part == "train" and not all(found):
        raise DataError(f"{spec.path} has no files like train-images-idx3-ubyte", "name the folder that holds them")
    if not all(found):
        return None, ()
    files = (found[0][0], found[1][0])
    return idx.read(files), files


def _path(spec: DataSpec) -> Path:
    if spec.path is None:
        raise DataError(f"{spec.name} needs data.path", "say where it lies")
    return Path(spec.path).expanduser()


_GIVERS: Mapping[str, Callable[[DataSpec, str], Given]] = {
    "hugging_face": _of_hugging_face,
    "npz": _of_npz,
    "idx": _of_idx,
}
