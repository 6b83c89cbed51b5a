"""What commands print: results as tables and sentences for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from winnow.search.analysis.formatting import count_or_score, number, score
from winnow.search.analysis.pareto import Point
from winnow.search.analysis.replay import Replay
from winnow.search.report.chapters import Chapter, Table
from winnow.search.report.terminal.screen import FittingTable


def replay(result: Replay) -> RenderableType:
    """`winnow replay`."""
    count = len(result.recorded)
    if result.identical:
        loss = ", the training loss as nearly as a stack sums it" * result.stacked
        return Text(f"Trial {result.number}: {count} epochs trained again, identical to the bit{loss}.")
    lines = [f"Trial {result.number}: {count} epochs trained again, and they differ:", *result.differences[:10]]
    if result.platform_differences:
        lines += ["The same bits are promised on the same platform only, and it differs:"]
        lines += result.platform_differences
    return Group(*(Text(line) for line in lines))


def front(points: Sequence[Point], metric: str, cost: str) -> RenderableType:
    """`winnow front`."""
    table = FittingTable(numbers=("trial", metric, cost))
    for point in points:
        spent = f"{point.cost:,.0f}" if cost == "parameters" else number(point.cost)
        table.add_row(str(point.number), score(point.value), spent)
    return table


def front_of_all(best: Sequence[Mapping[str, Any]]) -> RenderableType:
    """`winnow front` of a study with objectives of its own: at least one trial."""
    table = FittingTable(numbers=("trial", *best[0]["values"]))
    for each in best:
        table.add_row(str(each["number"]), *map(count_or_score, each["values"].values()))
    return table


def chapter(shown: Chapter) -> RenderableType:
    """Return a chapter of the report, but for its pictures: `winnow run`, `winnow confirm` and `winnow ablate`."""
    parts: list[RenderableType] = []
    for each in shown.tables:
        parts += [*([Text(each.title, style="bold")] if each.title else []), _table(each), Text()]
    parts += [Text(sentence) for sentence in shown.sentences]
    for answer in shown.answers:
        parts += [Text(), Text(answer.question, style="bold"), *(Text(sentence) for sentence in answer.sentences)]
    return Group(*parts)


def _table(shown: Table) -> FittingTable:
    """Return the table with its columns of numbers on the right."""
    table = FittingTable()
    for place, heading in enumerate(shown.headings):
        numbers = shown.values or all(row[place][:1] in "+-—0123456789" for row in shown.rows)
        table.add_column(heading, justify="right" if place and numbers else "left")
    for row in shown.rows:
        table.add_row(*row)
    return table
