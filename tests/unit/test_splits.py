"""The order from which every split is cut."""

import numpy as np
import pytest

from winnow.objectives.data import splits


@pytest.mark.parametrize(("counts", "off"), [((180,) * 10, 1), ((600, 300, 100), 2), ((900, 50, *(1,) * 20), 3)])
def test_every_stretch_holds_each_class_in_its_share(counts: tuple[int, ...], off: int) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    order = splits.stratified(targets, 0, "split")
    assert np.array_equal(np.sort(order), np.arange(len(targets)))
    random = np.random.default_rng(0)
    for start, end in np.sort(random.integers(0, len(targets) + 1, (200, 2))):
        held = np.bincount(targets[order[start:end]], minlength=len(counts))
        assert np.abs(held - np.array(counts) * (end - start) / len(targets)).max() <= off


def test_classes_of_one_size_are_held_alike_by_whole_turns() -> None:
    targets = np.repeat(np.arange(10), 50)
    order = splits.stratified(targets, 0, "split")
    assert np.bincount(targets[order[7:37]]).tolist() == [3] * 10


def test_each_seed_and_each_purpose_has_an_order_of_its_own() -> None:
    orders = [splits.shuffled(100, seed, purpose) for seed in (0, 1) for purpose in ("split", "test")]
    assert len({order.tobytes() for order in orders}) == 4
    assert np.array_equal(splits.shuffled(100, 0, "split"), orders[0])


def test_orders_are_those_that_were_first_made() -> None:
    assert splits.shuffled(8, 0, "split").tolist() == [7, 6, 3, 5, 2, 4, 0, 1]
