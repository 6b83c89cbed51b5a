"""`winnow importance`, as a person reads it."""

from io import StringIO

from rich.console import Console

from example_search import searched
from winnow.search.analysis.importance import assess
from winnow.search.report.terminal.importance_tables import tables


def test_shares_with_intervals_and_what_they_rest_on() -> None:
    history = searched(60)
    found = [assess(history, "PED-ANOVA"), assess(history, "PED-ANOVA", pruned=True)]
    console = Console(width=120, record=True, file=StringIO())
    console.print(tables(found, history))
    told = console.export_text()
    strongest = found[0].shares[0]
    assert f"{strongest.name} " in told
    assert f"{strongest.share:.0%} ({strongest.low:.0%} to {strongest.high:.0%})" in told
    told = " ".join(told.split())
    assert f"PED-ANOVA asks what sets the best 6 of {found[0].trials} trials apart, " in told
    assert f"{found[1].pruned} of them pruned and so not among the best" in told
