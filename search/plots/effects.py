"""What mattered."""

from typing import TYPE_CHECKING

from search.importance import Importance
from search.plots import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def importance_bars(importance: Importance) -> "Figure":
    """Each hyperparameter's share of the importance, the largest on top."""
    shares = importance.shares[::-1]
    drawn = style.figure("share of the importance", "", height=120 + 28 * len(shares))
    drawn.add_bar(
        x=[share.share for share in shares],
        y=[style.text(share.name) for share in shares],
        orientation="h",
        marker={"color": style.BLUE},
        text=[f"{share.share:.0%}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        customdata=[share.trials for share in shares],
        hovertemplate="%{y}: %{x:.1%}, searched in %{customdata} trials<extra></extra>",
    )
    largest = max((share.share for share in shares), default=0.0)
    drawn.update_xaxes(tickformat=".0%", range=[0, max(largest * 1.15, 0.01)])
    return drawn
