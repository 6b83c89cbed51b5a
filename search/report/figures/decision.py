"""How a model of two classes decides: its boundary in the plane, and its ROC curve with the chosen threshold."""

from typing import TYPE_CHECKING

import numpy as np

from winnow.objectives.decision import Boundary, Curve
from winnow.search.report.figures import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def boundary(found: Boundary, threshold: float) -> "Figure":
    """Draw the probability of the second class over the plane, the validation points, and the line of `threshold`."""
    drawn = style.figure("first feature", "second feature", height=460)
    surface = {"x": found.x, "y": found.y, "z": np.array(found.probability, dtype=np.float32)}
    drawn.add_contour(
        **surface,
        colorscale=style.PLANE,
        zmin=0,
        zmax=1,
        contours={"showlines": False, "start": 0.05, "end": 0.95, "size": 0.1},
        ncontours=10,
        colorbar={"title": {"text": "probability of class 1", "side": "right"}, "thickness": 12},
        hovertemplate="%{x:.3g}, %{y:.3g}: %{z:.2f}<extra></extra>",
    )
    for name, level, dash in (("0.5", 0.5, "dash"), (f"{threshold:.2f}, chosen", threshold, "solid")):
        drawn.add_contour(
            **surface,
            contours={"coloring": "none", "start": level, "end": level, "size": 1},
            line={"color": style.INK, "width": 2, "dash": dash},
            showscale=False,
            showlegend=True,
            name=f"threshold {name}",
            hoverinfo="skip",
        )
    points, labels = np.array(found.points).reshape(-1, 2), np.array(found.labels)
    for label, (color, symbol) in enumerate(style.CLASSES):
        marker = {"color": color, "symbol": symbol, "size": 5, "line": {"color": "white", "width": 0.5}}
        x, y = points[labels == label].T
        style.add_points(drawn, x, y, f"class {label}", marker, f"class {label}")
    return drawn


def roc(curve: Curve) -> "Figure":
    """Return the receiver operating characteristic beside chance, with the chosen threshold marked."""
    drawn = style.figure("false positives", "true positives", height=460)
    style.add_line(drawn, [0, 1], [0, 1], "chance", {"color": style.GREY, "dash": "dash", "width": 1})
    style.add_line(
        drawn,
        np.array(curve.false_positives, dtype=np.float32),
        np.array(curve.true_positives, dtype=np.float32),
        f"validation, area {curve.area:.3f}",
        {"color": style.BLUE},
        "threshold %{customdata:.3f}: %{y:.1%} true, %{x:.1%} false",
        customdata=np.array(curve.thresholds, dtype=np.float32),
    )
    chosen = [curve.false_positives[curve.chosen]], [curve.true_positives[curve.chosen]]
    name = f"threshold {curve.threshold:.2f}, chosen"
    style.add_points(drawn, *chosen, name, style.BEST_MARKER, name)
    for update in (drawn.update_xaxes, drawn.update_yaxes):
        update(range=[-0.02, 1.02], tickformat=".0%")
    return drawn
