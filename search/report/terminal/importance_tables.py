"""What `winnow importance` prints: methods side by side with intervals, where they disagree, and interactions."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.importance import Importance, Share, disagreement, doubt
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.terminal.screen import FittingTable


def tables(found: Sequence[Importance], record: StudyRecord) -> RenderableType:
    """Return all methods in one table, its rows in the order of the first."""
    table = FittingTable("hyperparameter", numbers=(importance.method for importance in found))
    shares = [{share.name: share for share in importance.shares} for importance in found]
    for name in dict.fromkeys(share.name for importance in found for share in importance.shares):
        table.add_row(name, *(_share(by_name.get(name)) for by_name in shares))
    lines = [Text(record.of_several)] if record.of_several else []
    lines += [Text(f"{importance.method} asks {importance.question}{_pruned(importance)}.") for importance in found]
    lines.append(Text("95 % intervals in brackets; dim where the interval reaches the share of a random number."))
    if said := doubt(found, record):
        lines.append(Text(said))
    if said := disagreement(found, record):
        lines.append(Text(said, style="bold"))
    return Group(table, Text(), *lines)


def pairs(found: FunctionalAnova) -> RenderableType:
    """Return the interactions of two hyperparameters as a table."""
    table = FittingTable("interaction", numbers=("fANOVA",))
    for pair in found.interactions:
        words = f"{pair.share:.0%} ({pair.low:.0%} to {pair.high:.0%})"
        table.add_row(" & ".join(pair.names), Text(words, style="" if pair.certain else "dim"))
    says = "The share of the variance that two explain only together; dim where it may be noise."
    return Group(table, Text(), Text(says))


def _share(share: Share | None) -> Text:
    if share is None:
        return Text("conditional", style="dim")
    words = f"{share.share:.0%} ({share.low:.0%} to {share.high:.0%})"
    return Text(words, style="" if share.certain else "dim")


def _pruned(importance: Importance) -> str:
    counted = {"PED-ANOVA": "so not among the best", "MDI": "behind all that completed"}.get(
        importance.method, "taken at their last value"
    )
    return f", {importance.pruned} of them pruned and {counted}" if importance.pruned else ""
