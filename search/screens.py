"""What commands print: results as tables and sentences for a terminal."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search import summary
from search.confirm import Confirmation, Sample
from search.history import History
from search.replay import Replay
from search.status import Status
from search.summary import duration, number


def result(record: History) -> RenderableType:
    """The end of a run: best beside baseline, in figures and in words, and what to do next."""
    best, baseline = record.best, record.baseline
    parts: list[RenderableType] = []
    if best is not None:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("hyperparameter")
        table.add_column(f"best (trial {best.number})", justify="right")
        table.add_column("baseline", justify="right")
        for row in summary.comparison(record):
            table.add_row(row.name, number(row.best), number(row.baseline))
        table.add_section()
        reached = number(baseline.value) if baseline is not None else ""
        table.add_row(record.metric, Text(number(best.value), style="bold"), reached)
        parts += [table, Text()]
    parts += [Text(sentence) for sentence in summary.sentences(record)]
    return Group(*parts)


def status(now: Status) -> RenderableType:
    """`winnow status`."""
    states = ", ".join(f"{count} {state.lower()}" for state, count in sorted(now.states.items())) or "no trial yet"
    best = f"{number(now.best.value)} (trial {now.best.number})" if now.best else "none yet"
    lines = [
        Text.assemble((now.study, "bold"), f": {states}"),
        Text(f"best {best}, baseline {number(now.baseline) if now.baseline is not None else 'not finished'}"),
        Text(f"{duration(now.spent.device_seconds)} of device time spent"),
        Text(now.spent.exhausted or "more trials can be given out"),
    ]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("worker", "device", "doing", "trial", "epoch", "last seen"):
        table.add_column(name)
    for worker in now.workers:
        trial = "" if worker.trial_number is None else str(worker.trial_number)
        epoch = "" if worker.epoch is None else str(worker.epoch)
        table.add_row(worker.worker, worker.device, worker.state, trial, epoch, f"{duration(worker.age)} ago")
    failures = [Text(f"{count} failed: {reason}") for reason, count in now.failures.items()]
    return Group(*lines, *([table] if now.workers else []), *failures)


def replay(result: Replay) -> RenderableType:
    """`winnow replay`."""
    count = len(result.recorded)
    if result.identical:
        return Text(f"Trial {result.number}: {count} epochs trained again, identical to the bit.")
    lines = [f"Trial {result.number}: {count} epochs trained again, and they differ:", *result.differences[:10]]
    if result.platform_differences:
        lines += ["The same bits are promised on the same platform only, and it differs:"]
        lines += result.platform_differences
    return Group(*(Text(line) for line in lines))


def confirmation(found: Confirmation) -> RenderableType:
    """`winnow confirm`."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (f"best (trial {found.best_number})", "baseline"):
        table.add_column(name, justify="right")
    where = found.metric.removeprefix("validation ")
    table.add_row(f"validation {where}", _words(found.best), _words(found.baseline))
    table.add_row(f"test {where}", _words(found.best_on_test), _words(found.baseline_on_test))
    low, high = found.gain.interval
    first = "for the first time" if not found.read_before else f"after {found.read_before} readings before"
    lines = [
        f"Mean ± standard deviation over {len(found.seeds)} fresh seeds; test data were read {first}.",
        f"On test data {found.verdict}: {found.gain.mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}.",
        f"The search's best value, {number(found.searched_value)}, was {abs(found.optimism):.4f} "
        f"{'too hopeful' if found.optimism > 0 else 'too modest'} on validation data.",
    ]
    return Group(table, Text(), *(Text(line) for line in lines))


def confirmation_numbers(found: Confirmation) -> dict[str, Any]:
    """`winnow confirm --json`."""
    return {
        **asdict(found),
        "gain_on_test": {"mean": found.gain.mean, "interval": found.gain.interval},
        "optimism": found.optimism,
        "verdict": found.verdict,
    }


def _words(sample: Sample) -> str:
    return f"{sample.mean:.4f} ± {sample.deviation:.4f}"
