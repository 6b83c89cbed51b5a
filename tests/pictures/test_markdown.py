"""The report as Markdown: what the page says, in a file that diffs and pastes well."""

from pathlib import Path

import pytest

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.errors import WinnowError
from winnow.search.analysis import answers, summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.report import markdown, report
from winnow.search.report.figures import files, progress

FOUND = Conclusions(confirmed(), (ablated(),))


@pytest.fixture(scope="module")
def text() -> str:
    return markdown.render(report.contents(searched(40), FOUND), {"curves": "<example/curves.png>"})


def test_it_says_what_the_page_says(text: str) -> None:
    plain = text.replace("\\", "")
    assert " ".join(summary.sentences(searched(40), FOUND)[:6]) in plain
    assert all(f"### {question}" in plain for question in answers.QUESTIONS)
    assert "    winnow replay example 25" in text
    assert "| learning rate | lr 0.001 → 0.01 |" in plain
    assert "![Learning curves](<example/curves.png>)" in text


def test_every_table_has_as_many_cells_in_each_row(text: str) -> None:
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 12
    for rows in tables:
        assert len({row.count("|") - row.count("\\|") for row in rows}) == 1, rows[0]


def test_what_users_write_is_shown_as_text() -> None:
    hostile = "<script>|x|</script>\n# [heading](http://example.com)"
    text = markdown.render(report.contents(searched(3, name=hostile), Conclusions()), {})
    assert "\\<script\\>\\|x\\|" in text
    assert "\n# [" not in text


def test_without_a_chrome_it_is_written_without_pictures_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-chrome"))
    path = tmp_path / "small.md"
    assert markdown.write(searched(3), path) == (
        "PNG and SVG pictures need a Chrome; install Chrome or Chromium; the HTML report needs neither"
    )
    text = path.read_text(encoding="utf-8")
    assert "### Best so far" in text
    assert "![" not in text
    assert list(tmp_path.iterdir()) == [path]


def test_other_endings_than_png_and_svg_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WinnowError, match=r"picture\.pdf is no picture that can be written.*\.png or \.svg"):
        files.write({tmp_path / "picture.pdf": progress.optimisation_history(searched(3))})
