"""What a person who does not watch a study wants to hear of it: that it ended, stalls, finds no worker, fails often."""

from dataclasses import dataclass, field

from winnow.search.analysis.formatting import counted, duration
from winnow.search.analysis.status import Status
from winnow.search.study.sections import NotifySection
from winnow.storage.activity import State
from winnow.storage.workers import SILENT_SECONDS


@dataclass
class Troubles:
    """One study, looked at again and again: each trouble is said once, and once more after it had passed."""

    asked: NotifySection
    _since: dict[str, float] = field(default_factory=dict)
    """By trouble, the moment of the first look that saw it."""
    _told: set[str] = field(default_factory=set)
    _progress: object = None

    def look(self, now: Status, seconds: float) -> list[tuple[str, str]]:
        """Return what to say, each as a title and a sentence, at a look `seconds` after any fixed moment."""
        moved, self._progress = self._progress != _progress(now), _progress(now)
        here = [worker for worker in now.workers if worker.age < SILENT_SECONDS]
        wants = now.state is State.ACTIVE and not now.is_done
        failed, wait = now.states.get("FAIL", 0), 60 * self.asked.minutes
        found = {
            "end": (now.is_done, 0.0, "is done", ended(now)),
            "no_worker": (wants and not here, wait, "finds no worker", f"winnow work {now.study} starts one"),
            "stall": (
                wants and bool(here) and not moved,
                wait,
                "stalls",
                f"no epoch has ended for {duration(wait)}, though {counted(len(here), 'worker')} gave signs of life",
            ),
            "failures": (
                failed >= self.asked.failures and failed > self.asked.failed_share * now.finished,
                0.0,
                "fails often",
                f"{failed} of {counted(now.finished, 'trial')} failed, most: {next(iter(now.failures), '')}",
            ),
        }
        said = []
        for name, (is_so, patience, title, words) in found.items():
            if not is_so:
                self._since.pop(name, None)
                self._told.discard(name)
                continue
            first = self._since.setdefault(name, seconds)
            if name not in self._told and seconds - first >= patience:
                self._told.add(name)
                if name in self.asked.on:
                    said.append((f"Winnow: {now.study} {title}", words))
        return said


def _progress(now: Status) -> object:
    return now.finished, now.paused, sorted((number, len(curve)) for number, curve in now.curves.items())


def ended(now: Status) -> str:
    """Return how a study ended, in a sentence."""
    best = now.best_words or "no result"
    return f"{counted(now.finished, 'trial')} finished, {now.states.get('FAIL', 0)} failed, {best}"
