"""Pictures of what networks became: layer by layer, the plane that they part, the curve that they fit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna

from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report import networks
from winnow.search.report.figures import networks as figures
from winnow.search.study.questions import Question

L1 = (0.0, 1e-3)
DEPTHS = (1, 2)


def layer(name: str, size: float) -> dict[str, Any]:
    shares = [100, 400, 400, 100]
    return {"name": name, "weights": 40, "norm": size, "near_zero": 0.25, "reach": size, "shares": shares}


def trial(number: int, value: float, outputs: Mapping[str, Any] | None = None) -> TrialRecord:
    setting = {"l1": L1[number % 2], "depth": DEPTHS[number // 2]}
    kinds = {"l1": L1, "depth": DEPTHS}
    distributions = {name: optuna.distributions.CategoricalDistribution(kinds[name]) for name in setting}
    recorded = [{"epoch": epoch, "layers": [layer("dense 1", 1.0 + number), layer("dense 2", 2.0)]} for epoch in (1, 9)]
    return TrialRecord(
        *(number, "COMPLETE", value, setting, distributions, setting, "", number == 0, True),
        *(None, None, "", "", "", 1.0),
        layers=recorded,
        outputs=outputs or {},
    )


def record(outputs: Mapping[str, Any] | None = None) -> StudyRecord:
    values = [0.5, 0.7, 0.9, 0.8]
    trials = tuple(trial(number, value, outputs) for number, value in enumerate(values))
    return StudyRecord("s", "maximize", "validation accuracy", trials)


def test_layers_are_drawn_epoch_by_epoch_and_by_penalty() -> None:
    chapter = networks.chapter(record())
    assert [picture.name for picture in chapter.pictures] == ["weights-best", "weights-baseline", *_BY_LAYER]
    best, _, over_epochs, norms, zeros = (picture.figure for picture in chapter.pictures)
    assert over_epochs is not None
    assert [(line.name, [*line.x], [*line.y]) for line in over_epochs.data] == [
        ("dense 1", [1, 9], [3.0, 3.0]),
        ("dense 2", [1, 9], [2.0, 2.0]),
    ]
    assert best is not None
    assert [trace.name for trace in best.data] == ["epoch 1", "epoch 1", "epoch 9", "epoch 9"]
    assert np.allclose(best.data[0].y, np.array([0.1, 0.4, 0.4, 0.1]) / 1.5), "a density, whatever the bins' width"
    assert norms is not None
    assert [(bar.name, [*bar.x], [*bar.y]) for bar in norms.data] == [
        ("l1 0", ["dense 1", "dense 2"], [2.0, 2.0]),
        ("l1 0.001", ["dense 1", "dense 2"], [3.0, 2.0]),
    ]
    assert zeros is not None
    assert {*zeros.data[0].y} == {0.25}


_BY_LAYER = ["layer-norms-over-epochs", "layer-norms", "layer-zeros"]


def test_a_boundary_stands_in_each_cell_that_was_recorded() -> None:
    plane = {"x": [0, 1], "y": [0, 1], "probability": [[0.1, 0.9], [0.2, 0.8]], "points": [[0, 1]], "labels": [1]}
    asked = Question(asks="How deep?", kind="depth", of="depth", across=("l1",))
    (picture,) = networks.boundaries(asked, record(plane), "question-1")
    assert [trace.type for trace in picture.figure.data].count("contour") == 4
    words = [annotation.text for annotation in picture.figure.layout.annotations]
    assert {"l1 0", "l1 0.001", "0.5000", "0.9000"} <= {*words}
    assert networks.boundaries(asked, record(), "question-1") == []


def test_a_fitted_curve_is_drawn_as_it_became() -> None:
    line = {"x": [0.0, 1.0], "epochs": [1, 5, 9], "y": [[0, 0], [0, 1], [0, 2]], "points": [[0.5, 1.0]]}
    asked = Question(asks="Does it help?", kind="compare", of="l1")
    (picture,) = networks.fits(asked, record(line), "question-1")
    assert [trace.name for trace in picture.figure.data if trace.showlegend] == [
        "epoch 1",
        "epoch 9",
        "training examples",
    ]
    assert len(picture.figure.data) == 8
    assert networks.fits(asked, record(), "question-1") == []


def test_layers_of_other_networks_have_panels_of_their_own() -> None:
    one = trial(3, 0.5)
    drawn = figures.by_layer({"a": [one], "b": [one, one]}, "norm", "norm")
    assert [bar.name for bar in drawn.data] == ["a", "b"]
