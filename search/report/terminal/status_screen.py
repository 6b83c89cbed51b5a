"""What `winnow status` shows, and the table of workers that it shares with the progress of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from winnow.search.analysis.formatting import duration, score, state_word
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import mixed_code_words
from winnow.search.report.terminal.screen import NARROW
from winnow.storage.activity import State
from winnow.storage.workers import Worker

QUIET_SECONDS = 15.0
"""A worker that trains gives a sign more often."""


def status(now: Status) -> RenderableType:
    """`winnow status`."""
    counts = now.states | ({"WAITING": now.states["WAITING"] - now.paused, "paused": now.paused} if now.paused else {})
    states = ", ".join(f"{n} {state_word(state)}" for state, n in sorted(counts.items()) if n) or "no trial yet"
    if now.paused:
        states += f"; {now.looked_at} looked at, {now.states.get('COMPLETE', 0)} trained to their end"
    lines = [
        Text.assemble((now.study, "bold"), f": {states}"),
        Text((now.best_words or "best none yet") + _baseline_words(now)),
        *([Text(_time(now))] if now.has_spec else []),
        Text(stop_words(now) or state_words(now) or now.spent.exhausted or _budget_words(now)),
    ]
    if now.mixed_code:
        lines.append(Text(mixed_code_words(now.mixed_code), style="bold"))
    table: list[RenderableType] = [Text(), WorkersTable(now.workers)] if now.workers else []
    lost = [
        Text(f"{each.device} of {each.host} was given up {duration(each.age)} ago: {each.reason}")
        for each in now.given_up
    ]
    failures = [Text(f"{n} failed: {reason}{now.place_of_failure(reason)}") for reason, n in now.failures.items()]
    if now.all_failed and not now.workers:
        failures.append(Text("every trial failed: fix that and run it again"))
    return Group(*lines, *table, *([Text(), *lost] if lost else []), *([Text(), *failures] if failures else []))


def _baseline_words(now: Status) -> str:
    """Return the baseline's value, as it stands behind the best; empty where it has none."""
    if now.baseline is None:
        return ""
    return f", baseline {f'{now.metric} ' if now.objectives else ''}{score(now.baseline)}"


def _budget_words(now: Status) -> str:
    if now.has_spec:
        return "its budget is not used up"
    return "it has no spec, so a script of its own trains it; winnow create SPEC gives it one"


def _time(now: Status) -> str:
    shared = " (trials may share a device, and each counts in full)" if now.shares_devices else ""
    parts = [f"{duration(now.spent.device_seconds)} of device time spent{shared}"]
    if now.saved_training_seconds > 0:
        parts.append(f"{duration(now.saved_training_seconds)} of training time saved by pruning")
    if now.device_seconds_left is not None:
        parts.append(f"{duration(now.device_seconds_left)} left")
    return ", ".join([*parts, *([now.time_left] if now.time_left else [])])


@dataclass(frozen=True)
class WorkersTable:
    """Who is at work: host, device, trial, epoch and the age of the last sign of life; on a narrow screen the least."""

    workers: Sequence[Worker]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Leave out what there is no room for; the host gives way first."""
        if not self.workers:
            return
        narrow = options.max_width < NARROW
        table = Table(box=None, pad_edge=False, header_style="dim", collapse_padding=True)
        if not narrow:
            table.add_column("host", max_width=24)
        table.add_column("device", no_wrap=True)
        if not narrow:
            table.add_column("doing", no_wrap=True)
        for name in ("trial", "epoch", "value", "last sign"):
            table.add_column(name, justify="right", no_wrap=True)
        for worker in self.workers:
            where: list[RenderableType] = [
                Text(worker.host, no_wrap=True, overflow="ellipsis"),
                worker.device,
                worker.state,
            ]
            table.add_row(
                *(where[1:2] if narrow else where),
                "" if worker.trial_number is None else str(worker.trial_number),
                "" if not worker.epoch else str(worker.epoch),
                "" if worker.value is None else score(worker.value),
                Text(duration(worker.age), style="bold" if worker.age > QUIET_SECONDS else ""),
            )
        yield table


def stop_words(now: Status) -> str:
    """Return why the study ended before its budget was spent; empty where it did not."""
    return f"stopped early: {now.stopped}" if now.stopped else ""


def state_words(now: Status) -> str:
    """Return what somebody told the study's workers to do; empty where they just work."""
    if now.is_done or now.state is State.ACTIVE:
        return ""
    return f"{now.state} by hand: winnow resume {now.study} goes on"
