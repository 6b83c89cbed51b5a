"""The ledger knows test data by their examples, counts models once, and prices every further look."""

from pathlib import Path

import pytest

from winnow import storage
from winnow.search.analysis import readings
from winnow.storage import ledger


def test_test_data_are_known_by_their_examples_under_every_name(tmp_path: Path) -> None:
    database = storage.open(f"sqlite:///{tmp_path}/winnow.db", create=True).database
    prints = sorted(f"{number * 7919 % 100003:016x}" for number in range(2000))
    whole, part = ledger.Examples.of(prints), ledger.Examples.of(prints[::3])
    others = ledger.Examples.of(sorted(f"{number:016x}" for number in range(900_000, 901_000)))
    first = ledger.announce(database, "one study", whole, "ann", "confirm")
    ledger.conclude(database, first, whole, [{"weights": "a", "score": 0.9}])
    ledger.announce(database, "another", part, "ben", "confirm, killed before it was done")
    ledger.announce(database, "elsewhere", others, "ann", "confirm")
    assert [entry.study_name for entry in ledger.of_the_same(database, part)] == ["one study", "another"]
    assert [entry.study_name for entry in ledger.of_the_same(database, others)] == ["elsewhere"]
    assert ledger.entries(database, "one study")[0].models == [{"weights": "a", "score": 0.9}]
    assert ledger.entries(database, "one study")[0].data_fingerprint == whole.fingerprint != part.fingerprint


def test_all_looks_together_have_a_bound() -> None:
    assert readings.error_of_reading(0) == 0.05
    assert sum(readings.error_of_reading(before) for before in range(10_000)) == pytest.approx(0.0822, abs=1e-4)
