"""The report as Markdown, with the same words and tables, and its pictures as PNG files in a folder beside it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winnow.errors import WinnowError
from winnow.search.analysis import summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.formatting import number, score, state_word
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import report
from winnow.search.report.chapters import Chapter
from winnow.search.report.figures import files
from winnow.storage.files import write_whole

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")


class _Markup(str):
    """Text that is Markdown already."""


def write(
    record: StudyRecord,
    path: Path,
    found: Conclusions | None = None,
    first: Sequence[Chapter] = (),
) -> str:
    """Write the report to `path` and its pictures to the folder of that name; returns why there are none, or "".

    Raises OSError where it cannot be written.
    """
    content = report.contents(record, found or Conclusions(), first)
    pictures, missing = _draw(content["chapters"], path.with_suffix(""))
    write_whole(path, render(content, pictures).encode())
    return missing


def render(content: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """Return the report as one text; `pictures` are the files of its pictures by their names, as a link names them."""
    import jinja2

    # Names, reasons and attributes come from users: whatever the template prints is escaped unless it is _Markup.
    environment = jinja2.Environment(finalize=_plain, **report.settings("winnow.search.report"))
    return environment.get_template("report.md.jinja").render(
        content,
        files=pictures,
        row=lambda cells: _Markup(f"| {' | '.join(_plain(number(cell)) for cell in cells)} |"),
        rule=lambda columns: _Markup("|" + "---|" * columns),
        code=lambda lines: _Markup("\n".join(f"    {line}" for text in lines for line in text.splitlines())),
        image=lambda title, file: _Markup(f"![{_plain(title)}]({file})"),
        curve=report.curve,
        score=score,
        state_word=state_word,
        trial_parameters=lambda trial: [summary.drawn(trial, name) for name in content["names"]],
    )


def _draw(chapters: Sequence[Chapter], folder: Path) -> tuple[dict[str, str], str]:
    """Return the link to each picture that was drawn, by its name; or why none could be."""
    figures = {picture.name: picture.figure for chapter in chapters for picture in chapter.pictures}
    try:
        files.write({folder / f"{name}.png": figure for name, figure in figures.items()})
    except WinnowError as error:
        return {}, str(error)
    return {name: f"<{folder.name}/{name}.png>" for name in figures}, ""


def _plain(value: object) -> str:
    """Return a text as Markdown shows it unchanged, on one line."""
    if isinstance(value, _Markup):
        return value
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split("\n")))
