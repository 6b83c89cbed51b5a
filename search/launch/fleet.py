"""A fleet on this machine: a worker for each place, kept at work until the end."""

import logging
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from winnow import defaults
from winnow.search.launch.placement import Place
from winnow.search.launch.supervisor import LOOK_SECONDS, Signals, Supervisor, refuse_all_given_up, wait
from winnow.search.worker.devices import Device
from winnow.search.worker.forking import ForkServer, fork_server
from winnow.storage import endings
from winnow.storage.database import Database

LONGEST_PAUSE = 5.0
"""Seconds between two looks at the most, however much a look costs."""
DRAIN_SECONDS = 15.0
"""After its workers' grace period a fleet waits so long for the last of them."""
# What a fork server imports once for all.
WORKERS_IMPORT = ("winnow.__main__", "winnow.search.cli.main", "winnow.search.cli.work", "winnow.search.worker.trainer")
TRAINERS_IMPORT = (
    "torch",
    "winnow.objectives.data.loading",
    "winnow.objectives.calibration",
    "winnow.objectives.training",
    "winnow.objectives.stack",
)
_log = logging.getLogger("winnow")


@dataclass
class Slot:
    """A place for one worker, and who keeps a worker there."""

    place: Place
    supervisor: Supervisor


class Fleet:
    """Workers of one kind on this machine, kept at work until it is over or until a signal to stop."""

    def __init__(
        self,
        work: Sequence[str],
        places: Sequence[Place],
        database: Database,
        logs: Path,
        *,
        grace_seconds: float = defaults.GRACE_SECONDS,
        built_in: bool = False,
    ) -> None:
        """`work` is what `winnow work` is given beside place and storage; `built_in`: Winnow's own code trains."""
        self.slots: list[Slot] = []
        self._signals = Signals()
        self._work = list(work)
        self._database = database
        self._grace_seconds = grace_seconds
        self._imported = [WORKERS_IMPORT, TRAINERS_IMPORT] if built_in else [WORKERS_IMPORT]
        self._fork_server: ForkServer | None = None
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs / f"{work[0].lstrip('-')}-{platform.node()}"
        self._made = 0
        self._removed: list[Supervisor] = []
        for place in places:
            self._add(place)

    @property
    def stopped_by(self) -> int | None:
        """The signal that told it to stop."""
        return self._signals.stopped_by

    def run(self, trials_left: Callable[[], float]) -> None:
        """Keep every slot at work until no trial is left; then every worker hands its trial back.

        `trials_left` is asked about twice a second, and as soon as the workers here have ended so many more. Whatever
        it raises, the end is the same: what it shows may be on a terminal that was closed. Raises WorkerFailed where no
        worker can be kept alive, with the reason of one of them.
        """
        with self._signals, self._may_fork() as self._fork_server:
            try:
                while self.stopped_by is None:
                    began = time.process_time()
                    ended = sum(supervisor.ended for supervisor in self._all())
                    if not (left := trials_left()):
                        break
                    for slot in self.slots:
                        slot.supervisor.look(self._fork_server)
                    self._requeue_of_dead()
                    refuse_all_given_up([slot.supervisor for slot in self.slots])
                    # Looking costs more in a large study: it may take a twentieth of a core. To wait costs nothing.
                    cost = time.process_time() - began
                    pause = min(max(LOOK_SECONDS, 20 * cost), LONGEST_PAUSE)
                    wait(self._all(), self._signals, pause, ended + left)
            finally:
                self._drain()
                for supervisor in self._all():
                    supervisor.kill()

    def fill(self, place: Place, count: int) -> None:
        """Have so many workers on a device: more like this place, or the last ones asked to leave."""
        there = [slot for slot in self.slots if slot.place.device == place.device]
        for _ in range(count - len(there)):
            self._add(place)
        for slot in there[count:]:
            slot.supervisor.ask_to_leave()
            self._removed.append(slot.supervisor)
            self.slots.remove(slot)

    def process_ids(self, device: Device) -> list[int]:
        """Return the processes of the workers on a device, and what forks them."""
        there = [slot.supervisor.process for slot in self.slots if slot.place.device == device]
        forked = [self._fork_server.process_id] if self._fork_server is not None else []
        return forked + [process.pid for process in there if process is not None]

    def _add(self, place: Place) -> None:
        log = self._logs.with_name(f"{self._logs.name}-{self._made}.log")
        log.write_bytes(b"")
        supervisor = Supervisor(
            [
                *self._work,
                *("--device", place.device.name, "--threads", str(place.threads)),
                *("--grace-seconds", str(self._grace_seconds)),
            ],
            name=f"a worker on {place.device.name}",
            # The URL goes by the environment: a command line can be read by everyone on the machine. A supervisor
            # computes little: its libraries are not to take the cores that the trainers were given.
            environment={"OPTUNA_STORAGE": self._database.url, "OMP_NUM_THREADS": "1"},
            log=log,
            cores=place.cores,
        )
        self._made += 1
        self.slots.append(Slot(place, supervisor))

    def _may_fork(self) -> AbstractContextManager[ForkServer | None]:
        """Have a fork server where all workers are on the CPU with one thread each, as torch's in it are then."""
        suits = all(slot.place.device.kind == "cpu" and slot.place.threads == 1 for slot in self.slots)
        return fork_server(self._imported) if suits and self.slots else nullcontext()

    def _requeue_of_dead(self) -> None:
        """Bring back the trials of workers that were killed: their parent knows that, and no lease need run out."""
        for supervisor in self._all():
            while supervisor.dead:
                for number in endings.requeue_of(self._database, supervisor.dead.pop()):
                    _log.warning("trial %d: its worker was killed; the trial goes on elsewhere", number)

    def _drain(self) -> None:
        """Ask every worker to hand its trial back, and wait for it; asked twice, a person waits for no epoch's end."""
        for supervisor in self._all():
            supervisor.ask_to_leave()
        deadline = time.monotonic() + self._grace_seconds + DRAIN_SECONDS
        while time.monotonic() < deadline and self._signals.times < 2:
            if not any(each.process is not None and each.process.poll() is None for each in self._all()):
                return
            wait(self._all(), self._signals, LOOK_SECONDS / 10)

    def _all(self) -> list[Supervisor]:
        return [*(slot.supervisor for slot in self.slots), *self._removed]
