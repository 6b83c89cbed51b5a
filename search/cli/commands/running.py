"""Running a study on this machine while a person watches."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winnow.search.cli.commands.options import AUTO

if TYPE_CHECKING:
    from rich.console import Console

    from winnow.search.analysis.status import Status
    from winnow.search.launch.placement import Place
    from winnow.search.study.study import WinnowStudy
    from winnow.storage import Storage
    from winnow.storage.budget import Budget


MOST_ON_A_GPU = 16


@dataclass(frozen=True)
class Wishes:
    """What a person said of the fleet that is to train (see `options.fleet_options`)."""

    devices: str
    slots: "int | str | None"
    workers: int | None
    grace_seconds: float
    more: tuple[str, ...] = ()
    """What else each worker is told."""

    @property
    def packs(self) -> bool:
        """Whether the number of workers on each device is found out."""
        return self.slots == AUTO and self.workers != 0

    def places(self, threads: int | None = None, measured: int = 0) -> "list[Place]":
        """The places of its workers, or of the first on each device where more may come.

        `threads` and `measured` are what the study's trials train with and were seen to take, in bytes. Raises
        DeviceError where this machine has no such places.
        """
        from winnow.search.launch import memory, placement
        from winnow.search.worker import devices

        if self.workers == 0:
            return []
        found, cores = devices.choose(self.devices), devices.cores()
        if self.packs:
            return placement.plan(found, cores, slots=1, threads=threads or 1)
        if not isinstance(self.slots, int):
            return placement.plan(found, cores, workers=self.workers, threads=threads)
        for device in found:
            memory.refuse_too_many(device, self.slots, measured)
        return placement.plan(found, cores, slots=self.slots, workers=self.workers, threads=threads)

    def pack_to(self, first: "Sequence[Place]") -> int | None:
        """How many workers a device may get at most where that is found out."""
        from winnow.search.worker import devices

        if not self.packs:
            return None
        if self.workers is not None:
            return max(1, self.workers // len(first))
        on_cpu = all(place.device.kind == "cpu" for place in first)
        return max(1, len(devices.cores()) // first[0].threads) if on_cpu else MOST_ON_A_GPU


def work_here(study: "WinnowStudy", wishes: Wishes) -> "Status":
    """Run a study on this machine's devices with progress on stderr, until it is done or stopped from elsewhere.

    Leaves with 128 + the signal's number when it was interrupted here.
    """
    from winnow.search.launch.local import LocalRun
    from winnow.search.launch.packer import peak_memory
    from winnow.search.report.terminal.progress import Progress
    from winnow.search.worker.trainer_process import settled_threads

    places = wishes.places(settled_threads(study), peak_memory(study))
    run = LocalRun(study, places, wishes.grace_seconds, wishes.more, wishes.pack_to(places))
    if run.now.is_done:
        return run.now
    console = terminal(stderr=True)
    workers = place_words(run.places, wishes.packs)
    console.print(f"{study.name}: {budget_words(run.now.spent.budget)} on {workers}", highlight=False, soft_wrap=True)
    with Progress(console, run.now) as progress:
        end = run.run(progress.show)
    if not end.is_done:
        done = f"{end.finished} trials are finished, {end.active} wait to go on"
        console.print(f"Stopped: {done}. The same command goes on.", highlight=False)
        if run.fleet.stopped_by is not None:
            sys.exit(128 + run.fleet.stopped_by)
    return end


def serve_here(storage: "Storage", wishes: Wishes) -> None:
    """Serve every active study with this machine's devices, until interrupted."""
    from winnow.errors import DeviceError
    from winnow.search.launch.fleet import Fleet

    if wishes.packs:
        raise DeviceError("--slots auto measures the trials of one study, and a pool serves many", "give a number")
    places = wishes.places()
    fleet = Fleet(
        ["--all", *wishes.more],
        places,
        storage.database.url,
        storage.files / "logs",
        grace_seconds=wishes.grace_seconds,
    )
    storage.database.patience = math.inf
    storage.database.give_up = lambda: fleet.stopped_by is not None
    terminal(stderr=True).print(f"every study of {storage.place} on {place_words(places)}", highlight=False)
    fleet.run(lambda: False)


def work_in_rounds(wanted: Callable[[], list[Any]], add: Callable[[list[Any]], "WinnowStudy"], wishes: Wishes) -> None:
    """Train what an analysis wants next, and again, until it wants nothing more."""
    from winnow.errors import StudyError
    from winnow.search.analysis import status

    while rows := wanted():
        study = add(rows)
        if status.read(study).is_done:
            raise StudyError(
                f"{len(rows)} trainings of {study.name!r} ended without leaving a result",
                f"winnow status {study.name} says why; optuna delete-study begins anew",
            )
        if not work_here(study, wishes).is_done:
            raise StudyError(
                f"the study {study.name!r} was stopped before there is an answer", "the same command goes on"
            )


def budget_words(budget: "Budget") -> str:
    """A budget as a person says it."""
    parts = [
        f"{budget.trials} trials" if budget.trials is not None else "",
        f"{budget.hours:g} hours" if budget.hours is not None else "",
        f"{budget.device_hours:g} device-hours" if budget.device_hours is not None else "",
    ]
    return " or ".join(part for part in parts if part) + (" at most" if sum(map(bool, parts)) > 1 else "")


def place_words(places: "Sequence[Place]", more_may_come: bool = False) -> str:
    """How many workers there are, and on what."""
    if not places:
        return "the workers elsewhere"
    where = ", ".join(f"{count} on {device}" for device, count in Counter(p.device.name for p in places).items())
    threads = places[0].threads
    more = ", and more while they fit and pay" if more_may_come else ""
    workers = "1 worker" if len(places) == 1 else f"{len(places)} workers"
    return f"{workers} ({where}; {threads} thread{'s' * (threads > 1)} each){more}"


def terminal(stderr: bool = False) -> "Console":
    """Where a person reads: stdout for results, stderr for progress."""
    from rich.console import Console

    return Console(stderr=stderr)
