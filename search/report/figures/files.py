"""Figures as PNG and SVG files: by Kaleido where there is a Chrome, by matplotlib where there is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.errors import WinnowError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WIDTH = 900
"""Pixels; a figure brings its own height. PNG files have twice as many each way, for paper."""
FORMATS = (".png", ".svg")


def write(figures: Mapping[Path, "Figure"]) -> str:
    """Write each figure to its path, in the format that the path's ending names; returns what drew them.

    Folders must be there. Raises WinnowError for another ending, and where neither Kaleido with a Chrome nor
    matplotlib is installed.
    """
    for path in figures:
        if path.suffix not in FORMATS:
            raise WinnowError(f"{path} is no picture that can be written", f"end its name with {' or '.join(FORMATS)}")
    if _write_with_chrome(figures):
        return "kaleido"
    _write_with_matplotlib(figures)
    return "matplotlib"


def _write_with_chrome(figures: Mapping[Path, "Figure"]) -> bool:
    """Whether all were written: one browser draws them all, for starting it takes seconds."""
    try:
        import kaleido
        from choreographer.errors import BrowserFailedError, ChromeNotFoundError
    except ImportError:
        return False
    jobs = [
        {
            "fig": figure,
            "path": str(path),
            "opts": {
                "format": path.suffix[1:],
                "width": WIDTH,
                "height": figure.layout.height,
                "scale": 2 if path.suffix == ".png" else 1,
            },
        }
        for path, figure in figures.items()
    ]
    try:
        # Without MathJax, which Kaleido would fetch from the network.
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except (ChromeNotFoundError, BrowserFailedError):
        return False
    return True


def _write_with_matplotlib(figures: Mapping[Path, "Figure"]) -> None:
    try:
        from winnow.search.report.figures import with_matplotlib
    except ImportError as error:
        raise WinnowError(
            "PNG and SVG pictures need Kaleido and a Chrome, or matplotlib",
            "install Chrome or Chromium, or: pip install 'winnow-hpo[pictures]'",
        ) from error
    for path, figure in figures.items():
        with_matplotlib.write(figure, path, WIDTH)
