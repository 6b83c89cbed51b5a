"""Whatever a trial says: it is stored so that every database and page can hold it, or refused with a sentence."""

from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from winnow.records import Epoch, Outcome
from winnow.storage import Storage, audit_log, claims, endings, epochs
from winnow.storage.errors import ContentRefused
from winnow.storage.leases import Lease


@pytest.fixture
def lease(opened: Storage) -> Lease:
    made = claims.claim(opened.database, opened.create_new_study([StudyDirection.MAXIMIZE], "s"), "w")
    assert made is not None
    return made


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("key", ["k\x00", "\ud800", "k" * 513, 3, None])
def test_a_name_that_is_none_is_refused(opened: Storage, lease: Lease, key: Any) -> None:
    for holding in (False, True):
        with opened.holding(lease) if holding else pytest.MonkeyPatch.context():
            with pytest.raises(ContentRefused, match="trial 0: an attribute"):
                opened.set_trial_user_attr(lease.trial_id, key, 1)
            with pytest.raises(ContentRefused, match="trial 0: a parameter"):
                opened.set_trial_param(lease.trial_id, key, 0.5, FloatDistribution(0, 1))
    with pytest.raises(ContentRefused, match="an attribute"):
        opened.set_study_user_attr(lease.study_id, key, 1)
    assert opened.get_trial(lease.trial_id).user_attrs == {}


@pytest.mark.parametrize(
    "value", [object(), Unprintable(), {1, 2}, b"bytes", deep(100_000), {(1, 2): 3}, "x" * 1_000_001]
)
def test_an_attribute_that_is_no_json_is_refused(opened: Storage, lease: Lease, value: Any) -> None:
    with pytest.raises(ContentRefused, match="trial 0: the attribute 'k'"):
        opened.set_trial_user_attr(lease.trial_id, "k", value)
    with pytest.raises(ContentRefused, match="the attribute 'k'"):
        opened.set_study_user_attr(lease.study_id, "k", value)
    with pytest.raises(ContentRefused, match="the attribute 'k'"):
        endings.finish(opened.database, lease, Outcome.EXCEPTION, None, {"k": value})
    assert opened.get_trial(lease.trial_id).state is TrialState.RUNNING


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\x00b", "a\x00b"),
        ("a\ud800b", "a?b"),
        ("\U0001f600 \u20ac", "\U0001f600 \u20ac"),
        ({"\udfff": ["\ud800"]}, {"?": ["?"]}),
        (float("inf"), float("inf")),
        ("\\ud800", "\\ud800"),
    ],
)
def test_texts_are_kept_as_pages_can_show_them(opened: Storage, lease: Lease, said: Any, kept: Any) -> None:
    with opened.holding(lease):
        opened.set_trial_user_attr(lease.trial_id, "k", said)
    assert opened.get_trial(lease.trial_id).user_attrs == {"k": kept}
    audit_log.begin(opened.database, str(said), "", "x", str(said))


@pytest.mark.parametrize("step", [-1, 2**31, 10**30, 0.5])
def test_a_step_that_is_none_is_refused(opened: Storage, lease: Lease, step: Any) -> None:
    with pytest.raises(ContentRefused, match=r"trial 0: the step .* whole numbers from 0"):
        opened.set_trial_intermediate_value(lease.trial_id, step, 0.5)
    with pytest.raises(ContentRefused, match="trial 0: the step"):
        epochs.record(opened.database, lease, Epoch(step, 0.5))


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e308])
def test_any_number_may_be_reported_at_any_step(opened: Storage, lease: Lease, value: float) -> None:
    for step in (0, 2**31 - 1):
        epochs.record(opened.database, lease, Epoch(step, value, train_loss=value))
    assert list(opened.get_trial(lease.trial_id).intermediate_values) == [0, 2**31 - 1]
    assert [epoch.epoch for epoch in epochs.read(opened.database, lease.study_id)[0]] == [0, 2**31 - 1]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_no_trial_is_complete_without_a_value(opened: Storage, lease: Lease, value: float | None) -> None:
    with pytest.raises(ContentRefused, match="trial 0: its value is not a number"):
        endings.finish(opened.database, lease, Outcome.COMPLETE, value)
    endings.finish(opened.database, lease, Outcome.INVALID_VALUE, None, {"winnow:reason": "NaN"})
    assert opened.get_trial(lease.trial_id).state is TrialState.FAIL


def test_trials_that_say_the_same_share_nothing(opened: Storage, lease: Lease) -> None:
    other = opened.create_new_trial(lease.study_id)
    for trial_id in (lease.trial_id, other):
        opened.set_trial_user_attr(trial_id, "said", {"list": [1]})
    opened.get_trial(other).user_attrs["said"]["list"].append(2)
    assert opened.get_trial(lease.trial_id).user_attrs == {"said": {"list": [1]}}
    assert opened.get_trial(other).user_attrs == {"said": {"list": [1]}}
