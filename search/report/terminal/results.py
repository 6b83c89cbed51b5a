"""What commands print: results as tables and sentences for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from winnow.search.analysis import summary
from winnow.search.analysis.formatting import number
from winnow.search.analysis.pareto import Point
from winnow.search.analysis.replay import Replay
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import chapters
from winnow.search.report.chapters import Chapter
from winnow.search.report.terminal.screen import NARROW, PIPE_WIDTH


def result(record: StudyRecord) -> RenderableType:
    """Return the end of a run: best beside baseline, in figures and in words, and what to do next."""
    best, baseline = record.best, record.baseline
    parts: list[RenderableType] = []
    if best is not None and best is not baseline:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("hyperparameter")
        table.add_column(f"best (trial {best.number})", justify="right")
        if baseline is not None:
            table.add_column("baseline", justify="right")
        for row in summary.comparison(record):
            table.add_row(row.name, number(row.best), *([number(row.baseline)] if baseline else []))
        table.add_section()
        reached = [number(baseline.value)] if baseline else []
        table.add_row(record.metric, Text(number(best.value), style="bold"), *reached)
        parts += [table, Text()]
    parts += [Text(sentence) for sentence in summary.sentences(record)]
    return Group(*parts)


def replay(result: Replay) -> RenderableType:
    """`winnow replay`."""
    count = len(result.recorded)
    if result.identical:
        return Text(f"Trial {result.number}: {count} epochs trained again, identical to the bit.")
    lines = [f"Trial {result.number}: {count} epochs trained again, and they differ:", *result.differences[:10]]
    if result.platform_differences:
        lines += ["The same bits are promised on the same platform only, and it differs:"]
        lines += result.platform_differences
    return Group(*(Text(line) for line in lines))


def front(points: Sequence[Point], metric: str, cost: str) -> RenderableType:
    """`winnow front`."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("trial", metric, cost):
        table.add_column(name, justify="right")
    for point in points:
        spent = f"{point.cost:,.0f}" if cost == "parameters" else number(point.cost)
        table.add_row(str(point.number), number(point.value), spent)
    return table


def chapter(shown: Chapter) -> RenderableType:
    """Return a chapter of the report, but for its pictures: `winnow confirm` and `winnow ablate`."""
    parts: list[RenderableType] = []
    for each in shown.tables:
        parts += [Text(each.title, style="bold"), FittingTable(each), Text()]
    parts += [Text(sentence) for sentence in shown.sentences]
    for answer in shown.answers:
        parts += [Text(), Text(answer.question, style="bold"), *(Text(sentence) for sentence in answer.sentences)]
    return Group(*parts)


@dataclass(frozen=True)
class FittingTable:
    """A table of a chapter; on a narrow screen that has no room for it, one line for each of its cells."""

    shown: chapters.Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Cut no heading and no number."""
        table = _table(self.shown)
        wanted = Measurement.get(console, options.update(max_width=PIPE_WIDTH), table).maximum
        if options.max_width >= NARROW or wanted <= options.max_width:
            yield table
            return
        for row in self.shown.rows:
            yield Text(row[0])
            cells = zip(self.shown.headings[1:], row[1:], strict=True)
            yield from (Text(f"  {heading}: {cell}") for heading, cell in cells if cell)


def _table(shown: chapters.Table) -> Table:
    """Return the table with its columns of numbers on the right."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, heading in enumerate(shown.headings):
        numbers = place and all(row[place][:1] in "+-—0123456789" for row in shown.rows)
        table.add_column(heading, justify="right" if numbers else "left")
    for row in shown.rows:
        table.add_row(*row)
    return table
