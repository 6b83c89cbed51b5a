"""Data of one's own: what a function, a Hugging Face data set, an npz or idx files hold, as examples to train on.

A function is called with `train`, `validation` or `test`, or with nothing and gives a mapping of these; a part
is a pair of arrays (inputs, targets) or any map-style data set of (image, label) pairs. Knows torch only by what it is
given.
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
from winnow.objectives.data import decoded, idx, image_files, splits
from winnow.objectives.data.catalog import DataSet, DataSpec, known
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.rows import Rows, in_a_file
from winnow.objectives.errors import DataError, ObjectiveError

PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing", "t10k"),
}
"""What files and mappings may call a part."""


@functools.lru_cache(maxsize=4)
def read(spec: DataSpec, part: str) -> Examples | None:
    """Return the examples of one part, or None where the data has no such part; raises DataError."""
    given, files = _GIVERS.get(spec.name, _of_function)(spec, part)
    if given is None:
        return None
    where = f"the {part} data of {spec.name}"
    if not files:
        return _examples(given, spec, where)
    what = (
        f"{spec.name} {part} of {Path(spec.path or '').resolve()} {spec.image} {spec.label} {spec.size} {spec.resize}"
    )

    def decode(allocate: decoded.Allocate) -> decoded.Arrays:
        found = _examples(given, spec, where, allocate)
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


# ---------------------------------------------------------------------- where parts come from: (part, files)

Given = tuple[Any, tuple[Path, ...]]


def _of_function(spec: DataSpec, part: str) -> Given:
    function = user_code.load_part(spec.name, "data")
    by_part = any(each.default is each.empty for each in inspect.signature(function).parameters.values())
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
            for name in PARTS[part]:
                pairs = [(f"{name}_images", f"{name}_labels"), (f"x_{name}", f"y_{name}"), (f"{name}_x", f"{name}_y")]
                pairs += [("images", "labels"), ("x", "y"), ("inputs", "targets")] if part == "train" else []
                for inputs, targets in pairs:
                    if inputs in archive and targets in archive:
                        return (archive[inputs], archive[targets]), (path,)
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


# ---------------------------------------------------------------------- a part as examples


def _examples(given: Any, spec: DataSpec, where: str, allocate: decoded.Allocate | None = None) -> Examples:
    if isinstance(given, tuple | list) and len(given) == 2 and all(hasattr(part, "__len__") for part in given):
        inputs, targets = (_array(part, where) for part in given)
        if len(inputs) != len(targets):
            raise DataError(f"{where} has {len(inputs)} inputs and {len(targets)} targets", "give one target for each")
        if inputs.ndim == 2:
            return Examples(_features(inputs, where), _targets(targets, where))
        images = _as_bytes(inputs, where)
        if spec.size is None or images.shape[2:] == (spec.size, spec.size):
            return Examples(Rows(images, np.arange(len(images))), _targets(targets, where))
        pairs: Any = list(zip(images, targets, strict=True))
    elif hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, str | Mapping):
        pairs = given
    else:
        raise DataError(
            f"{where} is a {type(given).__name__}", "give a pair of arrays (inputs, targets), or a map-style data set"
        )
    if not len(pairs):
        raise DataError(f"{where} is empty", "let it give some")
    first = _image(_pair(pairs, 0, where)[0], spec, where, None)
    count, shape = len(pairs), first.shape
    if allocate is None:
        folder = decoded.cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        allocate = functools.partial(in_a_file, folder)
    inputs = allocate((count, *shape), first.dtype)
    labels = []
    for place in range(count):
        image, label = _pair(pairs, place, where)
        found = _image(image, spec, where, shape[0])
        if found.shape != shape:
            raise DataError(
                f"{where} has images of {shape[1]}x{shape[2]} and of {found.shape[1]}x{found.shape[2]}"
                if len(shape) == 3
                else f"{where} has examples of {shape} and of {found.shape}",
                "set data.size to have all of one size",
            )
        inputs[place] = found
        target = _array(label, where)
        if target.size != 1:
            raise DataError(f"example {place} of {where} has {target.size} targets", "give one number an example")
        labels.append(target.item())
    return Examples(Rows(inputs, np.arange(count)), _targets(np.asarray(labels), where))


def _pair(pairs: Any, place: int, where: str) -> tuple[Any, Any]:
    try:
        pair = pairs[place]
    except Exception as error:
        problem = f"example {place} of {where} cannot be read: {type(error).__name__}: {error}"
        raise DataError(problem, "see that each can be read by its place, from 0 on") from error
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        what = f"{len(pair)} things" if isinstance(pair, tuple | list) else f"a {type(pair).__name__}"
        raise DataError(f"example {place} of {where} is {what}", "let each be a pair (image, label)")
    image, label = pair
    return image, label


def _array(given: Any, where: str) -> NDArray[Any]:
    """Return what was given as an array; a tensor of torch is taken off its device and graph."""
    try:
        if hasattr(given, "detach"):
            given = given.detach().to_dense().cpu()
            given = given.float() if given.is_floating_point() else given  # NumPy knows no bfloat16
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{where} has what is no array: {error}", "give numbers, all examples of one shape") from error


def _features(inputs: NDArray[Any], where: str) -> NDArray[np.float32]:
    if inputs.dtype.kind == "c":
        raise DataError(f"{where} has features that are no real numbers: they are complex", "give them as numbers")
    try:
        with np.errstate(over="ignore"):
            features = np.ascontiguousarray(inputs, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} has features that are no real numbers: {error}", "give them as numbers") from error
    if not np.isfinite(features).all():
        raise DataError(
            f"{where} has features that are missing or infinite", "fill them in, or leave those examples out"
        )
    return features


def _image(image: Any, spec: DataSpec, where: str, channels: int | None) -> NDArray[Any]:
    """Return one input as uint8 (C, H, W), in the size that is asked for, or as float32 features."""
    from PIL import Image, ImageOps

    if not isinstance(image, Image.Image):
        array = _array(image, where)
        if array.ndim == 1:
            return _features(array, where)
        pixels = _as_bytes(array[None], where)[0]
        if spec.size is None or pixels.shape[1:] == (spec.size, spec.size):
            return np.asarray(pixels)
        planes = [Image.fromarray(plane) for plane in pixels]
        return np.stack(
            [np.asarray(image_files.resized(plane, (spec.size, spec.size), spec.resize)) for plane in planes]
        )
    grey = image.mode in ("1", "L") if channels is None else channels == 1
    upright = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
    if spec.size is not None:
        upright = image_files.resized(upright, (spec.size, spec.size), spec.resize)
    pixels = np.asarray(upright)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _as_bytes(images: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Return images as uint8 (N, C, H, W): of bytes, or of numbers from 0 to 1; channels first or last, or none."""
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        raise DataError(
            f"{where} has inputs of the shape {images.shape[1:]}",
            "give images (N, C, H, W), (N, H, W, C) or (N, H, W), or features (N, F)",
        )
    last = images.shape[3]
    if images.shape[1] > 4 and (last in (1, 3, 4) or (images.shape[1] == images.shape[2] > last)):
        images = images.transpose(0, 3, 1, 2)
    if images.dtype == np.uint8:
        return np.asarray(images, np.uint8)
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 1.0)
    if images.dtype.kind in "iu" and low >= 0 and high <= 255:
        return images.astype(np.uint8)
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return (images * 255).round().astype(np.uint8)
    raise DataError(f"{where} has pixels from {low:g} to {high:g}", "give bytes from 0 to 255, or numbers from 0 to 1")


def _targets(targets: NDArray[Any], where: str) -> NDArray[Any]:
    """Return labels int64 (N,), or float32 (N, 1)."""
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1 or targets.dtype.kind not in "biuf":
        raise DataError(
            f"{where} has targets of {targets.dtype} and the shape {targets.shape}", "give one number an example"
        )
    if targets.dtype.kind == "f":
        if not np.isfinite(targets).all():
            raise DataError(f"{where} has targets that are no numbers", "leave those examples out")
        return np.ascontiguousarray(targets, np.float32)[:, None]
    labels = targets.astype(np.int64)
    if len(labels) and labels.min() < 0:
        raise DataError(f"{where} has the label {labels.min()}", "let labels begin at 0")
    return labels
