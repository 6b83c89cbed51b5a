"""A study's page tells a trial that was paused from one that nobody has begun."""

from pathlib import Path

from example_study import SPEC
from winnow import storage
from winnow.records import Outcome
from winnow.search.analysis.study_view import StudyView
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import claims, endings


def test_a_paused_trial_says_so_until_it_goes_on(tmp_path: Path) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db", create=True)
    study = studies.create(opened, check(SPEC, "SPEC"))
    view = StudyView.of(study)
    first = claims.claim(opened.database, study.study_id, "a worker")
    assert first is not None
    study.optuna.enqueue_trial({})
    assert view.status().paused == 0

    endings.give_back(opened.database, first, Outcome.RUNG)
    assert view.status().paused == 1
    assert [trial.reason for trial in view.record().trials] == ["paused at a rung", ""]

    again = claims.claim(opened.database, study.study_id, "a worker", wish=claims.Wish(paused=first.number))
    assert again is not None
    assert again.number == first.number
    assert view.status().paused == 0
    assert view.record().trials[0].reason == ""
