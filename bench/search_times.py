"""When the trials of a search began and ended, and what it had spent by then, read from its SQLite storage."""

import datetime
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """A trial that ended; times are in seconds since the epoch of the clock."""

    began: float
    ended: float
    epochs: int
    complete: bool
    value: float | None
    """Of one that was pruned its last, where that was kept."""


def trials_of(storage: Path) -> list[Trial]:
    """Return the trials of a storage's one study, stock Optuna's or Winnow's, in the order in which they ended."""
    with closing(sqlite3.connect(storage)) as database:
        rows = database.execute(
            "SELECT datetime_start, datetime_complete, (SELECT count(*) FROM trial_intermediate_values AS reported"
            " WHERE reported.trial_id = trials.trial_id), state = 'COMPLETE', value"
            " FROM trials LEFT JOIN trial_values USING (trial_id)"
            " WHERE datetime_complete IS NOT NULL ORDER BY datetime_complete"
        ).fetchall()
    return [
        Trial(_seconds(began), _seconds(ended), epochs, bool(complete), value)
        for began, ended, epochs, complete, value in rows
    ]


@dataclass(frozen=True)
class Spent:
    """What a search of one worker had spent, and its best whole training, when an attempt at a trial ended."""

    searching: float
    """Seconds on the clock since the first attempt began."""
    training: float
    """Seconds of epochs, validation included."""
    epochs: int
    best: float | None


def spending_of(storage: Path) -> list[Spent]:
    """Return what a study of Winnow's had spent after each attempt: a trial that pauses has several."""
    with closing(sqlite3.connect(storage)) as database:
        attempts = database.execute(
            "SELECT trial_id, started_at, ended_at, earlier_epochs, lead(earlier_epochs) OVER"
            " (PARTITION BY trial_id ORDER BY token), CASE state WHEN 'COMPLETE' THEN value END"
            " FROM winnow_attempts JOIN trials USING (trial_id) LEFT JOIN trial_values USING (trial_id)"
            " WHERE ended_at IS NOT NULL ORDER BY ended_at"
        ).fetchall()
        seconds = dict[int, list[float]]()
        for trial, of_epoch in database.execute("SELECT trial_id, seconds FROM winnow_epochs ORDER BY trial_id, epoch"):
            seconds.setdefault(trial, []).append(of_epoch or 0.0)
    found, training, epochs, best = list[Spent](), 0.0, 0, None
    for trial, _, ended, earlier, until, value in attempts:
        own = seconds.get(trial, [])[earlier:until]
        training, epochs = training + sum(own), epochs + len(own)
        if until is None and value is not None:  # it was trained to its end
            best = value if best is None else max(best, value)
        found.append(Spent(ended - attempts[0][1], training, epochs, best))
    return found


def _seconds(moment: str) -> float:
    return datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC).timestamp()
