"""What a notebook shows: progress while a study runs, and results as escaped HTML."""

from html import escape
from types import TracebackType
from typing import Any, Self

from winnow.search.analysis.status import Status
from winnow.search.report.chapters import Chapter, Table
from winnow.search.report.terminal.progress import Progress


class NotebookProgress:
    """Shows one Status after another in the output of a cell. A context manager."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last status in the cell."""

    def show(self, status: Status) -> None:
        """Bring the cell up to date."""
        from IPython.display import HTML, display

        shown = HTML(f"<p><b>{escape(status.study)}</b> {escape(self._progress.line(status))}</p>")
        if self._shown is None:
            self._shown = display(shown, display_id=True)
        else:
            self._shown.update(shown)


def document(chapter: Chapter) -> str:
    """Return a chapter as HTML, but for its pictures, everything escaped."""
    parts = [f"<h4>{escape(chapter.title)}</h4>", *(_table(table) for table in chapter.tables)]
    parts += [f"<p>{escape(sentence)}</p>" for sentence in chapter.sentences]
    for answer in chapter.answers:
        said = " ".join(answer.sentences)
        parts.append(f"<p><b>{escape(answer.question)}</b><br>{escape(said)}</p>")
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    return f"<table>{caption}<tr>{head}</tr>{rows}</table>"
