"""Trials that their scheduler paused, on every database: who may take them up, and how they end."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from contract.test_leases import claimed, expire
from winnow.records import Budget, Epoch, Outcome
from winnow.storage import Storage, checkpoints, claims, endings, epochs, pauses, stores
from winnow.storage.budget import set_budget, spent
from winnow.storage.claims import Wish
from winnow.storage.errors import Overtaken
from winnow.storage.leases import Lease


def wished(storage: Storage, study_id: int, wish: Wish) -> Lease | None:
    return claims.claim(storage.database, study_id, "one", wish=wish)


def paused(storage: Storage, study_id: int, value: float = 0.5) -> Lease:
    """Begin a trial and pause it at epoch 2."""
    lease = wished(storage, study_id, Wish(begins=True, until=2))
    assert lease is not None
    with storage.holding(lease):
        storage.set_trial_param(lease.trial_id, "x", value, FloatDistribution(0, 1))
        for epoch in (1, 2):
            epochs.record(storage.database, lease, Epoch(epoch, value * epoch))
    endings.give_back(storage.database, lease, Outcome.RUNG)
    return lease


def test_a_paused_trial_waits_with_its_curve_for_its_scheduler_alone(opened: Storage, study_id: int) -> None:
    lease = paused(opened, study_id)
    trial = opened.get_trial(lease.trial_id)
    assert (trial.state, trial.intermediate_values) == (TrialState.WAITING, {1: 0.5, 2: 1.0})
    had, attempted = opened.database.read(pauses.attempted, study_id)
    assert (had, attempted[0].paused, attempted[0].until) == ((1, 1), True, 2)
    assert wished(opened, study_id, Wish()) is None
    assert claimed(opened, study_id).number == 1, "nobody without a scheduler takes it up"
    assert optuna.load_study(study_name="s", storage=opened).ask().number == 2, "nor does stock Optuna's ask"
    with pytest.raises(Overtaken):
        wished(opened, study_id, Wish(paused=1))
    again = wished(opened, study_id, Wish(paused=0, until=6))
    assert again is not None
    assert (again.number, again.token, again.until, again.earlier) == (0, 2, 6, (Outcome.RUNG,))
    with pytest.raises(Overtaken):
        wished(opened, study_id, Wish(paused=0, until=6))


def test_who_dies_at_a_trial_that_went_on_leaves_it_to_the_next_with_its_rung(opened: Storage, study_id: int) -> None:
    paused(opened, study_id)
    again = wished(opened, study_id, Wish(paused=0, until=6))
    assert again is not None
    expire(opened.database, again)
    assert endings.reap(opened.database, study_id) == [0]
    next_one = wished(opened, study_id, Wish(begins=True, until=2))
    assert next_one is not None
    assert (next_one.number, next_one.token, next_one.until) == (0, 3, 6), "before anything else"


def test_a_queued_trial_begins_where_a_new_one_would(opened: Storage, study_id: int) -> None:
    study = optuna.load_study(study_name="s", storage=opened)
    study.enqueue_trial({"x": 0.25})
    lease = wished(opened, study_id, Wish(begins=True, until=2, parameters={"x": 0.75}, number=1))
    assert lease is not None
    assert (lease.number, lease.until) == (0, 2)
    assert opened.get_trial(lease.trial_id).system_attrs["fixed_params"] == {"x": 0.25}


def test_a_new_trial_takes_the_parameters_that_were_made_for_its_number(opened: Storage, study_id: int) -> None:
    with pytest.raises(Overtaken):
        wished(opened, study_id, Wish(begins=True, until=2, parameters={"x": 0.75}, number=1))
    lease = wished(opened, study_id, Wish(begins=True, until=2, parameters={"x": 0.75}, number=0))
    assert lease is not None
    study = optuna.load_study(study_name="s", storage=opened)
    with opened.holding(lease):
        assert optuna.trial.Trial(study, lease.trial_id).suggest_float("x", 0, 1) == 0.75


def test_epochs_are_counted_once_whoever_trains_them(opened: Storage, study_id: int) -> None:
    set_budget(opened.database, study_id, Budget(epochs=5))
    paused(opened, study_id)
    again = wished(opened, study_id, Wish(paused=0, until=6))
    assert again is not None
    epochs.record(opened.database, again, Epoch(3, 0.5))
    epochs.record(opened.database, again, Epoch(3, 0.6))
    assert opened.database.read(spent, study_id).epochs == 3, "while it runs"
    expire(opened.database, again)
    endings.reap(opened.database, study_id)
    assert opened.database.read(spent, study_id).epochs == 3
    third = wished(opened, study_id, Wish())
    assert third is not None
    for epoch in (3, 4, 5, 6):
        epochs.record(opened.database, third, Epoch(epoch, 0.5))
    endings.give_back(opened.database, third, Outcome.RUNG)
    used = opened.database.read(spent, study_id)
    assert (used.epochs, used.exhausted) == (6, "its budget of 5 epochs is used up")
    assert wished(opened, study_id, Wish(paused=0)) is None
    assert wished(opened, study_id, Wish(begins=True)) is None


def test_what_is_still_paused_ends_with_its_last_value(opened: Storage, study_id: int) -> None:
    first, second = paused(opened, study_id, 0.5), paused(opened, study_id, 0.25)
    with pytest.raises(Overtaken):
        pauses.end_all(opened.database, study_id, seen=(1, 1))
    running = claimed(opened, study_id)
    assert pauses.end_all(opened.database, study_id, seen=(3, 2)) is None, "one is under way"
    endings.finish(opened.database, running, Outcome.COMPLETE, 0.1)
    with pytest.raises(Overtaken):  # what it came to was not seen: it may be a reason to go on
        pauses.end_all(opened.database, study_id, seen=(3, 2))
    assert pauses.end_all(opened.database, study_id, seen=(3, 3)) == [0, 1]
    for lease, value in ((first, 1.0), (second, 0.5)):
        trial = opened.get_trial(lease.trial_id)
        assert (trial.state, trial.value) == (TrialState.PRUNED, value)
        assert trial.user_attrs["winnow:reason"] == "paused, not taken up again"
        assert trial.datetime_complete is not None


def test_a_sampler_sees_what_a_paused_trial_has_shown(opened: Storage, study_id: int) -> None:
    lease = paused(opened, study_id)
    everything, pruned = None, (TrialState.PRUNED,)
    assert opened.get_all_trials(study_id, states=pruned) == []
    for _ in range(2):  # the second time from memory
        opened.shows_paused_as_pruned = True
        for states in (everything, pruned):
            (trial,) = opened.get_all_trials(study_id, states=states)
            assert (trial.state, trial.value, trial.datetime_complete) == (TrialState.PRUNED, 1.0, None)
        assert opened.get_all_trials(study_id, states=(TrialState.WAITING,)) == []
        opened.shows_paused_as_pruned = False
        assert opened.get_all_trials(study_id)[0].state is TrialState.WAITING
    opened.shows_paused_as_pruned = True
    again = wished(opened, study_id, Wish(paused=0, until=6))
    assert again is not None
    assert opened.get_all_trials(study_id)[0].state is TrialState.RUNNING
    epochs.record(opened.database, again, Epoch(3, 3.0))
    endings.give_back(opened.database, again, Outcome.RUNG)
    assert opened.get_all_trials(study_id)[0].value == 3.0
    assert pauses.end_all(opened.database, study_id) == [0]
    (trial,) = opened.get_all_trials(study_id)
    assert (trial.state, trial.value) == (TrialState.PRUNED, 3.0)
    assert trial.datetime_complete is not None
    assert trial._trial_id == lease.trial_id


def test_checkpoints_of_paused_trials_take_at_most_so_much_room(opened: Storage, study_id: int, tmp_path: Path) -> None:
    """The worst of those that came least far goes first, and the last stays however large it is."""
    store = stores.at(str(tmp_path))
    for value in (0.9, 0.2, 0.5):
        lease = wished(opened, study_id, Wish(begins=True, until=2))
        assert lease is not None
        for epoch in (1, 2):
            written = checkpoints.write(store, lease, epoch, bytes(100))
            epochs.record(opened.database, lease, Epoch(epoch, value), written)
        endings.give_back(opened.database, lease, Outcome.RUNG)
        checkpoints.prune_files(store, lease, keep=1)
    assert pauses.make_room(opened.database, study_id, 300, maximize=True) == []
    ((number, claims),) = pauses.make_room(opened.database, study_id, 299, maximize=True)
    assert number == 1
    checkpoints.remove_files(store, opened.home(study_id), number, claims)
    assert len(store.names(opened.home(study_id) + "/")) == 2
    assert [number for number, _ in pauses.make_room(opened.database, study_id, 1, maximize=True)] == [2]
    trials = opened.get_all_trials(study_id)
    assert [trial.state.name for trial in trials] == ["WAITING", "PRUNED", "PRUNED"]
    assert trials[1].user_attrs["winnow:reason"] == pauses.NO_ROOM
    assert (trials[1].value, len(opened.database.read(pauses.tokens, study_id))) == (0.2, 1)
