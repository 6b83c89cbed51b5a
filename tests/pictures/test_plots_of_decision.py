"""Pictures of how a model of two classes decides."""

from dataclasses import replace

import numpy as np
import pytest

from example_conclusions import confirmed
from winnow.objectives.decision import Boundary, Curve
from winnow.objectives.mistakes import Mistakes
from winnow.search.report import confirmation
from winnow.search.report.figures import decision, space, style

CURVE = Curve([1.01, 0.7, 0.3, 0.1], [0.0, 0.1, 0.2, 1.0], [0.0, 0.5, 0.9, 1.0])
PLANE = Boundary([0.0, 1.0], [0.0, 1.0], [[0.1, 0.9], [0.2, 0.8]], [[0.1, 0.2], [0.9, 0.8]], [0, 1])


def test_the_chosen_threshold_is_marked_on_the_curve() -> None:
    star = decision.roc(CURVE).data[-1]
    assert (list(star.x), list(star.y)) == ([0.2], [0.9])
    assert star.name == "threshold 0.30, chosen"


def test_the_boundary_shows_both_thresholds_and_both_classes() -> None:
    drawn = decision.boundary(PLANE, 0.3)
    names = [trace.name for trace in drawn.data if trace.name]
    assert names == ["threshold 0.5", "threshold 0.30, chosen", "class 0", "class 1"]
    np.testing.assert_allclose(drawn.data[0].z, PLANE.probability, rtol=1e-6)


def test_counts_stand_in_their_cells_in_full() -> None:
    figure = space.cells("true class", "called", ["0"], ["0", "1"], [[1116, 218]], [["a", "b"]], "")
    assert figure.data[0].textfont.color != style.INK, "which a page in the dark makes light, and the cells stay pale"
    assert [list(row) for row in figure.data[0].text] == [["1,116<br>a", "218<br>b"]]


@pytest.mark.parametrize(("classes", "said"), [(3, "199<br>99%"), (10, "199")])
def test_a_confusion_is_the_bluer_the_more_and_says_shares_where_a_telephone_has_room(classes: int, said: str) -> None:
    names = [str(number) for number in range(classes)]
    counts = [[199 if row == column else int(column == row + 1) for column in range(classes)] for row in range(classes)]
    found = replace(confirmed(), mistakes=Mistakes(600, 2, [], names, counts, []))
    drawn = next(each for each in confirmation.chapter(found).pictures if each.name == "confusion").figure.data[0]
    assert drawn.text[0][0] == said
    assert [colour for _, colour in drawn.colorscale] == ["#FFFFFF", "#B3D4E8"], "no mistake is no warning"
