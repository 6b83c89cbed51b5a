"""Figures as PNG and SVG files, by Kaleido and a Chrome."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from winnow.errors import WinnowError
from winnow.storage.files import write_whole

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WIDTH = 900
"""Pixels; a figure brings its own height. PNG files have twice as many each way, for paper."""
FORMATS = (".png", ".svg")


def write(figures: Mapping[Path, "Figure"]) -> None:
    """Write each figure to its path, in the format that the path's ending names; one browser draws them all.

    Each file is whole or not there. Raises WinnowError for another ending, and where Kaleido or a Chrome is missing.
    """
    for path in figures:
        if path.suffix not in FORMATS:
            raise WinnowError(f"{path} is no picture that can be written", f"end its name with {' or '.join(FORMATS)}")
    try:
        import kaleido
        from choreographer.errors import BrowserFailedError, ChromeNotFoundError
    except ImportError:
        raise WinnowError("PNG and SVG pictures need Kaleido", "pip install 'winnow-hpo[pictures]'") from None
    with TemporaryDirectory() as folder:
        drawn = {path: Path(folder, f"{place}{path.suffix}") for place, path in enumerate(figures)}
        jobs = [
            {
                "fig": figure,
                "path": str(drawn[path]),
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
            raise WinnowError(
                "PNG and SVG pictures need a Chrome", "install Chrome or Chromium; the HTML report needs neither"
            ) from None
        for path, file in drawn.items():
            write_whole(path, file.read_bytes())
