"""Pictures: what is drawn is what was measured, and stays readable."""

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from example_search import searched
from winnow.search.analysis.study_reader import read
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.chapters import Chapter, Picture
from winnow.search.report.figures import curves, progress


@pytest.fixture(scope="module")
def history() -> StudyRecord:
    return searched(40)


def trace(figure: Any, name: str) -> Any:
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


def test_the_best_so_far_never_gets_worse_and_ends_at_the_best(history: StudyRecord) -> None:
    line = trace(progress.optimisation_history(history), "best so far")
    assert history.best is not None
    assert list(line.y) == sorted(line.y)
    assert line.y[-1] == history.best.value
    assert line.x[-1] == history.trials[-1].number


def test_the_optimisation_history_shows_every_trial_once(history: StudyRecord) -> None:
    drawn = progress.optimisation_history(history)
    numbers = [number for name in ("pruned", "completed", "baseline") for number in trace(drawn, name).x]
    assert sorted(numbers) == list(range(40))


def test_a_mean_curve_does_not_leap_where_a_training_of_its_group_ends(history: StudyRecord) -> None:
    full = [trial for trial in history.trials if trial.state == "COMPLETE"][:2]
    short = replace(full[1], curve=full[1].curve[:3])
    drawn = curves.together({"both": [full[0], short]}, "validation_loss", "loss")
    line = trace(drawn, "both").y
    losses: Any = [[epoch.validation_loss for epoch in trial.curve] for trial in (full[0], short)]
    losses[1] += [losses[1][-1]] * (len(losses[0]) - 3)
    assert line == pytest.approx(np.mean(losses, axis=0), rel=1e-6)


def test_a_diverged_loss_does_not_stretch_the_axis_and_is_counted() -> None:
    study = optuna.create_study(direction="minimize")
    study.optimize(lambda trial: 1e9 if trial.number == 3 else 0.1 * trial.number, n_trials=10)
    drawn = progress.optimisation_history(read(study, {}))
    assert drawn.layout.yaxis.range[1] < 2
    assert drawn.layout.annotations[0].text == "1 value lies outside this picture"
    assert drawn.layout.annotations[0].y == 1, "the best values, at the bottom, are not written over"


def test_learning_curves_show_the_top_and_the_baseline_over_quartiles(history: StudyRecord) -> None:
    drawn = curves.learning_curves(history, top=3)
    names = [trace.name for trace in drawn.data]
    tops = [f"trial {trial.number}" for trial in history.ranked[:3]]
    assert names == ["middle half", "median", *tops, "baseline"]
    epochs, quartiles = curves.quartiles(history.trials)
    first = [trial.curve[0].value for trial in history.trials]
    assert epochs == list(range(1, 9))
    np.testing.assert_allclose(quartiles[0], np.quantile(first, [0.25, 0.5, 0.75]))


def test_a_curve_of_one_epoch_is_a_point(history: StudyRecord) -> None:
    short = replace(history, trials=tuple(replace(trial, curve=trial.curve[:1]) for trial in history.trials))
    modes = {trace.name: trace.mode for trace in curves.learning_curves(short, top=1).data}
    assert modes["baseline"] == modes["median"] == "markers"
    alone = curves.learning_curves(replace(short, trials=short.trials[:1]), top=1)
    assert trace(alone, "baseline").y[0] == trace(alone, "median").y[0], (
        "not apart by a rounding, or the axis shows that"
    )


def test_hundreds_of_trials_draw_no_more_lines_than_forty(history: StudyRecord) -> None:
    assert len(curves.learning_curves(searched(300)).data) == len(curves.learning_curves(history).data)


def test_baseline_against_best_draws_training_and_validation(history: StudyRecord) -> None:
    drawn = curves.baseline_against_best(history, "loss")
    assert [(trace.name, trace.line.dash) for trace in drawn.data] == [
        ("baseline", "solid"),
        ("baseline, training", "dot"),
        ("best", "solid"),
        ("best, training", "dot"),
    ]


def test_there_is_no_comparison_where_the_baseline_is_the_best() -> None:
    assert not curves.baseline_against_best(searched(1), "loss").data


def test_weight_norms_are_drawn_of_the_top_and_the_baseline(history: StudyRecord) -> None:
    drawn = curves.quantity_curves(history, "weight_norm", "norm of the weights", top=2)
    assert [trace.name for trace in drawn.data] == [*(f"trial {t.number}" for t in history.ranked[:2]), "baseline"]
    assert drawn.data[0].y[0] == pytest.approx(history.ranked[0].curve[0].weight_norm)


def test_the_generalisation_gap_is_taken_where_the_result_is(history: StudyRecord) -> None:
    drawn = curves.generalisation_gap(history)
    assert history.best is not None
    last = history.best.curve[-1]
    assert last.train_accuracy is not None
    assert last.validation_accuracy is not None
    assert trace(drawn, "best").y[0] == pytest.approx(last.train_accuracy - last.validation_accuracy, abs=1e-6)


def test_what_a_search_began_with_stays_in_view_however_long_it_then_stood_still() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (0.74, 0.966, *(0.9,) * 20, 0.975):
        study.add_trial(optuna.create_trial(value=value))
    drawn = progress.searches({"one": read(study, {})}, 23)
    assert not drawn.layout.annotations
    assert drawn.layout.yaxis.range is None


def test_the_timeline_has_a_row_for_each_worker_and_a_bar_for_each_trial(history: StudyRecord) -> None:
    drawn = progress.timeline(history)
    assert set(drawn.layout.yaxis.categoryarray) == {"worker-0 node1 cpu", "worker-1 node1 cpu"}
    assert sorted(number for bars in drawn.data for number in bars.customdata) == list(range(40))
    assert drawn.layout.showlegend, "of bars of one colour too it says what they are"


def test_pruning_savings_grow_from_what_was_spent(history: StudyRecord) -> None:
    drawn = progress.pruning_savings(history)
    spent, unpruned = trace(drawn, "spent").y, trace(drawn, "without pruning (estimate)").y
    unit = {"hours": 3600, "minutes": 60, "seconds": 1}[drawn.layout.yaxis.title.text.split()[0]]
    assert spent[-1] * unit == pytest.approx(sum(t.seconds for t in history.trials))
    assert all(after >= before for before, after in zip(spent, unpruned, strict=True))


def test_pictures_of_an_empty_study_are_empty() -> None:
    empty = read(optuna.create_study(), {})
    assert not progress.optimisation_history(empty).data
    assert not curves.learning_curves(empty).data
    assert not progress.timeline(empty).data
    norms = curves.quantity_curves(empty, "weight_norm", "norm of the weights")
    assert not norms.data
    assert not curves.generalisation_gap(empty).data
    assert not Chapter("Nothing", pictures=[Picture("norms", "Norms", "None was recorded.", norms)]).pictures
