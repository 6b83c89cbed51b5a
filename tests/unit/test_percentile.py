"""The indexed rule decides as Optuna's does."""

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from winnow.search.study.percentile import IndexedPercentilePruner

VALUES = st.floats(-5, 5) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0])
CURVES = st.dictionaries(st.integers(0, 6), VALUES, max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    finished=st.lists(CURVES, max_size=8),
    curve=CURVES,
    direction=st.sampled_from(["minimize", "maximize"]),
    percentile=st.sampled_from([0.0, 10.0, 25.0, 50.0, 99.9, 100.0]),
    startup=st.integers(0, 4),
    warmup=st.integers(0, 3),
    interval=st.integers(1, 3),
    least=st.integers(1, 3),
)
@pytest.mark.filterwarnings("ignore:All-NaN|invalid value")
def test_it_decides_as_optunas_does(finished, curve, direction, percentile, startup, warmup, interval, least) -> None:
    study = optuna.create_study(direction=direction)
    stock = optuna.pruners.PercentilePruner(percentile, startup, warmup, interval, n_min_trials=least)
    ours = IndexedPercentilePruner(percentile, startup, warmup, interval, n_min_trials=least)
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=curve)
    for others in finished:
        assert ours.prune(study, trial) == stock.prune(study, trial)
        study.add_trial(
            create_trial(
                value=0.0,
                intermediate_values=others,
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
            )
        )
    assert ours.prune(study, trial) == stock.prune(study, trial)
