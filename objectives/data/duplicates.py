"""The same image in two parts of the data: whoever trains on what it is judged by is judged too well."""

import itertools
import logging
from collections.abc import Mapping

import numpy as np

from winnow.objectives.data import image_folder
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.examples import Examples
from winnow.objectives.data.sources import folder_of

logger = logging.getLogger("winnow")

SHOWN = 3
"""So many pairs of files are named."""


def say(spec: DataSpec, parts: Mapping[str, Examples | None]) -> None:
    """Log how many images two parts of a folder of images share, pixel by pixel, with some of their files."""
    known = {part: examples for part, examples in parts.items() if examples is not None}
    for (first, ones), (second, others) in itertools.combinations(known.items(), 2):
        if ones.digests is None or others.digests is None:
            continue
        shared, here, there = np.intersect1d(ones.digests, others.digests, return_indices=True)
        if not len(shared):
            continue
        copies = int(np.isin(others.digests, shared).sum())
        pairs = zip(_names(spec, first, ones, here), _names(spec, second, others, there), strict=True)
        logger.warning(
            "%d of the %d %s images are in the %s data too, so the %s score is too good: %s",
            *(copies, len(others.targets), second, first, second),
            ", ".join(f"{one} = {other}" for one, other in pairs) + (", ..." if len(shared) > SHOWN else ""),
        )


def _names(spec: DataSpec, part: str, examples: Examples, places: np.ndarray) -> list[str]:
    folders = image_folder.parts(folder_of(spec))
    listing = image_folder.list_part(folder_of(spec), part if part in folders else "train")
    assert examples.files is not None
    return [str(listing.files[index].relative_to(folder_of(spec))) for index in examples.files[places[:SHOWN]]]
