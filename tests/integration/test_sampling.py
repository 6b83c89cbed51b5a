"""Samplers in real workers: what they draw goes by the trials that have finished, as in Optuna's own loop."""

import statistics

import pytest

from integration.winnow import Place

SAMPLERS = {"tpe": 'name = "tpe"\nn_startup_trials = 5', "tpe, one by one": 'name = "tpe"\nmultivariate = false'}


@pytest.mark.parametrize("section", SAMPLERS.values(), ids=SAMPLERS)
def test_a_sampler_that_learns_draws_where_the_best_trials_were(place: Place, section: str) -> None:
    more = f'[fixed]\nepochs = 1\n[sampler]\n{section}\n[pruner]\nname = "none"\n'
    done = place.run("run", place.spec(trials=40, more=more), "--workers", "2")
    assert done.returncode == 0, done.stderr
    values = [trial.params["x"] for trial in place.study().trials]
    assert statistics.mean(values[20:]) > 0.75, "random draws have a mean of 0.5, and rarely one above 0.7"
