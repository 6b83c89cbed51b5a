"""What `winnow importance` prints: methods side by side with intervals, where they disagree, what hangs together."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.importance import Importance, Share, disagreement


def tables(found: Sequence[Importance]) -> RenderableType:
    """All methods for a terminal, the first one's order deciding that of the rows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("hyperparameter")
    for importance in found:
        table.add_column(importance.method, justify="right")
    shares = [{share.name: share for share in importance.shares} for importance in found]
    for name in dict.fromkeys(share.name for importance in found for share in importance.shares):
        table.add_row(name, *(_share(by_name.get(name)) for by_name in shares))
    lines = [Text(f"{importance.method} asks {importance.question}{_pruned(importance)}.") for importance in found]
    lines.append(Text("In brackets a 95 % interval; dim where other trials might show nothing."))
    if disagreement(found):
        lines.append(Text(disagreement(found), style="bold"))
    return Group(table, Text(), *lines)


def pairs(found: FunctionalAnova) -> RenderableType:
    """What hyperparameters do only together, for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("together")
    table.add_column("fANOVA", justify="right")
    for pair in found.interactions:
        words = f"{pair.share:.0%} ({pair.low:.0%} to {pair.high:.0%})"
        table.add_row(" & ".join(pair.names), Text(words, style="" if pair.certain else "dim"))
    says = "What two explain only together, of all that the values vary by; dim where nothing need hang together."
    return Group(table, Text(), Text(says))


def _share(share: Share | None) -> Text:
    if share is None:
        return Text("not always searched", style="dim")
    words = f"{share.share:.0%} ({share.low:.0%} to {share.high:.0%})"
    return Text(words, style="" if share.certain else "dim")


def _pruned(importance: Importance) -> str:
    return f", {importance.pruned} of them pruned and taken at their last value" if importance.pruned else ""
