"""Any order of claims, renewals, reports, ends, expiries and reaping: the leases do what a few lines of Python do."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from optuna.study import StudyDirection
from sqlalchemy import select, update

from winnow import storage
from winnow.records import Budget, Epoch, Outcome
from winnow.storage import Storage, claims, endings, epochs, leases
from winnow.storage.budget import set_budget
from winnow.storage.clock import database_now
from winnow.storage.errors import LeaseLost
from winnow.storage.leases import MOST_CRASHES, Lease
from winnow.storage.tables import attempts

TRIALS = 4


@dataclass
class Trial:
    """What the model knows of a trial."""

    state: str = "RUNNING"
    token: int = 1
    expired: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    curve: dict[int, float] = field(default_factory=dict)

    def stop(self, state: str, outcome: Outcome) -> None:
        self.state, self.expired = state, False
        self.outcomes.append(outcome)


class LeasesAndModel(RuleBasedStateMachine):
    """Every lease that was ever given stays in the hands of its worker, who goes on using it."""

    opened: Storage

    def __init__(self) -> None:
        super().__init__()
        self.study_id = self.opened.create_new_study([StudyDirection.MAXIMIZE])
        set_budget(self.opened.database, self.study_id, Budget(trials=TRIALS))
        self.model: list[Trial] = []
        self.given: list[Lease] = []

    @rule()
    def claim(self) -> None:
        lease = claims.claim(
            self.opened.database, self.study_id, "w", since=self.opened.oldest_unfinished(self.study_id)
        )
        waiting = [number for number, trial in enumerate(self.model) if trial.state == "WAITING"]
        if waiting:
            trial = self.model[waiting[0]]
            trial.state, trial.token = "RUNNING", trial.token + 1
            assert lease is not None
            assert (lease.number, lease.token) == (waiting[0], trial.token)
            assert list(lease.earlier) == trial.outcomes
        elif len(self.model) < TRIALS:
            assert lease is not None
            assert (lease.number, lease.token) == (len(self.model), 1)
            self.model.append(Trial())
        else:
            assert lease is None
        if lease is not None:
            self.given.append(lease)

    def _use(self, data: st.DataObject) -> tuple[Lease, Trial, bool]:
        lease = data.draw(st.sampled_from(self.given))
        trial = self.model[lease.number]
        return lease, trial, trial.state == "RUNNING" and trial.token == lease.token

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        lease, trial, holds = self._use(data)
        if holds:
            leases.renew(self.opened.database, lease)
            trial.expired = False
        else:
            with pytest.raises(LeaseLost):
                leases.renew(self.opened.database, lease)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), epoch=st.integers(1, 3), value=st.floats(0, 1))
    def record(self, data: st.DataObject, epoch: int, value: float) -> None:
        lease, trial, holds = self._use(data)
        if holds:
            epochs.record(self.opened.database, lease, Epoch(epoch, value))
            trial.curve.setdefault(epoch, value)
            trial.expired = False
        else:
            with pytest.raises(LeaseLost):
                epochs.record(self.opened.database, lease, Epoch(epoch, value))

    @precondition(lambda self: self.given)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        lease, trial, holds = self._use(data)
        if holds:
            endings.finish(self.opened.database, lease, outcome, 1.0)
            trial.stop(outcome.final_state, outcome)
        else:
            with pytest.raises(LeaseLost):
                endings.finish(self.opened.database, lease, outcome, 1.0)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        lease, trial, holds = self._use(data)
        if holds:
            endings.give_back(self.opened.database, lease, Outcome.STOPPED)
            trial.stop("WAITING", Outcome.STOPPED)
        else:
            with pytest.raises(LeaseLost):
                endings.give_back(self.opened.database, lease, Outcome.STOPPED)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def time_passes_without_a_sign(self, data: st.DataObject) -> None:
        lease, trial, holds = self._use(data)
        change = update(attempts).where(attempts.c.trial_id == lease.trial_id, attempts.c.token == lease.token)
        late = change.values(expires_at=database_now() - 1)
        self.opened.database.execute(late)
        trial.expired = trial.expired or holds

    @rule()
    def reap(self) -> None:
        expected = [number for number, trial in enumerate(self.model) if trial.expired]
        assert sorted(endings.reap(self.opened.database, self.study_id)) == expected
        for number in expected:
            trial = self.model[number]
            crashes = 1 + trial.outcomes.count(Outcome.LEASE_EXPIRED)
            trial.stop("WAITING" if crashes < MOST_CRASHES else "FAIL", Outcome.LEASE_EXPIRED)

    @invariant()
    def the_database_says_the_same(self) -> None:
        trials = self.opened.get_all_trials(self.study_id, deepcopy=False)
        assert [trial.state.name for trial in trials] == [trial.state for trial in self.model]
        assert [trial.intermediate_values for trial in trials] == [trial.curve for trial in self.model]
        query = select(attempts.c.trial_id).where(attempts.c.study_id == self.study_id, attempts.c.ended_at.is_(None))
        held = self.opened.database.scalars(query)
        assert len(held) == len(set(held)) == sum(trial.state == "RUNNING" for trial in self.model)


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_leases_and_budget_follow_the_model(kind: str, request: pytest.FixtureRequest) -> None:
    LeasesAndModel.opened = storage.open(request.getfixturevalue(kind))
    run_state_machine_as_test(
        LeasesAndModel,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    LeasesAndModel.opened.database.release()
