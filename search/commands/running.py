"""Running a study on this machine while a person watches."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from search.study import WinnowStudy
    from storage.budget import Budget


def work_here(study: "WinnowStudy", workers: int | None) -> None:
    """Run a study on this machine's devices with progress on stderr; leaves with 130 when it was interrupted."""
    from search import devices, status
    from search.fleet import Fleet
    from search.progress import Progress

    now = status.read(study)
    if now.is_done:
        return
    console = terminal(stderr=True)
    local = devices.local()
    fleet = Fleet(study, devices.assign(local, workers or len(local)))
    console.print(f"{study.name}: {budget_words(now.spent.budget)} on {len(fleet.slots)} workers", highlight=False)
    with Progress(console, now) as progress:
        end = fleet.run(progress.show)
    if fleet.stopping:
        done = f"{end.finished} trials are finished, {end.active} wait to go on"
        console.print(f"Stopped: {done}. The same command goes on.", highlight=False)
        sys.exit(130)


def work_in_rounds(
    wanted: Callable[[], list[Any]], add: Callable[[list[Any]], "WinnowStudy"], workers: int | None
) -> None:
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
        work_here(study, workers)


def budget_words(budget: "Budget") -> str:
    """A budget as a person says it."""
    parts = [
        f"{budget.trials} trials" if budget.trials is not None else "",
        f"{budget.hours:g} hours" if budget.hours is not None else "",
        f"{budget.device_hours:g} device-hours" if budget.device_hours is not None else "",
    ]
    return " or ".join(part for part in parts if part) + (" at most" if sum(map(bool, parts)) > 1 else "")


def terminal(stderr: bool = False) -> "Console":
    """Where a person reads: stdout for results, stderr for progress."""
    from rich.console import Console

    return Console(stderr=stderr)
