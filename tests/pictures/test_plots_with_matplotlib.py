"""The same pictures without a Chrome."""

from pathlib import Path

import plotly.graph_objects
import pytest

from example_search import searched
from winnow.errors import WinnowError
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.statistics import Sample
from winnow.search.report import pictures
from winnow.search.report.figures import effects, files, with_matplotlib

STEPS = [Effect("flip $x$", 0.02, 0.01, 0.03, 10), Effect("<dropout>", -0.01, -0.02, 0.001, 10)]


def test_each_kind_of_picture_can_be_drawn(tmp_path: Path) -> None:
    drawn = {picture.name: picture for chapter in pictures.chapters(searched(40)) for picture in chapter.pictures}
    for name in ("timeline", "curves", "importance", "parallel", "contour"):
        figure = drawn[name].figure
        assert figure is not None
        with_matplotlib.write(figure, tmp_path / f"{name}.svg", 600)
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    "figure",
    [
        effects.effects(STEPS, "accuracy"),
        effects.path(0.7, STEPS, "maximize", "accuracy"),
        effects.order([OrderedEffect(step, 0.03, -0.01) for step in STEPS], "accuracy"),
        effects.repetitions({"$x$": Sample((0.9, 0.92)), "<b>": Sample((0.8,))}, "accuracy", 0.95, maximise=True),
    ],
    ids=["effects", "path", "order", "repetitions"],
)
def test_effects_can_be_drawn_with_any_name(figure: plotly.graph_objects.Figure, tmp_path: Path) -> None:
    path = tmp_path / "effects.png"
    with_matplotlib.write(figure, path, 600)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_machine_without_chrome_draws_with_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-chrome"))
    path = tmp_path / "effects.svg"
    assert files.write({path: effects.effects(STEPS, "accuracy")}) == "matplotlib"
    assert "<svg" in path.read_text()


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WinnowError, match=r"picture\.pdf is no picture that can be written.*\.png or \.svg"):
        files.write({tmp_path / "picture.pdf": effects.effects(STEPS, "accuracy")})


def test_a_trace_that_none_of_our_pictures_has_is_refused(tmp_path: Path) -> None:
    pie = plotly.graph_objects.Figure(plotly.graph_objects.Pie(values=[1, 2]), layout={"height": 300})
    with pytest.raises(ValueError, match="draws no pie"):
        with_matplotlib.write(pie, tmp_path / "pie.svg", 600)
