"""Pictures of what mattered: order, intervals and verdicts."""

import numpy as np
import optuna
import pytest

from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.importance import Importance, Share, assess
from winnow.search.analysis.statistics import Sample
from winnow.search.analysis.study_reader import read
from winnow.search.report.figures import effects

HELPS = Effect("augmentation", 0.02, 0.01, 0.03, 10)
UNKNOWN = Effect("weight decay", 0.004, -0.002, 0.01, 10)
HURTS = Effect("dropout", -0.012, -0.018, -0.006, 10)


@pytest.mark.parametrize(("effect", "verdict"), [(HELPS, "helps"), (UNKNOWN, "inconclusive"), (HURTS, "hurts")])
def test_a_verdict_needs_an_interval_on_one_side_of_zero(effect: Effect, verdict: str) -> None:
    assert effect.verdict == verdict


LONG = "a hyperparameter with a long name"


def test_importance_bars_have_the_largest_on_top_and_pale_ones_where_nothing_is_certain() -> None:
    found = Importance(
        "PED-ANOVA", "", 40, 0, (Share("lr", 0.8, 0.5, 1.0, 40, True), Share(LONG, 0.2, 0.0, 0.6, 40, False))
    )
    drawn = effects.importance_bars(found)
    (bars,) = drawn.data
    assert list(bars.y) == [LONG, "lr"]
    assert drawn.layout.yaxis.ticktext[0] == "a hyperparameter with a<br>long name", "the bars keep their room"
    assert bars.marker.opacity[0] < bars.marker.opacity[1] == 1
    np.testing.assert_allclose(bars.error_x.arrayminus, [0.2, 0.3])


def test_effects_are_ordered_and_marked_by_verdict() -> None:
    drawn = effects.effects([HURTS, HELPS, UNKNOWN], "validation accuracy")
    assert list(drawn.layout.yaxis.categoryarray) == ["dropout", "weight decay", "augmentation"]
    assert {trace.name: trace.y for trace in drawn.data} == {
        "helps": ("augmentation",),
        "inconclusive": ("weight decay",),
        "hurts": ("dropout",),
    }
    assert len({trace.marker.symbol for trace in drawn.data}) == 3


@pytest.mark.parametrize(("direction", "end"), [("maximize", 0.712), ("minimize", 0.688)])
def test_a_path_leads_from_the_baseline_to_the_best(direction: str, end: float) -> None:
    drawn = effects.path(0.7, [HELPS, UNKNOWN, HURTS], direction, "loss")
    (levels,) = [trace for trace in drawn.data if trace.type == "scatter"]
    assert list(levels.x) == ["baseline", "+ augmentation", "+ weight decay", "+ dropout"]
    assert levels.y[0] == 0.7
    assert levels.y[-1] == pytest.approx(end)
    (helping,) = [trace for trace in drawn.data if trace.name == "helps"]
    assert helping.base[0] + helping.y[0] == pytest.approx(levels.y[1])


def test_order_shows_each_effect_first_last_and_on_the_mean() -> None:
    drawn = effects.order([OrderedEffect(HELPS, 0.03, 0.005), OrderedEffect(HURTS, -0.01, -0.014)], "accuracy")
    points = {trace.name: list(trace.x) for trace in drawn.data if trace.type == "scatter"}
    assert points == {"added first": [-0.01, 0.03], "added last": [-0.014, 0.005], "Shapley value": [-0.012, 0.02]}


def test_markup_in_names_is_shown_and_not_obeyed() -> None:
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("<b>lr</b>", 0, 1), n_trials=12)
    assert effects.importance_bars(assess(read(study, {}))).data[0].y[0] == "&lt;b&gt;lr&lt;/b&gt;"


def test_repetitions_stand_below_the_best_mean_with_the_searchs_belief_beside_them() -> None:
    samples = {"trial 3": Sample((0.9, 0.92)), "baseline": Sample((0.8, 0.82)), "trial 5": Sample((0.93,))}
    drawn = effects.repetitions(samples, "validation accuracy", 0.95, maximise=True)
    assert list(drawn.layout.yaxis.categoryarray) == ["baseline", "trial 3", "trial 5"]
    trainings, means, believed = drawn.data
    assert len(trainings.x) == 5
    np.testing.assert_allclose(means.x, [0.81, 0.91, 0.93])
    assert means.error_x.array[2] == 0
    assert list(believed.x) == [0.95, 0.95]
