"""What commands print: results as tables and sentences for a terminal."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from winnow.search.analysis import summary
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.formatting import interval, number, spread
from winnow.search.analysis.pareto import Point
from winnow.search.analysis.replay import Replay
from winnow.search.analysis.statistics import Sample
from winnow.search.analysis.study_record import StudyRecord


def result(record: StudyRecord) -> RenderableType:
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


def front(points: Sequence[Point], metric: str, cost: str) -> RenderableType:
    """`winnow front`."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("trial", metric, cost):
        table.add_column(name, justify="right")
    for point in points:
        spent = f"{point.cost:,.0f}" if cost == "parameters" else number(point.cost)
        table.add_row(str(point.number), number(point.value), spent)
    return table


def confirmation(found: Confirmation) -> RenderableType:
    """`winnow confirm`."""
    where = found.metric.removeprefix("validation ")
    parts: list[RenderableType] = [_compared(found, where), Text()] if found.compared else []
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (f"trial {found.winner_number}", *(["baseline"] if found.baseline.scores else [])):
        table.add_column(name, justify="right")
    for data, sides in (
        ("validation", (found.winner, found.baseline)),
        ("test", (found.winner_on_test, found.baseline_on_test)),
    ):
        table.add_row(f"{data} {where}", *(spread(side) for side in sides if side.scores))
    return Group(*parts, table, Text(), *(Text(line) for line in confirmation_sentences(found)))


def _compared(found: Confirmation, where: str) -> Table:
    """Every candidate on the seeds that chose."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("compared", f"validation {where}", "95 % interval", "may be the best"):
        table.add_column(name, justify="left" if name == "compared" else "right")
    for trial, sample in sorted(found.compared.items(), key=lambda entry: _rank(found, entry[0], entry[1])):
        name = "baseline" if trial == found.baseline_number else f"trial {trial}"
        table.add_row(name, spread(sample), interval(sample), "yes" if trial in found.group else "no")
    return table


def _rank(found: Confirmation, trial: int, sample: Sample) -> float:
    return -sample.mean if found.maximise else sample.mean


def confirmation_sentences(found: Confirmation) -> list[str]:
    """What the repetitions showed, in plain words."""
    lines = [f"Trial {number} is left out: {why}." for number, why in found.dropped.items()]
    if len(found.group) > 1:
        others = ", ".join(str(number) for number in found.group[1:])
        lines.append(
            f"Trial {found.winner_number} came out ahead, but {others} cannot be told apart from it "
            "(paired by seed, Bonferroni)."
        )
    elif found.compared:
        lines.append(f"Trial {found.winner_number} is better than all others (paired by seed, Bonferroni).")
    first = "for the first time" if not found.read_before else f"after {found.read_before} readings before"
    own = ", none of which chose it" if found.compared else ""
    lines.append(f"Mean ± standard deviation over {len(found.seeds)} fresh seeds{own}; test data were read {first}.")
    if found.read_before:
        lines.append("What is chosen after test data were read is no longer independent of them.")
    if found.gain.scores:
        gain = f"{found.gain.mean:+.4f}, 95 % interval {interval(found.gain, '+')}"
        lines.append(f"On test data {found.verdict}: {gain}.")
    else:
        lines.append(f"{found.verdict[0].upper()}{found.verdict[1:]}.")
    if found.threshold_gain.scores:
        lines.append(
            "At a threshold chosen on the validation ROC curve (Youden), in place of 0.5, the winner's test accuracy "
            f"changes by {found.threshold_gain.mean:+.4f} to {spread(found.winner_at_threshold)} "
            f"(95 % interval of the change {interval(found.threshold_gain, '+')})."
        )
    if found.repeated_best.scores:
        hopeful = "too hopeful" if found.optimism.mean > 0 else "too modest"
        lines.append(
            f"The search's best value, {number(found.searched_value)} of trial {found.best_number}, was "
            f"{abs(found.optimism.mean):.4f} {hopeful} on validation data "
            f"(95 % interval {interval(found.optimism, '+')})."
        )
    return lines


_SAMPLES = (
    "winner",
    "baseline",
    "winner_on_test",
    "baseline_on_test",
    "winner_at_threshold",
    "repeated_best",
    "gain",
    "threshold_gain",
    "optimism",
)


def confirmation_numbers(found: Confirmation) -> dict[str, Any]:
    """`winnow confirm --json`; what is unknown is null."""
    samples = {name: getattr(found, name) for name in _SAMPLES}
    rest = {name: value for name, value in asdict(found).items() if name not in (*samples, "compared", "decision")}
    return {
        **rest,
        "threshold": found.decision and found.decision.curve.threshold,
        **{name: _sample_numbers(sample) for name, sample in samples.items()},
        "compared": {str(trial): _sample_numbers(sample) for trial, sample in found.compared.items()},
        "verdict": found.verdict,
    }


def _sample_numbers(sample: Sample) -> dict[str, Any] | None:
    if not sample.scores:
        return None
    interval = [bound if math.isfinite(bound) else None for bound in sample.interval]
    deviation = sample.deviation if len(sample.scores) > 1 else None
    return {"mean": sample.mean, "deviation": deviation, "interval": interval, "scores": sample.scores}
