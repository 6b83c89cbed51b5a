"""Pictures as files, drawn by Kaleido in a real Chrome."""

import shutil
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.statistics import Sample
from winnow.search.report import markdown, report
from winnow.search.report.figures import effects, files

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine"),
]
STEPS = [Effect("flip $x$", 0.02, 0.01, 0.03, 10), Effect("<dropout>", -0.01, -0.02, 0.001, 10)]


def test_one_chrome_writes_every_picture_of_a_report(tmp_path: Path) -> None:
    content = report.contents(searched(60), Conclusions(confirmed(), (ablated(),)))
    drawn = {p.name: p.figure for chapter in content["chapters"] for p in chapter.pictures}
    assert {"history", "timeline", "curves", "importance", "parallel", "confirmation", "path-0-7"} <= drawn.keys()
    files.write({tmp_path / f"{name}.svg": figure for name, figure in drawn.items()})
    for name, figure in drawn.items():
        root = xml.parse(tmp_path / f"{name}.svg").getroot()
        assert (root.get("width"), root.get("height")) == ("900", str(figure.layout.height)), name


def test_effects_can_be_drawn_with_any_name(tmp_path: Path) -> None:
    scores = {"$x$": Sample((0.9, 0.92)), "<b>": Sample((0.8,))}
    drawn = {
        "effects": effects.effects(STEPS, "accuracy"),
        "path": effects.path(0.7, STEPS, "maximize", "accuracy"),
        "order": effects.order([OrderedEffect(step, 0.03, -0.01) for step in STEPS], "accuracy"),
        "repetitions": effects.repetitions(scores, "accuracy", 0.95, maximise=True),
    }
    files.write({tmp_path / f"{name}.svg": figure for name, figure in drawn.items()})
    for name in ("effects", "path", "order"):
        text = "".join(xml.parse(tmp_path / f"{name}.svg").getroot().itertext())
        assert "flip$x$" in text.replace(" ", ""), "on one line or on two"
        assert "<dropout>" in text


def test_png_files_have_twice_the_pixels_for_paper(tmp_path: Path) -> None:
    path = tmp_path / "effects.png"
    files.write({path: effects.effects(STEPS, "accuracy")})
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") == 2 * files.WIDTH


def test_a_picture_takes_the_place_of_an_earlier_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "effects.png"
    files.write({path: effects.effects(STEPS, "accuracy")})
    before = path.read_bytes()
    with path.open("rb") as open_before:
        files.write({path: effects.effects(STEPS[:1], "accuracy")})
        assert open_before.read() == before, "as who is cut off while it is written would find it"
    assert path.read_bytes() != before
    assert [each.name for each in path.parent.iterdir()] == ["effects.png"]


def test_the_pictures_of_a_markdown_report_lie_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "small.md"
    assert markdown.write(searched(3), path) == ""
    assert "(<small/history.png>)" in path.read_text(encoding="utf-8")
    assert (tmp_path / "small" / "history.png").read_bytes().startswith(b"\x89PNG")
