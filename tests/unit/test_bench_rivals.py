"""Rivals in the replay: each where it is installed."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.rivals import RIVALS
from bench.search_quality import METHODS, Search, replay
from bench.search_tasks import Formula, tables

CURVES = Path(__file__).parents[2] / "bench/curves"
NEEDS = {"syne-tune": "syne_tune.optimizer.legacy_baselines", "smac": "smac"}


class Watched:
    """A search, and what was asked of it and told."""

    def __init__(self, search: Search) -> None:
        self._search, self.epochs, self.resumed = search, defaultdict[int, list[int]](list), 0
        self.failed = 0

    def next(self) -> tuple[int, Mapping[str, Any] | None, int]:
        answer = self._search.next()
        self.resumed += answer[1] is None
        return answer

    def begun(self, number: int, parameters: Mapping[str, Any]) -> None:
        self._search.begun(number, parameters)

    def report(self, number: int, epoch: int, value: float) -> bool:
        self.epochs[number].append(epoch)
        return self._search.report(number, epoch, value)

    def left(self, number: int, epoch: int, *, failed: bool) -> None:
        self.failed += failed
        self._search.left(number, epoch, failed=failed)


@pytest.mark.parametrize("name", ["random+promotion", *RIVALS])
@pytest.mark.filterwarnings("ignore")
def test_a_search_trains_each_epoch_once_goes_on_where_it_paused_and_survives_divergence(name: str) -> None:
    if name in RIVALS:
        pytest.importorskip(NEEDS[name.split()[0]], exc_type=ImportError)
    task = Formula("mostly_fails", 100)
    watched = Watched(METHODS[name](task, 0))
    found = replay(task, watched, budget=4, workers=2, seed=0)
    assert all(epochs == [*range(1, len(epochs) + 1)] for epochs in watched.epochs.values())
    assert watched.resumed
    assert watched.failed
    assert len(found.regrets) == 4
    assert len(found.costs) == found.trials + watched.resumed


@pytest.mark.parametrize("name", ["syne-tune asha", "syne-tune mobster"])
@pytest.mark.filterwarnings("ignore")
def test_of_a_table_a_rival_chooses_among_its_configurations(name: str) -> None:
    pytest.importorskip(NEEDS["syne-tune"], exc_type=ImportError)
    task = next(task for task in tables(CURVES) if task.name == "digits_mlp-accuracy")
    assert replay(task, METHODS[name](task, 0), budget=2, workers=2, seed=0).trials > 4
