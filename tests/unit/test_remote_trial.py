"""The trainer's side of a trial, over a real pipe."""

import multiprocessing
from enum import IntEnum

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from winnow.records import Epoch
from winnow.search.worker.messages import Answer, Job, Report, Verdict
from winnow.search.worker.remote_trial import RemoteTrial, Stopped


@pytest.mark.parametrize("verdict", [Verdict.CONTINUE, Verdict.STOP])
def test_no_answer_stays_in_the_pipe_for_the_next_trial(verdict: Verdict) -> None:
    supervisor, trainer = multiprocessing.Pipe()
    trial = RemoteTrial(trainer, Job(0, 1, {}))
    supervisor.send(verdict)
    trial.report_epoch(Epoch(1, 0.5), lambda: b"")
    trial.end()
    assert isinstance(supervisor.recv(), Report)
    assert not trainer.poll(0)


def test_what_the_trial_is_asked_next_hears_the_answer_first() -> None:
    supervisor, trainer = multiprocessing.Pipe()
    trial = RemoteTrial(trainer, Job(0, 1, {}))
    supervisor.send(Verdict.PRUNE)
    answered = trial.report_epoch(Epoch(1, 0.5), lambda: b"")
    assert trial.should_prune()
    answered()  # once more is not waited for
    supervisor.send(Verdict.STOP)
    trial.report_epoch(Epoch(2, 0.5), lambda: b"")
    with pytest.raises(Stopped):
        trial.report(0.6, 3)
    assert [message.epoch.epoch for message in (supervisor.recv(), supervisor.recv())] == [1, 2]
    assert not supervisor.poll(0), "nothing more is said of a trial that is stopped"


def test_what_was_reported_before_is_said_again_only_with_a_checkpoint() -> None:
    """Which may be lost: an attempt that trains from the start is to leave its own to the next."""
    supervisor, trainer = multiprocessing.Pipe()
    trial = RemoteTrial(trainer, Job(0, 1, {}, last_epoch=4))
    trial.report(0.5, 3)
    assert not supervisor.poll(0)
    supervisor.send(Verdict.CONTINUE)
    trial.report(0.5, 3, lambda: b"epoch 3")
    assert supervisor.recv() == Report(Epoch(3, 0.5), b"epoch 3")


def test_what_was_drawn_before_is_asked_for_only_from_another_range() -> None:
    supervisor, trainer = multiprocessing.Pipe()
    distributions = {"lr": FloatDistribution(0.1, 1.0, log=True), "kind": CategoricalDistribution(["a", "b"])}
    trial = RemoteTrial(trainer, Job(0, 1, {}, {"lr": 0.5, "kind": "b"}, distributions))
    assert trial.suggest_float("lr", 0.1, 1.0, log=True) == 0.5
    assert trial.suggest_categorical("kind", ["a", "b"]) == "b"
    assert not supervisor.poll(0)
    supervisor.send(Answer(0.6))
    assert trial.suggest_float("lr", 0.1, 2.0, log=True) == 0.6
    supervisor.send(Answer(3))
    assert trial.suggest_int("depth", 1, 4) == 3


def test_a_range_is_said_in_plain_numbers() -> None:
    """Whatever they are in somebody's own module, which their supervisor does not import."""

    class Width(IntEnum):
        LARGEST = 64

    class Rate(float):
        pass

    supervisor, trainer = multiprocessing.Pipe()
    trial = RemoteTrial(trainer, Job(0, 1, {}))
    supervisor.send(Answer(8))
    supervisor.send(Answer(0.5))
    trial.suggest_int("width", 1, Width.LARGEST)
    trial.suggest_float("lr", Rate(0.1), Rate(1.0))
    asked = [supervisor.recv().arguments for _ in range(2)]
    assert asked == [("width", 1, 64), ("lr", 0.1, 1.0)]
    assert [{type(bound) for bound in bounds} for _, *bounds in asked] == [{int}, {float}]
