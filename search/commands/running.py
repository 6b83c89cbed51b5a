"""Running a study on this machine while a person watches."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from search.places import Place
    from search.status import Status
    from search.study import WinnowStudy
    from storage import Storage
    from storage.budget import Budget


@dataclass(frozen=True)
class Wishes:
    """What a person said of the fleet that is to train (see `options.fleet_options`)."""

    devices: str
    slots: int | None
    workers: int | None
    grace_seconds: float
    more: tuple[str, ...] = ()
    """What else each worker is told."""

    def places(self, threads: int | None = None) -> "list[Place]":
        """The places of its workers; raises DeviceError where this machine has no such ones."""
        from search import devices, places

        found = devices.choose(self.devices)
        return places.plan(found, devices.cores(), slots=self.slots, workers=self.workers, threads=threads)


def work_here(study: "WinnowStudy", wishes: Wishes) -> "Status":
    """Run a study on this machine's devices with progress on stderr, until it is done or stopped from elsewhere.

    Leaves with 128 + the signal's number when it was interrupted here.
    """
    from search.local import LocalRun
    from search.progress import Progress
    from search.trainer_process import settled_threads

    run = LocalRun(study, wishes.places(settled_threads(study)), wishes.grace_seconds, wishes.more)
    if run.now.is_done:
        return run.now
    console = terminal(stderr=True)
    console.print(f"{study.name}: {budget_words(run.now.spent.budget)} on {place_words(run.places)}", highlight=False)
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
    from search.fleet import Fleet
    from storage.leases import count_ended

    places = wishes.places()
    fleet = Fleet(
        ["--all", *wishes.more],
        places,
        storage.engine.url.render_as_string(hide_password=False),
        storage.files / "logs",
        finished=lambda: count_ended(storage.engine),
        grace_seconds=wishes.grace_seconds,
    )
    storage.link.patience = math.inf
    storage.link.give_up = lambda: fleet.stopped_by is not None
    terminal(stderr=True).print(f"every study of {storage.place} on {place_words(places)}", highlight=False)
    fleet.run(lambda: False)


def work_in_rounds(wanted: Callable[[], list[Any]], add: Callable[[list[Any]], "WinnowStudy"], wishes: Wishes) -> None:
    """Train what an analysis wants next, and again, until it wants nothing more."""
    from search import status
    from search.errors import StudyError

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


def place_words(places: "Sequence[Place]") -> str:
    """How many workers there are, and on what."""
    where = ", ".join(f"{count} on {device}" for device, count in Counter(p.device.name for p in places).items())
    threads = places[0].threads
    return f"{len(places)} workers ({where}; {threads} thread{'s' * (threads > 1)} each)"


def terminal(stderr: bool = False) -> "Console":
    """Where a person reads: stdout for results, stderr for progress."""
    from rich.console import Console

    return Console(stderr=stderr)
