"""A part of data of one's own as examples: a pair of arrays, or a map-style data set of (image, label) pairs.

Knows torch only by what it is given.
"""

import functools
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data import decoded, image_files
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.rows import Rows, in_a_file
from winnow.objectives.errors import DataError

ONE_NUMBER = (
    "give one number an example, that of its class; several labels, masks and boxes are for an objective of your own"
)


def examples(given: Any, spec: DataSpec, where: str, allocate: decoded.Allocate | None = None) -> Examples:
    """Return what was given for a part as examples, in the size that the spec asks for; raises DataError.

    `where` is what the part is called in an error, `allocate` makes an array for inputs that are read one by one.
    """
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
        allocate = functools.partial(in_a_file, decoded.cache_folder())
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
            raise DataError(f"example {place} of {where} has {target.size} targets", ONE_NUMBER)
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

    if isinstance(image, str | bytes | PathLike):
        raise DataError(f"{where} has {str(image)[:80]!r} for an image", "open it: PIL.Image.open(path)")
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
    if targets.ndim != 1:
        raise DataError(f"{where} has targets of the shape {targets.shape}", ONE_NUMBER)
    if targets.dtype.kind not in "biuf":
        other = next(target for target in targets.tolist() if not isinstance(target, int | float))
        raise DataError(
            f"{where} has the target {other!r}", "number the classes from 0 on; load.class_names names them"
        )
    if targets.dtype.kind == "f":
        if not np.isfinite(targets).all():
            raise DataError(f"{where} has targets that are no numbers", "leave those examples out")
        return np.ascontiguousarray(targets, np.float32)[:, None]
    labels = targets.astype(np.int64)
    if len(labels) and labels.min() < 0:
        raise DataError(f"{where} has the label {labels.min()}", "let labels begin at 0")
    return labels
