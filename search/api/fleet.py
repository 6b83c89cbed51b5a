"""Training on this machine's devices: which workers, and a study run by them while a person watches."""

import math
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self, TypedDict

from rich.console import Console

from winnow import defaults
from winnow.defaults import AUTO
from winnow.errors import DeviceError, StudyError
from winnow.records import Budget
from winnow.search.analysis.formatting import counted, duration
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.analysis.study_view import StudyView
from winnow.search.api.notebook import NotebookProgress
from winnow.search.launch import memory, placement
from winnow.search.launch.fleet import Fleet
from winnow.search.launch.local import LocalRun, refuse_to_waste
from winnow.search.launch.packer import peak_memory
from winnow.search.launch.placement import Place
from winnow.search.launch.tracking import Tracking
from winnow.search.report.terminal.progress import Progress
from winnow.search.report.terminal.screen import screen
from winnow.search.study.spec import Spec
from winnow.search.study.study import WinnowStudy
from winnow.search.worker import devices, numerics
from winnow.search.worker.trainer_process import refuse_missing_packages
from winnow.storage import Storage

MOST_ON_A_GPU = 16


class FleetArguments(TypedDict, total=False):
    """The keyword arguments of whatever trains on this machine: see `FleetOptions`."""

    devices: str
    slots: int | str | None
    workers: int | None
    grace_seconds: float


@dataclass(frozen=True)
class FleetOptions:
    """Which workers train on this machine."""

    devices: str = AUTO
    """`cpu`, `mps`, or GPUs separated by commas; `auto`: every GPU, or else the CPU."""
    slots: int | str | None = None
    """Workers per device; `auto`: as many as fit and speed up the search. By default one per GPU, one per CPU core."""
    workers: int | None = None
    """In all; 0 trains nothing here and waits for the workers elsewhere."""
    grace_seconds: float = defaults.GRACE_SECONDS
    """How long a trainer may take to finish its epoch when its worker is to exit."""
    worker_options: tuple[str, ...] = ()
    """Further options of each `winnow work`."""

    @property
    def packs(self) -> bool:
        """Whether the number of workers per device is measured."""
        return self.slots == AUTO and self.workers != 0

    def check(self, spec: Spec | None = None) -> None:
        """Raise DeviceError where this machine lacks devices or room, WinnowError where it cannot train a spec."""
        self.places(devices_per_trial=1 if spec is None else spec.fleet.devices_per_trial)
        if spec is not None and self.workers != 0:
            refuse_missing_packages(spec)

    def places(self, threads: int | None = None, measured: int = 0, devices_per_trial: int = 1) -> list[Place]:
        """Return the places of the workers; with `packs`, of the first worker on each device.

        `threads` is the study's CPU threads per trial, `measured` the memory of its trials so far in bytes. Raises
        DeviceError.
        """
        if self.workers == 0:
            return []
        if devices_per_trial > 1 and self.slots is not None:
            wrong = f"--slots has one device train several trials, and here {devices_per_trial} devices train one"
            raise DeviceError(wrong, "leave --slots out, or devices_per_trial in [fleet]")
        found, cores = devices.in_groups(devices.choose(self.devices), devices_per_trial), devices.cores()
        if self.packs:
            return placement.plan(found, cores, slots=1, threads=threads or 1)
        if not isinstance(self.slots, int):
            places = placement.plan(
                found, cores, workers=self.workers, threads=threads, devices_per_trial=devices_per_trial
            )
            for device, count in Counter(place.device for place in places).items():
                if device.kind != "cpu" and count > 1:  # one that is too full for one says so itself, and others work
                    memory.refuse_too_many(device, count, measured)
            return places
        for device in found:
            memory.refuse_too_many(device, self.slots, measured)
        return placement.plan(found, cores, slots=self.slots, workers=self.workers, threads=threads)

    def most_per_device(self, first: Sequence[Place]) -> int | None:
        """Return how many workers a device may get at most; None where the number is not measured."""
        if not self.packs:
            return None
        if self.workers is not None:
            return max(1, self.workers // len(first))
        on_cpu = all(place.device.kind == "cpu" for place in first)
        return max(1, len(devices.cores()) // first[0].threads) if on_cpu else MOST_ON_A_GPU


def run_here(
    study: WinnowStudy,
    options: FleetOptions,
    beside: Callable[[], None] | None = None,
    each_seconds: float = 0.0,
) -> Status:
    """Run a study with this machine's workers and show progress, until it is done or stopped from elsewhere.

    When its first trial has ended, `beside` is done in a thread. Where it is known
    what a training takes, `each_seconds`, the first line says how long all of them will.
    After Ctrl-C or SIGTERM every worker hands its trial back first; then raises KeyboardInterrupt or SystemExit.
    """
    with Tracking(study):
        return _run_here(study, options, beside, each_seconds)


def _run_here(
    study: WinnowStudy, options: FleetOptions, beside: Callable[[], None] | None, each_seconds: float
) -> Status:
    per_trial = study.spec.fleet.devices_per_trial
    places = options.places(numerics.settled_threads(study), peak_memory(study), per_trial)
    if places:
        numerics.suit_all(study, [place.device for place in places], places[0].threads)
    run = LocalRun(study, places, options.grace_seconds, options.worker_options, options.most_per_device(places))
    if run.now.is_done:
        refuse_to_waste(run.now)
        return run.now
    console = screen(stderr=True)
    workers = describe_places(run.places, options.packs, per_trial)
    budget = describe_budget(run.now.spent.budget)
    left = (run.now.spent.budget.trials or 0) - run.now.finished
    about = f", about {duration(left * each_seconds / len(places))}" if left and each_seconds and places else ""
    console.print(f"{study.name}: {budget} on {workers}{about}", highlight=False, soft_wrap=True)
    with _progress(console) as progress, _Beside(beside) as other:

        def show(now: Status) -> None:
            progress.show(now)
            if now.finished:
                other.start()

        end = run.run(show)
    if not (end.is_done or run.leaves_others):
        counts = f"{end.finished} trials finished, {end.active} to be continued"
        console.print(f"Stopped: {counts}. Run the same command to continue.", highlight=False)
        if run.fleet.stopped_by == signal.SIGINT:
            raise KeyboardInterrupt
        if run.fleet.stopped_by is not None:
            raise SystemExit(128 + run.fleet.stopped_by)
    return end


class _Beside:
    """Some work beside a run, started once and waited for at the end of the run where it was."""

    def __init__(self, work: Callable[[], None] | None) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._do, name="beside the trials", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun or there is nothing to do."""
        if self._work is not None and self._thread.ident is None:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._thread.ident is not None:
            self._thread.join()

    def _do(self) -> None:
        assert self._work is not None
        with suppress(Exception):  # whoever needs it does it himself and sees what is wrong
            self._work()


def _progress(console: Console) -> Progress | NotebookProgress:
    progress = Progress(console)
    return NotebookProgress(progress) if console.is_jupyter else progress


def serve_here(storage: Storage, options: FleetOptions) -> None:
    """Serve every active study with this machine's workers, until interrupted."""
    if options.packs:
        raise DeviceError("--slots auto measures the trials of one study, and --all serves many", "give a number")
    places = options.places()
    fleet = Fleet(
        ["--all", *options.worker_options],
        places,
        storage.database,
        storage.files / "logs",
        grace_seconds=options.grace_seconds,
    )
    storage.database.patience = math.inf
    storage.database.give_up = lambda: fleet.stopped_by is not None
    screen(stderr=True).print(f"every study of {storage.place} on {describe_places(places)}", highlight=False)
    fleet.run(lambda: math.inf)


def train_in_rounds(
    wanted: Callable[[], list[Any]],
    add: Callable[[list[Any]], WinnowStudy],
    options: FleetOptions,
    search: StudyRecord,
) -> None:
    """Train what an analysis of a search wants next, and again, until it wants nothing more; raises StudyError."""
    while rows := wanted():
        study = add(rows)
        if StudyView.of(study).status().is_done:
            raise StudyError(
                f"{len(rows)} trainings of {study.name!r} ended without a result",
                f"winnow status {study.name} shows why; optuna delete-study starts over",
            )
        if not run_here(study, options, each_seconds=_each_seconds(search)).is_done:
            raise StudyError(
                f"the study {study.name!r} was stopped before there is an answer", "run the same command to continue"
            )


def foreseen(trainings: int, search: StudyRecord, options: FleetOptions) -> str:
    """Return what so many more trainings of a search cost here, in words: `40 trainings, about 3 min 2 s`."""
    each, workers = _each_seconds(search), len(options.places(measured=0)) if options.workers != 0 else 0
    about = (
        f", about {duration(trainings * each / workers)} on {counted(workers, 'worker')}" if each and workers else ""
    )
    return counted(trainings, "training") + about


def _each_seconds(search: StudyRecord) -> float:
    """Return the mean time of its whole trainings; 0 where there is none."""
    return fmean([trial.seconds for trial in search.ranked] or [0.0])


def describe_budget(budget: Budget) -> str:
    """Return a budget in words: `40 trials or 2 hours at most`."""
    parts = [
        counted(budget.trials, "trial") if budget.trials is not None else "",
        counted(budget.epochs, "epoch") if budget.epochs is not None else "",
        f"{budget.hours:g} hours" if budget.hours is not None else "",
        f"{budget.device_hours:g} device-hours" if budget.device_hours is not None else "",
    ]
    return " or ".join(part for part in parts if part) + (" at most" if sum(map(bool, parts)) > 1 else "")


def describe_places(places: Sequence[Place], more_may_come: bool = False, devices_per_trial: int = 1) -> str:
    """Return the number of workers and their devices in words: `2 workers (2 on cpu; 1 thread each)`."""
    if not places:
        return "the workers elsewhere"
    where = ", ".join(f"{count} on {device}" for device, count in Counter(p.device.name for p in places).items())
    threads = places[0].threads
    more = ", and more while they fit and speed up the search" if more_may_come else ""
    processes = f"{devices_per_trial} processes a trial, " if devices_per_trial > 1 else ""
    return f"{counted(len(places), 'worker')} ({where}; {processes}{counted(threads, 'thread')} each){more}"
