"""A study is not done while its last trial begins, at whichever moment somebody looks."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from example_study import SPEC
from winnow import storage
from winnow.records import Outcome
from winnow.search.analysis import status, study_view
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import claims, endings
from winnow.storage.budget import Spent, spent


@pytest.mark.parametrize("looked_at", [study_view, status])
def test_a_trial_that_begins_while_somebody_looks(
    looked_at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db", create=True)
    study = studies.create(opened, check({**SPEC, "budget": {"trials": 2}}, "SPEC"))
    view = study_view.StudyView.of(study)
    first = claims.claim(opened.database, study.study_id, "a worker")
    assert first is not None
    endings.finish(opened.database, first, Outcome.COMPLETE, 0.5)

    def meanwhile(connection: Connection, study_id: int) -> Spent:
        """Asked what is spent at the very moment after a worker took the last trial."""
        claims.claim(opened.database, study.study_id, "a worker")
        return spent(connection, study_id)

    monkeypatch.setattr(looked_at, "spent", meanwhile)
    assert status.end_of(study) == ""
    assert not view.status().is_done
    opened.database.release()
