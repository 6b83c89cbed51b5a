"""How a model of two classes decides: the curve, the threshold, and the plane."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from winnow.objectives import decision
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec

VALUES = {"model": "mlp", "seed": 0}


@pytest.fixture(scope="module")
def moons() -> loading.Data:
    return loading.load(DataSpec("two_moons", train=400, validation=200))


def linear(slope: float) -> nn.Module:
    """Class 1 the likelier the further right the point, as the second moon lies where it validates."""
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    model.weight.data[1, 0] = slope
    return model


def measured(slope: float, data: loading.Data) -> decision.Decision:
    model = linear(slope)
    return decision.measure(model, VALUES, data, decision.probabilities(model, VALUES, data, data.validation))


def test_a_curve_goes_from_none_to_all_and_finds_the_best_threshold() -> None:
    curve = decision.roc(np.array([0.9, 0.8, 0.7, 0.2]), np.array([1, 1, 0, 0]))
    assert (curve.false_positives[0], curve.true_positives[0]) == (0, 0)
    assert (curve.false_positives[-1], curve.true_positives[-1]) == (1, 1)
    assert curve.area == 1
    assert curve.threshold == 0.8
    assert decision.accuracy(np.array([0.9, 0.8, 0.7, 0.2]), np.array([1, 1, 0, 0]), curve.threshold) == 1


def test_equal_probabilities_are_called_together_and_are_chance() -> None:
    curve = decision.roc(np.full(6, 0.5), np.array([1, 0, 1, 0, 1, 0]))
    assert curve.true_positives == [0, 1]
    assert curve.area == 0.5


def test_the_area_is_how_often_the_second_class_gets_more_than_the_first() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 500)
    found = (random.random(500) + 0.3 * labels).round(2)
    difference = found[labels == 1][:, None] - found[labels == 0]
    wins = (difference > 0).mean() + (difference == 0).mean() / 2
    assert decision.roc(found, labels).area == pytest.approx(wins)


def test_a_model_on_two_moons_has_a_boundary(moons: loading.Data) -> None:
    found = measured(4.0, moons)
    assert found.boundary is not None
    surface = np.array(found.boundary.probability)
    assert surface.shape == (len(found.boundary.y), len(found.boundary.x))
    assert surface[0, 0] < 0.5 < surface[0, -1], "columns are x"
    assert 0.5 < found.accuracy <= 1
    assert found.curve.area > 0.5
    assert len(found.curve.thresholds) <= 201


def test_data_that_are_no_points_in_a_plane_have_none(moons: loading.Data) -> None:
    wide = replace(moons, shape=(2, 1))
    assert measured(1.0, wide).boundary is None


def test_confusion_at_each_threshold_is_what_is_counted(moons: loading.Data) -> None:
    found = measured(1.0, moons)
    labels = moons.validation.targets.numpy()
    told = decision.probabilities(linear(1.0), VALUES, moons, moons.validation)
    assert (found.negatives, found.positives) == (int((labels == 0).sum()), int((labels == 1).sum()))
    for place in (found.curve.at(0.5), found.curve.chosen, 0, len(found.curve.thresholds) - 1):
        threshold = found.curve.thresholds[place]
        counted = [[int(((told >= threshold) == called)[labels == true].sum()) for called in (0, 1)] for true in (0, 1)]
        assert found.confusion(place) == counted
    half = [[int(((told >= 0.5) == called)[labels == true].sum()) for called in (0, 1)] for true in (0, 1)]
    assert found.confusion(found.curve.at(0.5)) == half


def test_where_a_miss_costs_more_fewer_are_missed() -> None:
    curve = decision.roc(np.array([0.9, 0.8, 0.4, 0.6, 0.3, 0.2]), np.array([1, 1, 1, 0, 0, 0]))
    dear, cheap = curve.cheapest(10, 3, 3), curve.cheapest(0.1, 3, 3)
    assert (curve.thresholds[dear], curve.thresholds[cheap]) == (0.4, 0.8)
