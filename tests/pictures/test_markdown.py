"""The report as Markdown: what the page says, in a file that diffs and pastes well."""

from pathlib import Path

import pytest

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.search.analysis import answers, summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.report import markdown, report

FOUND = Conclusions(confirmed(), (ablated(),))


@pytest.fixture(scope="module")
def text() -> str:
    return markdown.render(report.contents(searched(40), FOUND, None), {"curves": "<example/curves.png>"})


def test_it_says_what_the_page_says(text: str) -> None:
    plain = text.replace("\\", "")
    assert " ".join(summary.sentences(searched(40), FOUND)[:6]) in plain
    assert all(f"### {question}" in plain for question in answers.QUESTIONS)
    assert "    winnow replay example 25" in text
    assert "| learning rate | lr 0.001 → 0.01 |" in plain
    assert "![Learning curves](<example/curves.png>)" in text


def test_every_table_has_as_many_cells_in_each_row(text: str) -> None:
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for rows in tables:
        assert len({row.count("|") - row.count("\\|") for row in rows}) == 1, rows[0]


def test_what_users_write_is_shown_as_text() -> None:
    hostile = "<script>|x|</script>\n# [heading](http://example.com)"
    text = markdown.render(report.contents(searched(3, name=hostile), Conclusions(), None), {})
    assert "\\<script\\>\\|x\\|" in text
    assert "\n# [" not in text


def test_pictures_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-chrome"))
    path = tmp_path / "small.md"
    assert markdown.write(searched(3), path) == ""
    assert "(<small/history.png>)" in path.read_text(encoding="utf-8")
    assert (tmp_path / "small" / "history.png").read_bytes().startswith(b"\x89PNG")
