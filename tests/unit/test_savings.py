"""What pruning saved: each trial's own planned epochs, at the time that its own epochs took."""

from dataclasses import replace

import pytest

from example_search import EPOCHS, searched
from example_study import SPEC
from winnow.search.analysis import summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.formatting import duration
from winnow.search.analysis.pruning import savings
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.validation import check


def changed(record: StudyRecord, change: dict[int, TrialRecord]) -> StudyRecord:
    return replace(record, trials=tuple(change.get(trial.number, trial) for trial in record.trials))


def test_a_trial_would_have_trained_its_own_planned_epochs_at_its_own_pace() -> None:
    record = searched(30)
    cut = [trial for trial in record.finished if trial.cut_short]
    found = savings(record)
    assert found.trials == len(cut)
    assert found.saved == pytest.approx(sum((EPOCHS - len(trial.curve)) * 0.5 for trial in cut))
    longer = replace(cut[0], config={**cut[0].config, "epochs": 100})
    more = savings(changed(record, {longer.number: longer})).saved - found.saved
    assert more == pytest.approx((100 - EPOCHS) * 0.5), "a trial that was to train longer saves more"


def test_what_a_trial_costs_once_is_not_saved() -> None:
    record = searched(30)
    slow_to_begin = {t.number: replace(t, seconds=t.seconds + 60) for t in record.trials}
    found = savings(changed(record, slow_to_begin))
    assert found.saved == pytest.approx(savings(record).saved)
    assert found.spent == pytest.approx(savings(record).spent + 60 * 30)


def test_trainings_that_end_early_by_themselves_make_plans_shorter() -> None:
    record = searched(30)
    patient = {t.number: replace(t, config={**t.config, "epochs": 2 * EPOCHS}) for t in record.trials}
    assert savings(changed(record, patient)).saved == pytest.approx(savings(record).saved)


def test_without_a_plan_completed_trials_tell_the_length() -> None:
    record = searched(30)
    unplanned = {t.number: replace(t, config={}) for t in record.trials}
    assert savings(changed(record, unplanned)).saved == pytest.approx(savings(record).saved)


def test_a_half_trained_trial_is_said_to_count_nowhere() -> None:
    record = searched(30)
    paused = replace(record.trials[7], state="WAITING", value=None)
    said = " ".join(summary.sentences(changed(record, {7: paused})))
    assert f"1 trial is half-trained and may go on, after {duration(paused.seconds)} of training time so far" in said
    handed_back = summary.sentences(replace(record, trials=(replace(paused, seconds=0.0),)))
    assert "1 trial is half-trained and may go on: each counts in the budget" in " ".join(handed_back)
    assert "ran 0 trials" not in " ".join(handed_back)
    assert "half-trained" not in " ".join(summary.sentences(record))


def test_trials_that_shared_a_device_are_said_to_count_their_time_in_full() -> None:
    spec = check({**SPEC, "fleet": {"fuse": 4}}, "the test")
    said = " ".join(summary.sentences(searched(30), Conclusions(spec=spec)))
    assert "Trials may have shared a device (fuse = 4), and the training time of each counts in full." in said
    assert "shared a device" not in " ".join(summary.sentences(searched(30)))
