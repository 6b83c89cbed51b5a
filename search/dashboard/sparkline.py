"""A curve as small as a word: the points of an SVG line."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 120, 24
_MOST = 60


def points(values: Sequence[float]) -> str:
    """Return the `points` of a polyline in a box of WIDTH by HEIGHT, from its own least to its own largest value."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    step = max(1, len(finite) // _MOST)
    shown = [*finite[:-1:step], finite[-1]]
    low, high = min(shown), max(shown)
    spread = (high - low) or 1.0
    return " ".join(
        f"{2 + (WIDTH - 4) * index / (len(shown) - 1):.1f},{HEIGHT - 2 - (HEIGHT - 4) * (value - low) / spread:.1f}"
        for index, value in enumerate(shown)
    )
