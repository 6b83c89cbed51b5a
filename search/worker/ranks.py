"""The ranks of a trial that trains on several devices: the trainer is rank 0, starts the others, and speaks for all.

Each other rank is a trainer too, in the same process group, to which rank 0 is what a supervisor is: what it asks of
its trial is passed on, what it reports is what rank 0 reports, and it is pruned where rank 0 is. One that fails or dies
ends the attempt of all.
"""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from winnow.exit_status import ending
from winnow.records import Epoch, Outcome
from winnow.search.worker import error_kinds, plain_data
from winnow.search.worker.messages import Answer, Call, Decision, Ended, Job, Pipe, Prepare, Ready, Verdict
from winnow.search.worker.processes import module_command
from winnow.search.worker.remote_trial import RemoteTrial, Stopped

TOGETHER = {Outcome.COMPLETE, Outcome.PRUNED, Outcome.DIVERGED, Outcome.INFEASIBLE, Outcome.STOPPED}
"""Ends that all ranks come to by themselves."""
FOLLOW_SECONDS = 30.0
"""So long after rank 0 the others may come to their end, on a busy machine too."""
CAUSE_SECONDS = 2.0
"""A rank that has lost another is not believed for so long: the other, or its end, says what was wrong."""


class LeadingTrial(RemoteTrial):
    """The trial of rank 0, which the other ranks ask."""

    def __init__(self, pipe: Pipe, job: Job) -> None:
        super().__init__(pipe, job)
        self._decisions: list[Verdict] = []
        self._decided = threading.Condition()

    def should_prune(self) -> bool:
        """Behave as Optuna's; the other ranks hear it too."""
        prune = super().should_prune()
        with self._decided:
            self._decisions.append(Verdict.PRUNE if prune else Verdict.CONTINUE)
            self._decided.notify_all()
        return prune

    def decision(self, number: int) -> Verdict:
        """Wait for what rank 0 hears the time of this `number`, from 0, that it asks; STOP where it asks no more."""
        with self._decided:
            self._decided.wait_for(lambda: self._ended or number < len(self._decisions))
            return self._decisions[number] if number < len(self._decisions) else Verdict.STOP

    def forward(self, call: Call) -> Answer | Verdict:
        """Ask the supervisor in the name of another rank; STOP where the trial has ended."""
        try:
            with suppress(Stopped):  # rank 0 hears of it where it asks next
                self._wait_for_answer()
            answer: Answer = self._exchange(call)
        except RuntimeError:
            return Verdict.STOP
        return answer

    def end(self) -> None:
        """End as any trial's; no rank waits any more for what it decides."""
        super().end()
        with self._decided:
            self._decided.notify_all()


class FollowingTrial(RemoteTrial):
    """The trial of another rank: the same parameters and decisions, and nothing that it says is written down."""

    speaks = False

    def __init__(self, pipe: Pipe, job: Job) -> None:
        super().__init__(pipe, job)
        self._asked = 0

    def report(self, value: Any, step: Any, checkpoint: Any = None, **metrics: Any) -> None:
        """Do nothing: rank 0 reports."""

    def report_epoch(self, epoch: Epoch, checkpoint: Any) -> Callable[[], None]:
        """Do nothing: rank 0 reports."""
        return lambda: None

    def should_prune(self) -> bool:
        """Hear what rank 0 is told the same time that it asks."""
        self._asked += 1
        return self._exchange(Decision(self._asked - 1)) is Verdict.PRUNE

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep it for this rank alone."""
        self._user_attributes[key] = plain_data.attribute(key, value)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Do nothing: rank 0 does it."""

    def set_constraint(self, key: str, value: float) -> None:
        """Do nothing: rank 0 does it."""

    def store_artifact(self, kind: str, content: bytes) -> str:
        """Do nothing: rank 0 does it."""
        return ""

    def _exchange(self, message: Any) -> Any:
        answer = super()._exchange(message)
        if answer is Verdict.STOP:
            raise Stopped
        return answer


@dataclass
class _Rank:
    """Another rank as rank 0 sees it."""

    number: int
    process: subprocess.Popen[bytes]
    pipe: Pipe

    def how_it_ended(self) -> str:
        """Say how a rank that has closed its pipe ended."""
        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(FOLLOW_SECONDS)
            how = ending(status)
            return f"rank {self.number} {how}"
        return f"rank {self.number} closed its pipe"


class FollowingRank:
    """Another rank than 0."""

    def __init__(self, keeps_group: bool) -> None:
        """With `keeps_group` the ranks find each other once, and else anew for each trial."""
        self._keeps_group = keeps_group

    def ready(self, mine: Ready) -> Ready:
        """Return what rank 0 is answered once this process has loaded what it needs."""
        return mine

    def begin(self, pipe: Pipe, job: Job) -> RemoteTrial:
        """Return the trial that this rank's objective is called with."""
        os.environ["MASTER_PORT"] = str(job.port)
        return FollowingTrial(pipe, job)

    def end(self, pipe: Pipe, ended: Ended) -> None:
        """Tell rank 0 how it ended in this process."""
        pipe.send(ended)
        _leave_group(self._keeps_group)


class LeadingRank:
    """Rank 0, which has started the others."""

    def __init__(self, message: Prepare, count: int, keeps_group: bool) -> None:
        """Start them: they load what they need while this process does."""
        self._keeps_group = keeps_group
        self._count = count
        self._ranks: list[_Rank] = []
        self._ends: queue.SimpleQueue[tuple[int, Ended]] = queue.SimpleQueue()
        self._judge = threading.Thread()
        self._store: Any = None
        for number in range(1, count):
            ours, theirs = socket.socketpair()
            command = module_command("winnow.search.worker.trainer", str(theirs.fileno()), str(number))
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            theirs.close()
            pipe: Pipe = Connection(ours.detach())
            pipe.send(replace(message, calibrate=False, fuse=1))
            self._ranks.append(_Rank(number, process, pipe))

    def ready(self, mine: Ready) -> Ready:
        """Wait until all have loaded what they need; returns the first answer with a problem, or else rank 0's."""
        for rank in self._ranks:
            try:
                theirs: Ready = rank.pipe.recv()
            except (EOFError, ConnectionError):
                theirs = Ready(problem=f"{rank.how_it_ended()} while it started", remedy="see its output above")
            if theirs.problem:
                return theirs
        return mine

    def begin(self, pipe: Pipe, job: Job) -> RemoteTrial:
        """Give all ranks the trial, and return that of this one."""
        from winnow.objectives import data_parallel  # torch comes with it

        self._store, port = data_parallel.rendezvous()
        os.environ["MASTER_PORT"] = str(port)
        trial, self._ends = LeadingTrial(pipe, job), queue.SimpleQueue()
        for rank in self._ranks:
            see_through = threading.Thread(
                target=self._see_through, args=(rank, trial, replace(job, port=port), self._ends), daemon=True
            )
            see_through.start()
        self._judge = threading.Thread(target=lambda: pipe.send(self._judged(trial)), name="judge", daemon=True)
        self._judge.start()
        return trial

    def end(self, pipe: Pipe, ended: Ended) -> None:
        """Wait until the supervisor has been told how it ended in all of them."""
        self._ends.put((0, ended))
        self._judge.join()
        _leave_group(self._keeps_group)

    @staticmethod
    def _see_through(rank: _Rank, trial: LeadingTrial, job: Job, ends: "queue.SimpleQueue[tuple[int, Ended]]") -> None:
        """Give a rank the trial, and answer it until it has ended."""
        try:
            rank.pipe.send(job)
            while not isinstance(message := rank.pipe.recv(), Ended):
                decides = isinstance(message, Decision)
                rank.pipe.send(trial.decision(message.number) if decides else trial.forward(message))
        except (EOFError, ConnectionError):
            message = Ended(Outcome.TRAINER_DIED, reason=rank.how_it_ended())
        ends.put((rank.number, message))

    def _judged(self, trial: LeadingTrial) -> Ended:
        """Wait for the ends of all ranks, or for one that ends the others too; returns the one that counts."""
        ends: dict[int, Ended] = {}
        seconds: float | None = None
        while len(ends) < self._count:
            try:
                rank, ended = self._ends.get(timeout=seconds)
            except queue.Empty:
                break
            ends[rank] = ended
            if _has_lost_another(ended):
                seconds = CAUSE_SECONDS
            elif ended.outcome not in TOGETHER:
                break
            elif rank == 0 and seconds is None:
                seconds = FOLLOW_SECONDS
        trial.end()
        failed = {rank: ended for rank, ended in ends.items() if ended.outcome not in TOGETHER}
        if not failed:
            return replace(
                ends[0],
                peak_memory=max(ended.peak_memory for ended in ends.values()),
                broken=len(ends) < self._count,
            )
        rank, cause = min(failed.items(), key=lambda item: (_has_lost_another(item[1]), item[0]))
        if _has_lost_another(cause):
            reason = f"rank {rank} heard nothing more of the others: {cause.reason}"
            return replace(cause, outcome=Outcome.TRAINER_DIED, reason=plain_data.text(reason), broken=True)
        named = rank == 0 or cause.outcome is Outcome.TRAINER_DIED
        return replace(
            cause, reason=cause.reason if named else plain_data.text(f"rank {rank}: {cause.reason}"), broken=True
        )


def _leave_group(keeps_group: bool) -> None:
    from winnow.objectives import data_parallel  # torch comes with it

    if not keeps_group:
        data_parallel.leave()


def _has_lost_another(ended: Ended) -> bool:
    """Return whether a rank failed because another did, or because the other came too late."""
    return ended.outcome is Outcome.EXCEPTION and error_kinds.is_of_lost_rank(ended.reason)


def take_rank(rank: int, count: int, message: Prepare, keeps_group: bool) -> FollowingRank | LeadingRank:
    """Make this process one of `count` ranks, two or more, and start the others where it is rank 0.

    `torch.distributed` then knows it as if `torchrun` had started it.
    """
    for name in ("RANK", "LOCAL_RANK"):
        os.environ[name] = str(rank)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ[name] = str(count)
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the place where they find each other is there already
    os.environ["TORCHELASTIC_RESTART_COUNT"] = "0"
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return FollowingRank(keeps_group) if rank else LeadingRank(message, count, keeps_group)
