"""Examples of a part of the data, before they lie on a device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.data.rows import Rows


@dataclass(frozen=True)
class Examples:
    """Inputs uint8 (N, C, H, W) or float32 (N, F), and targets int64 (N,) or, of a regression, float32 (N, 1)."""

    inputs: NDArray[Any] | Rows
    targets: NDArray[Any]
    digests: NDArray[np.int64] | None = None
    """Int64 (N,), alike for images of equal pixels; None where the data is no folder of images."""
    files: NDArray[np.int64] | None = None
    """Int64 (N,): the place of each image's file in the listing of its part."""

    def take(self, index: NDArray[np.int64]) -> "Examples":
        """Return those at `index`, in its order."""
        digests, files = (None if each is None else each[index] for each in (self.digests, self.files))
        return Examples(self.inputs[index], self.targets[index], digests, files)
