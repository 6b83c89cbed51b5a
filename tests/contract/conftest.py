"""What every storage must do begins with a study of three trials."""

import pytest
from optuna.study import StudyDirection

from winnow.records import Budget
from winnow.storage import Storage
from winnow.storage.budget import set_budget


@pytest.fixture
def study_id(opened: Storage) -> int:
    made = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    set_budget(opened.database, made, Budget(trials=3))
    return made
