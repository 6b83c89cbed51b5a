"""How often a fleet looks after its workers."""

import threading
from pathlib import Path

import pytest

from winnow import storage
from winnow.search.launch import fleet


def test_a_look_that_waited_long_for_the_database_is_soon_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db")
    ours = fleet.Fleet(["s"], [], opened.database, tmp_path / "logs")
    looks: list[None] = []
    pauses: list[float] = []
    monkeypatch.setattr(fleet, "wait", lambda workers, signals, seconds, ended: pauses.append(seconds))

    def trials_left() -> float:
        threading.Event().wait(1)  # as for a database that does not answer
        looks.append(None)
        return 2 - len(looks)

    ours.run(trials_left)
    opened.database.release()
    assert len(pauses) == 1
    assert pauses[0] <= fleet.LONGEST_PAUSE
