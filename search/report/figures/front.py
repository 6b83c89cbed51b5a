"""What a good value costs: the Pareto front."""

from typing import TYPE_CHECKING

from winnow.errors import StudyError
from winnow.search.analysis import pareto
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.figures import style
from winnow.search.study.sections import Cost

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_AXES = {"parameters": "parameters of the model", "seconds": "seconds on the device"}
_SPREAD = 1.1
"""Where all trials cost about the same, within this factor, there is nothing to weigh."""
_DECADE = 10.0


def scatter(record: StudyRecord, cost: Cost) -> "Figure":
    """Return every completed trial's value over its cost, and the front.

    Empty where the costs are unknown or all alike.
    """
    drawn = style.figure(_AXES[cost], record.metric)
    try:
        best = pareto.front(record, cost)
    except StudyError:
        return drawn
    known = pareto.costs(record, cost)
    spread = max(known.values()) / max(min(known.values()), 1e-9)
    if spread < _SPREAD:
        return drawn
    if spread > _DECADE:
        drawn.update_xaxes(type="log")
    trials = [trial for trial in record.ranked if trial.number in known]
    for label, marker, members in (
        ("completed", {"color": style.GREY, "size": 6}, [trial for trial in trials if not trial.baseline]),
        ("baseline", style.BASELINE_MARKER, [trial for trial in trials if trial.baseline]),
    ):
        numbers = [trial.number for trial in members]
        spent, values = [known[number] for number in numbers], [trial.value for trial in members]
        hover = f"{label}, trial %{{customdata}}: %{{y:.4g}} for %{{x:,.4g}} {cost}"
        style.add_points(drawn, spent, values, label, marker, hover, numbers)
    drawn.add_scatter(
        x=[point.cost for point in best],
        y=[point.value for point in best],
        mode="lines+markers",
        line={"color": style.BLUE, "shape": "hv"},
        marker={"color": style.BLUE, "size": 9},
        name="front",
        customdata=[point.number for point in best],
        hovertemplate=f"trial %{{customdata}}: %{{y:.4g}} for %{{x:,.4g}} {cost}<extra></extra>",
    )
    style.keep_in_view(drawn, [trial.value for trial in trials], record.direction)
    return drawn
