"""Image files to pixels: any size, colour, depth and orientation, decoded to squares of bytes."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data.catalog import Levels
from winnow.objectives.data.image_folder import Listing
from winnow.objectives.errors import DataError

logger = logging.getLogger("winnow")

Size = tuple[int, int]

SIXTEEN_BITS = 65_535.0
_ORIENTATION = 0x0112
_LUMA = np.array([0.299, 0.587, 0.114])
"""Grey of red, green and blue (ITU-R BT.601)."""
_MUCH_UNUSED = 8
"""A set of 16-bit images that uses less than this part of its range was recorded with fewer bits."""


@dataclass(frozen=True)
class _Decoded:
    pixels: NDArray[np.uint8]
    """(3, height, width)."""
    digest: int
    """Of the whole image's pixels, before it was cut and resized."""
    highest: float
    """The highest value of an image with 16 bits that was scaled by their whole range; 0 of any other."""


def decode(
    listing: Listing,
    size: int,
    resize: str = "crop",
    *,
    skip_broken: bool,
    levels: Levels,
    allocate: Callable[[tuple[int, ...], Any], NDArray[Any]] = np.empty,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Decode images uint8 (N, 3, size, size), and for each of them its label, digest and place in `listing`.

    The last three are int64 (N,); digests are alike for equal pixels. Each image is resized as `resized` says. A file
    that is no image is left out and named in the log, or raises DataError; so does a class that has none left.
    """
    images = allocate((len(listing.files), 3, size, size), np.uint8)
    labels: list[int] = []
    digests: list[int] = []
    places: list[int] = []
    highest = 0.0

    # Pillow decodes outside Python's lock, so threads help.
    with ThreadPoolExecutor() as pool:
        for place, found in enumerate(pool.map(lambda file: _tried(file, (size, size), levels, resize), listing.files)):
            file = listing.files[place]
            if isinstance(found, str):
                if not skip_broken:
                    pool.shutdown(cancel_futures=True)
                    raise broken(file, found)
                logger.warning("skipped %s: %s", file, found)
                continue
            images[len(labels)] = found.pixels
            labels.append(listing.labels[place])
            digests.append(found.digest)
            places.append(place)
            highest = max(highest, found.highest)
    for label in sorted(set(listing.labels) - set(labels)):
        raise DataError(
            f"the class {listing.classes[label]} in {listing.folder} has no image that can be read", "repair its files"
        )
    if 0 < highest < SIXTEEN_BITS / _MUCH_UNUSED:
        logger.warning(
            "the 16-bit images in %s reach only %g of %g: set data.white = %g to use their whole range",
            *(listing.folder, highest, SIXTEEN_BITS, 2 ** int(highest).bit_length() - 1),
        )
    return images[: len(labels)], np.array(labels, np.int64), np.array(digests, np.int64), np.array(places, np.int64)


def read(files: Sequence[Path], shape: Sequence[int], levels: Levels) -> NDArray[np.uint8]:
    """Read images as training data of `shape` (C, H, W) hold them, uint8 (N, C, H, W); raises DataError."""
    channels, height, width = shape
    if channels not in (1, 3):
        raise DataError(f"image files have no {channels} channels", "call predict with an array")
    images = np.empty((len(files), 3, height, width), np.uint8)
    for place, file in enumerate(files):
        found = _tried(file, (width, height), levels)
        if isinstance(found, str):
            raise DataError(f"{file} is no image that can be read ({found})")
        images[place] = found.pixels
    return images if channels == 3 else np.round(_LUMA @ images.swapaxes(1, 2)).astype(np.uint8)[:, None]


def broken(file: Path, why: str) -> DataError:
    """Return what to raise for a file that is no image."""
    remedy = 'delete it or set data.broken = "skip" (for a new spec: winnow new --broken skip)'
    return DataError(f"{file} is no image that can be read ({why})", remedy)


def extreme_sizes(files: Sequence[Path], levels: Levels) -> tuple[Size, Size] | tuple[None, None]:
    """Return the smallest and the largest (width, height) of some files, by their headers; None where none is read.

    Raises DataError for a deep image whose range of values nobody has said.
    """
    from PIL import Image

    sizes = []
    for file in files:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
                if levels.white is None and is_deep(image) and not _has_16_bits(image):
                    _grey(file, image, levels)  # says its range
        except DataError:
            raise
        except Exception:  # whether it may be skipped is settled when it is decoded
            continue
    return (min(sizes), max(sizes)) if sizes else (None, None)


def all_grey(files: Sequence[Path]) -> bool:
    """Return whether none of the images that can be read has a colour."""
    for file in files:
        try:
            colored = _decode(file, (16, 16), Levels(white=255.0)).pixels
        except Exception:  # whether it may be skipped is settled when it is decoded
            continue
        if not (np.ptp(colored, 0) == 0).all():
            return False
    return True


def is_deep(image: Any) -> bool:
    """Return whether an image holds more than a byte for a pixel's brightness."""
    return str(image.mode)[0] in "IF"


def _has_16_bits(image: Any) -> bool:
    # Pillow widens 16 bits to its mode of 32 for some formats that have no deeper pixels.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def resized(image: Any, size: Size, how: str | None) -> Any:
    """Return an image in (width, height): what of its middle has that shape (also None), stretched, or padded."""
    from PIL import Image, ImageOps

    if how == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    return (ImageOps.pad if how == "pad" else ImageOps.fit)(image, size, Image.Resampling.BILINEAR)


def digest_of(image: NDArray[np.uint8]) -> int:
    """Return a number of 64 bits that images (H, W, C) have alike where their pixels are equal; grey is a colour."""
    height, width, channels = image.shape
    pixels = np.repeat(image, 3, 2) if channels == 1 else image
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=8, key=b"%dx%d" % (width, height)).digest()
    return int.from_bytes(digest, "big", signed=True)


def _tried(file: Path, size: Size, levels: Levels, resize: str | None = None) -> _Decoded | str:
    """Decode a file, or return why it is no image; raises DataError where nobody said what its values mean."""
    try:
        return _decode(file, size, levels, resize)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error …
        return f"{type(error).__name__}: {error}"


def _decode(file: Path, size: Size, levels: Levels, resize: str | None = None) -> _Decoded:
    from PIL import Image

    with Image.open(file) as image:
        has_16_bits = _has_16_bits(image)
        deep = _grey(file, image, levels) if is_deep(image) else image
        colored = _upright(_colored(deep), image)
        highest = float(np.asarray(image).max()) if has_16_bits and levels.white is None else 0.0
    fitted = resized(colored, size, resize)
    return _Decoded(np.asarray(fitted).transpose(2, 0, 1), digest_of(np.asarray(colored)), highest)


def _grey(file: Path, image: Any, levels: Levels) -> Any:
    """Return a deep image as bytes between its levels; raises DataError where these are not known."""
    from PIL import Image

    values = np.asarray(image).astype(np.float64)
    white = SIXTEEN_BITS if levels.white is None and _has_16_bits(image) else levels.white
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no numbers")
    if white is None:
        low, high = values.min(), values.max()
        kind = "floating-point" if image.mode == "F" else "32-bit"
        black, white = min(low, 0), high
        raise DataError(
            f"{file} holds {kind} values, from {low:g} to {high:g}, and nothing says which of them is white",
            f"set data.black and data.white for all such images, as in black = {black:g}, white = {white:g} (for a new "
            f"spec: winnow new --black {black:g} --white {white:g})",
        )
    scaled = (values - levels.black) * 255 / (white - levels.black)
    return Image.fromarray(np.clip(np.floor(scaled), 0, 255).astype(np.uint8))


def _colored(image: Any) -> Any:
    """Return the image as RGB on black, whatever it was: grey, with a palette, transparent."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert("RGB")


def _upright(image: Any, opened: Any) -> Any:
    """Return the image turned as the camera was held, which the file of `opened` says (EXIF's orientation)."""
    from PIL import ImageOps

    try:
        exif = opened.getexif()
        if exif.get(_ORIENTATION, 1) == 1:
            return image
        image.info["exif"] = exif.tobytes()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # a torn note about the image takes nothing from the image
        logger.warning("%s: its orientation is not known: %s", opened.filename, error)
        return image
