"""Images in folders, one subfolder a class: which files count, what they are labelled, and which are left aside.

With a subfolder `train` that holds the classes, `val` and `test` (under any of their usual names) are parts of their
own. No file is opened here: `image_files` decodes them.
"""

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from winnow.objectives.errors import DataError

NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
"""What the folder of a part may be called, in any case."""
NOT_DECODED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats that Pillow only recognises, or draws by programs of others."""
SEGMENTATION = ({"image", "mask"}, {"img", "mask"})
"""Subfolders of images and of what lies where in each, by their names in the singular."""
READ_BY_A_FUNCTION = 'write load(part) in a mydata.py (docs/spec.md) and name it "mydata:load" instead'
"""What to do about data of any other kind."""
SERVICE_FOLDERS = ("__MACOSX", "@eaDir", "__pycache__")


@dataclass(frozen=True)
class Listing:
    """The images of one folder by name, in alphabetical order; none of them read yet."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    """What lies beside the images, and why it is none of them."""
    dangling: tuple[Path, ...] = ()
    """Links among `files` that lead nowhere."""


@functools.cache
def extensions() -> frozenset[str]:
    """Return the extensions, such as `.png`, of every format that Pillow decodes here."""
    from PIL import Image

    Image.init()
    known = Image.registered_extensions().items()
    return frozenset(extension for extension, kind in known if kind in Image.OPEN and kind not in NOT_DECODED)


def parts(folder: Path) -> dict[str, Path]:
    """Return the folders of `train`, and of `validation` and `test` where the folder has them apart.

    Raises DataError where two folders claim to be the same part.
    """
    found: dict[str, Path] = {}
    for part, names in NAMES.items():
        claims = [entry for entry in _folders(folder) if entry.name.lower() in names]
        if len(claims) > 1:
            raise DataError(
                f"{folder} has both {claims[0].name} and {claims[1].name} for {part} data", "keep one of the two"
            )
        if claims:
            found[part] = claims[0]
    holds_classes = "train" in found and bool(_folders(found["train"]))
    return found if holds_classes else {"train": folder}


def list_part(folder: Path, part: str) -> Listing:
    """List the images of one of `parts(folder)`; raises DataError where its classes are not those of `train`."""
    folders = parts(folder)
    listing = list_images(folders[part], folder)
    if part != "train" and listing.classes != (classes := list_images(folders["train"], folder).classes):
        raise DataError(
            f"{folders[part]} has the classes {', '.join(listing.classes)}, not {', '.join(classes)}",
            f"give it the subfolders of {folders['train']}",
        )
    return listing


def list_images(folder: Path, root: Path | None = None) -> Listing:
    """List what lies in `folder`; raises DataError where it is no folder of two classes or more with images in each.

    A link that leads back into `root`, the whole data set, is left aside: what it leads to is listed where it lies.
    """
    entries = _folders(folder)
    if len(entries) < 2:
        held = f"only one class, {entries[0].name}" if entries else "no subfolder"
        raise DataError(f"{folder} has {held}", f"give it one subfolder a class, two or more, or {READ_BY_A_FUNCTION}")
    if {entry.name.lower().removesuffix("s") for entry in entries} in SEGMENTATION:
        raise DataError(
            f"{folder} holds {entries[0].name} and {entries[1].name}, as for a segmentation; Winnow's own training "
            "tells what whole images show",
            'search with your training script: objective = "module:function"',
        )
    files: list[Path] = []
    labels: list[int] = []
    skipped: list[tuple[Path, str]] = []
    for label, entry in enumerate(entries):
        earlier = len(skipped)
        found = sorted(_images_below(entry, (root or folder).resolve(), skipped))
        if not found:
            problem = f"the class {entry.name} in {folder} has no image"
            if beside := sorted(each for each in skipped[earlier:] if not _is_service(each[0].name)):
                problem += f"; {beside[0][0].relative_to(entry)} in it is {beside[0][1]}"
            raise DataError(problem, f"add some (named .png, .jpg, …), remove its folder, or {READ_BY_A_FUNCTION}")
        files.extend(found)
        labels.extend([label] * len(found))
    dangling = tuple(file for file in files if file.is_symlink() and not file.exists())
    return Listing(folder, tuple(each.name for each in entries), tuple(files), tuple(labels), tuple(skipped), dangling)


def _folders(folder: Path) -> list[Path]:
    """Return the subfolders that hold somebody's data, in alphabetical order."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not _is_service(entry.name))


def _is_service(name: str) -> bool:
    return name.startswith(".") or name in SERVICE_FOLDERS


def _images_below(folder: Path, root: Path, skipped: list[tuple[Path, str]]) -> Iterator[Path]:
    seen = {folder.resolve()}
    for parent, folders, names in os.walk(folder, followlinks=True):
        for name in sorted(folders):
            path = Path(parent, name)
            target = path.resolve()
            if _is_service(name):
                skipped.append((path, "a hidden folder"))
            elif target in seen or (path.is_symlink() and (target.is_relative_to(root) or root.is_relative_to(target))):
                skipped.append((path, "a link into the data itself"))
            else:
                seen.add(target)
                continue
            folders.remove(name)
        for name in names:
            path = Path(parent, name)
            if name.startswith("."):
                skipped.append((path, "a hidden file"))
            elif path.suffix.lower() not in extensions():
                skipped.append((path, f"no image by its name ({path.suffix.lower() or 'no extension'})"))
            elif path.is_symlink() and path.resolve().is_relative_to(root) and path.exists():
                skipped.append((path, "a link into the data itself"))
            else:
                yield path
