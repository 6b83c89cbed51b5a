"""The examples that a model is surest of and wrong about, as a sheet of small pictures."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from winnow.objectives.mistakes import Wrong
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLUMNS = 6


def sheet(worst: Sequence[Wrong]) -> "Figure":
    """Return a picture of each, in rows of six, with what it is and what it was called under it."""
    rows = math.ceil(len(worst) / _COLUMNS)
    drawn = style.figure("", "", height=40 + 150 * rows)
    places = [(place % _COLUMNS, -(place // _COLUMNS)) for place in range(len(worst))]
    # What stands behind the pictures says the same where the mouse rests.
    style.add_points(
        drawn,
        [x for x, _ in places],
        [y for _, y in places],
        "",
        {"size": 60, "opacity": 0},
        "validation example %{customdata[0]}: %{customdata[1]}, called %{customdata[2]} at %{customdata[3]:.1%}",
        [[each.place, style.text(each.true), style.text(each.called), each.share] for each in worst],
    )
    for (x, y), each in zip(places, worst, strict=True):
        size = {"sizex": 0.7, "sizey": 0.7, "xanchor": "center", "yanchor": "middle", "sizing": "contain"}
        drawn.add_layout_image(source=each.picture, xref="x", yref="y", x=x, y=y + 0.1, **size)
        words = f"{style.text(each.true)}<br><b>{style.text(each.called)}</b> {each.share:.0%}"
        drawn.add_annotation(text=words, x=x, y=y - 0.38, showarrow=False, font={"size": 11})
    drawn.update_xaxes(visible=False, range=[-0.5, _COLUMNS - 0.5], fixedrange=True)
    drawn.update_yaxes(visible=False, range=[0.5 - rows, 0.5], fixedrange=True)
    drawn.update_layout(showlegend=False)
    return drawn
