"""Images in folders, one subfolder a class: any sizes, colours and formats, decoded to squares of bytes.

With subfolders `train`, and if there are `val` and `test`, each of them has one subfolder a class.
"""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.errors import DataError

logger = logging.getLogger("winnow")

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image; other files are left alone, as torchvision's ImageFolder leaves them."""


@dataclass(frozen=True)
class Listing:
    """The images of one folder by name, in alphabetical order; none of them read yet."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[int, ...]


def parts(folder: Path) -> dict[str, Path]:
    """The folders of `train`, and of `validation` and `test` where the folder has them apart."""
    if not any(entry.is_dir() for entry in folder.glob("train/*")):
        return {"train": folder}
    named = {"train": "train", "validation": "val", "test": "test"}
    return {part: folder / name for part, name in named.items() if (folder / name).is_dir()}


def list_part(folder: Path, part: str) -> Listing:
    """The images of one of `parts(folder)`; raises DataError where its classes are not those of `train`."""
    folders = parts(folder)
    listing = list_images(folders[part])
    if part != "train" and listing.classes != (classes := list_images(folders["train"]).classes):
        raise DataError(
            f"{folders[part]} has the classes {', '.join(listing.classes)}, not {', '.join(classes)}",
            f"give it the subfolders of {folders['train']}",
        )
    return listing


def list_images(folder: Path) -> Listing:
    """What lies in `folder`; raises DataError where it is no folder of two classes or more with images in each."""
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        held = f"only one class, {classes[0]}" if classes else "no subfolder"
        raise DataError(f"{folder} has {held}", "give it one subfolder a class, two or more")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_images_below(folder / name))
        if not found:
            raise DataError(f"the class {name} in {folder} has no image", "add some, or remove its folder")
        files.extend(found)
        labels.extend([label] * len(found))
    return Listing(folder, tuple(classes), tuple(files), tuple(labels))


def _images_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        yield from (Path(parent, name) for name in names if name.lower().endswith(EXTENSIONS) and name[0] != ".")


def decode(listing: Listing, size: int, skip_broken: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 (N, 3, size, size) and labels int64 (N,): the middle square of each image, resized.

    A file that is no image is left out and named in the log, or raises DataError; so does a class that has none left.
    """
    images = np.empty((len(listing.files), 3, size, size), np.uint8)
    labels: list[int] = []
    # Pillow decodes outside Python's lock, so threads help.
    with ThreadPoolExecutor() as pool:
        for label, (file, image) in zip(
            listing.labels, pool.map(lambda file: (file, _decode(file, size)), listing.files), strict=True
        ):
            if isinstance(image, str):
                if not skip_broken:
                    pool.shutdown(cancel_futures=True)
                    raise DataError(
                        f"{file} is no image that can be read ({image})", 'delete it or set data.broken = "skip"'
                    )
                logger.warning("skipped %s: %s", file, image)
                continue
            images[len(labels)] = image
            labels.append(label)
    for label in sorted(set(listing.labels) - set(labels)):
        raise DataError(
            f"the class {listing.classes[label]} in {listing.folder} has no image that can be read", "mend its files"
        )
    return images[: len(labels)], np.array(labels, np.int64)


def _decode(file: Path, size: int) -> NDArray[np.uint8] | str:
    """The image uint8 (3, size, size), or what is wrong with its file."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            square = ImageOps.fit(_colored(image), (size, size), Image.Resampling.BILINEAR)
        return np.asarray(square).transpose(2, 0, 1)
    # Pillow's readers raise nearly anything on a torn file: OSError, SyntaxError, ValueError, struct.error …
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _colored(image: Any) -> Any:
    """The image as RGB on black, whatever it was: grey, 16 bits deep, with a palette, transparent."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert("RGB")
