"""What the measurements of whole searches read from a storage: what was trained by when, and what it came to."""

from pathlib import Path
from typing import Any

import optuna

from bench.search_times import spending_of, trials_of
from bench.wall_clock import table
from example_study import SPEC
from winnow import storage
from winnow.records import Epoch, Outcome
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import claims, endings, epochs
from winnow.storage.leases import Lease


def test_trials_of_stock_optuna_come_as_they_ended(tmp_path: Path) -> None:
    stock = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/s.db")
    study = optuna.create_study(storage=stock, direction="maximize")
    first, second, _ = study.ask(), study.ask(), study.ask()
    second.report(0.5, 1)
    study.tell(second, state=optuna.trial.TrialState.PRUNED)
    first.report(0.6, 1)
    first.report(0.7, 2)
    study.tell(first, 0.7)
    stock.remove_session()
    stock.engine.dispose()
    found = trials_of(tmp_path / "s.db")
    assert [(trial.epochs, trial.complete, trial.value) for trial in found] == [(1, False, 0.5), (2, True, 0.7)]
    assert found[1].began <= found[0].began <= found[0].ended <= found[1].ended


def test_what_a_paused_trial_trains_counts_when_it_trained_and_its_value_when_it_ended(tmp_path: Path) -> None:
    opened = storage.open(f"sqlite:///{tmp_path}/s.db", create=True)
    study = studies.create(opened, check(SPEC, "SPEC"))

    def train(wish: claims.Wish | None, *trained: Epoch) -> Lease:
        wishes: dict[str, Any] = {} if wish is None else {"wish": wish}
        lease = claims.claim(opened.database, study.study_id, "a worker", **wishes)
        assert lease is not None
        for epoch in trained:
            epochs.record(opened.database, lease, epoch)
        return lease

    first = train(None, Epoch(1, 0.5, seconds=2.0), Epoch(2, 0.6, seconds=3.0))
    endings.give_back(opened.database, first, Outcome.RUNG)
    second = train(None, Epoch(1, 0.4, seconds=1.0))
    endings.finish(opened.database, second, Outcome.COMPLETE, 0.4)
    again = train(claims.Wish(paused=first.number), Epoch(3, 0.9, seconds=4.0))
    endings.finish(opened.database, again, Outcome.COMPLETE, 0.9)
    opened.database.release()
    found = spending_of(tmp_path / "s.db")
    assert [(spent.training, spent.epochs, spent.best) for spent in found] == [(5, 2, None), (6, 3, 0.4), (10, 4, 0.9)]
    assert 0 < found[0].searching <= found[1].searching <= found[2].searching


def test_what_was_not_reached_counts_as_reached_at_the_end() -> None:
    def spent(*bests: float | None) -> list[dict[str, float | None]]:
        return [
            {"searching": 3.0 * at, "training": 2.0 * at, "epochs": 10 * at, "best": best}
            for at, best in enumerate(bests, 1)
        ]

    lines = table([(spent(0.5, 0.8), spent(0.8, 0.9)), (spent(0.9, 0.9), spent(None, 0.7))]).splitlines()
    assert lines[0] == "2 seeds; freeze-thaw was as good in 1"
    for line, quantity in zip(lines[1:4], ("epochs", "training", "searching"), strict=True):
        assert line.startswith(f"{quantity}: freeze-thaw 0.75 (0.5 to 1), median 0.75; the other 0.75 (0.5 to 1)")
    assert lines[4].startswith("best at the end, difference: -0.05 (")
