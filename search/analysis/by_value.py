"""Questions that the trials of a search answer by the values of its hyperparameters: along one, in pairs, in cells."""

from collections.abc import Sequence
from dataclasses import replace

from winnow.search.analysis import curve_reading, formatting
from winnow.search.analysis.answers import Answer
from winnow.search.analysis.commands import known_commands, methods_command
from winnow.search.analysis.comparisons import (
    Group,
    best_of,
    company,
    compare,
    comparisons_asked,
    first_of,
    flattered,
    groups,
    searched,
    untold,
    worst_counts,
)
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.curve_reading import Reading, Shape
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import counted, duration, interval, listed, number, score
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.questions import Question


def region(record: StudyRecord, group: Group, best: Group) -> tuple[str, int]:
    """Return what most trainings with one value do (diverge, stay at chance, saturate or learn), and how many do.

    It saturates where the validation loss fell no more in the last fifth of the epochs and the value is not the best;
    of a few epochs that is not said.
    """
    readings = _readings(group)
    half = len(readings) / 2
    for shape, verdict in ((Shape.DIVERGENCE, "diverges"), (Shape.CHANCE, "stays at chance")):
        if (many := sum(shape in reading.found for reading in readings)) > half:
            return verdict, many
    moving = sum(Shape.UNFINISHED in reading.found for reading in readings) > half
    short = sum(len(trial.curve) < curve_reading.FEWEST for trial in group.trials) > half
    verdict = "learns" if group is best or moving or short else "saturates"
    return verdict, len(readings) - _untrained(readings)


def along(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    """Say which values diverge, stay at chance, saturate or learn, and which is the best."""
    known = groups(record, [asked.of])
    best = best_of(record, known)
    regions = {group.name: region(record, group, best) for group in known}
    shares = {group.name: _share(regions[group.name][1], group) for group in known}
    members = {verdict: [name for name in regions if regions[name][0] == verdict] for verdict in _REGIONS}
    told = [
        f"{listed([name + shares[name] for name in names])} {verdict if len(names) == 1 else _REGIONS[verdict]}"
        for verdict, names in members.items()
        if names
    ]
    said = (
        f"Of {asked.of}, {'; '.join(told)}. The best mean {record.metric} is {_sample(best)} at {best.name}, "
        f"over {counted(len(best.trials), 'training')}{_flatters(known, 'values')}.",
        worst_counts(record, known),
    )
    verdicts = {name: verdict + shares[name] for name, (verdict, _) in regions.items()}
    rows = [(group.name, verdicts[group.name], mean_of(group), ends(group), str(len(group.trials))) for group in known]
    headings = (asked.of, "verdict", f"mean {record.metric}", "95 % interval", "trainings")
    return Answer(asked.asks, tuple(filter(None, said)), headings, tuple(rows))


_REGIONS = {"diverges": "diverge", "stays at chance": "stay at chance", "saturates": "saturate", "learns": "learn"}


def compared(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    """Say by how much each value is better than the baseline's, all else equal, and at which cost."""
    assert found.spec is not None
    sampler, among = found.spec.sampler.name, comparisons_asked(record, found.spec.question)
    why = untold(record, sampler)
    measured: list[Effect] = []
    for part in groups(record, asked.across) if not why else ():
        within = replace(record, trials=part.trials) if asked.across else record
        where = _where(asked.across, part).removeprefix("with ")
        ranked = sorted(compare(within, asked.of, sampler, among), key=lambda effect: -effect.effect)
        measured += [replace(each, method=f"{where}: {each.method}".removeprefix(": ")) for each in ranked]
    known = groups(record, [asked.of])
    if not measured:
        missing = f"Not told by these trials: {why or f'all have one {asked.of}'}."
        command = methods_command(record)
        missing += " It is measured by" if command else ""
        return Answer(asked.asks, (missing,), commands=known_commands(command))
    first = first_of(record, known)
    gains = "; ".join(f"{told_gain(effect)}, {_VERDICTS[effect.verdict]}" for effect in measured)
    alike = "all else equal" if found.spec.sampler.name == "grid" else "all else adjusted for"
    said = [f"Gain in {record.metric} (above 0 is better), {alike}: {gains}."]
    said += [worst_counts(record), flattered(found.spec.built_in, [asked.of]), company(record, asked.of)]
    if asked.per:
        costs = {group.name: getattr(group, asked.per) for group in known}
        unit = "parameters" if asked.per == "parameters" else "training time"
        shares = [
            f"{group.name} has {costs[group.name] / costs[first.name]:.2f} times the {unit}"
            for group in known
            if group is not first
        ]
        said.append(f"Beside {first.name}, {', '.join(shares)}.")
    rows = [
        (
            *(number(value) for value in group.setting),
            *(mean_of(group), ends(group), _parameters(group), duration(group.seconds), str(len(group.trials))),
        )
        for group in groups(record, [asked.of, *asked.across])
    ]
    told = (f"mean {record.metric}", "95 % interval", "parameters", "training time", "trainings")
    headings = (asked.of, *asked.across, *told)
    return Answer(asked.asks, tuple(filter(None, said)), headings, tuple(rows), tuple(measured))


_VERDICTS = {"helps": "better", "hurts": "worse", "inconclusive": "inconclusive"}


def cell_verdict(group: Group) -> str:
    """Return `trains`, `overfits` or `does not train`, by what most of the cell's curves show; how many if not all."""
    readings = _readings(group)
    dead = _untrained(readings)
    if dead > len(readings) / 2:
        return f"does not train{_share(dead, group)}"
    overfitting = sum(Shape.OVERFITTING in reading.found for reading in readings) > len(readings) / 2
    return f"{'overfits' if overfitting else 'trains'}{_share(len(readings) - dead, group)}"


def _readings(group: Group) -> list[Reading]:
    return [curve_reading.read(trial) for trial in group.trials]


def _untrained(readings: Sequence[Reading]) -> int:
    """Return how many trainings diverged or stayed at chance."""
    return sum(not {Shape.DIVERGENCE, Shape.CHANCE}.isdisjoint(reading.found) for reading in readings)


def _share(many: int, group: Group) -> str:
    """Return how many of a group's trainings do what is said of it; nothing where all do."""
    return f" ({many} of {len(group.trials)})" if many < len(group.trials) else ""


def depth(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    """Say which values train and which do not, for each setting of the others."""
    columns = groups(record, asked.across)
    cells = {group.setting: group for group in groups(record, [asked.of, *asked.across])}
    depths = [group.setting[0] for group in groups(record, [asked.of])]
    found_out: dict[str, list[str]] = {}
    for column in columns:
        here = [(each, cells[each, *column.setting]) for each in depths if (each, *column.setting) in cells]
        failing = [number(each) for each, cell in here if _untrained(_readings(cell)) > len(cell.trials) / 2]
        training = [number(each) for each, _ in here if number(each) not in failing]
        if not failing:
            words = f"every value trains, up to {training[-1]}, the largest tried"
        elif not training:
            words = f"none trains, from {failing[0]} on"
        else:
            words = f"{listed(training)} trained and {listed(failing)} did not"
        found_out.setdefault(words, []).append(_where(asked.across, column))
    told = [
        words if len(wheres) == len(columns) else f"{listed(wheres)} {words}" for words, wheres in found_out.items()
    ]
    rows = []
    top = best_of(record, list(cells.values()))
    best = ", ".join(
        f"{name} {number(value)}" for name, value in zip((asked.of, *asked.across), top.setting, strict=True)
    )
    for depth in depths:
        row = [cells.get((depth, *column.setting)) for column in columns]
        rows.append((number(depth), *(f"{mean_of(cell)}, {cell_verdict(cell)}" if cell else "—" for cell in row)))
    many = _flatters(list(cells.values()), "cells")
    said = (
        f"Of {asked.of}, {'; '.join(told)}. The best mean is {_sample(top)} with {best}{many}.",
        worst_counts(record, list(cells.values())),
    )
    headings = (asked.of, *(_where(asked.across, column).removeprefix("with ") or record.metric for column in columns))
    return Answer(asked.asks, tuple(filter(None, said)), headings, tuple(rows))


def _flatters(known: Sequence[Group], kind: str) -> str:
    """Return of how many the best was chosen, by the very trainings whose interval it has; nothing of one."""
    return f", the best of {len(known)} {kind}, which flatters it" if len(known) > 1 else ""


def _where(names: Sequence[str], group: Group) -> str:
    said = ", ".join(f"{name} {number(value)}" for name, value in zip(names, group.setting, strict=True))
    return f"with {said}" if said else ""


def smallest(asked: Question, record: StudyRecord, found: Conclusions) -> Answer:
    """Say with which value the smallest network reaches what is good enough, for each setting of the others."""
    said, rows, shown = [], [], list[Group]()
    wanted = asked.solved
    assert wanted is not None
    for column in groups(record, asked.across):
        rest = [name for name in searched(record) if name not in (asked.of, *asked.across)]
        cells: dict[object, list[Group]] = {}
        for group in groups(record, [asked.of, *asked.across, *rest]):
            if group.setting[1 : 1 + len(asked.across)] == column.setting:
                cells.setdefault(group.setting[0], []).append(group)
        tops = {size: best_of(record, members) for size, members in cells.items()}
        solving = [
            (top.parameters, size, top)
            for size, top in tops.items()
            if record.loss(top.values.mean) <= record.loss(wanted)
        ]
        shown += tops.values()
        where = _where(asked.across, column) or "with what was tried"
        if solving:
            weights, size, top = min(solving, key=lambda entry: entry[0])
            said.append(f"{where} {asked.of} {number(size)} ({weights:.0f} parameters, {_sample(top)})")
        else:
            nearest = best_of(record, list(tops.values()))
            said.append(f"{where} none (at best {_sample(nearest)} with {number(nearest.setting[0])})")
        rows += [
            (
                number(size),
                *(number(value) for value in column.setting),
                _parameters(top),
                mean_of(top),
                ends(top),
                "solved" if any(size == s for _, s, _ in solving) else "not solved",
            )
            for size, top in sorted(tops.items(), key=lambda entry: entry[1].parameters)
        ]
    sentence = f"The smallest that reaches {number(wanted)} in the mean, with the best of all else: {'; '.join(said)}."
    headings = (asked.of, *asked.across, "parameters", f"best mean {record.metric}", "95 % interval", "verdict")
    return Answer(asked.asks, tuple(filter(None, (sentence, worst_counts(record, shown)))), headings, tuple(rows))


def told_gain(effect: Effect) -> str:
    """Return a change with what it gains."""
    return f"{effect.method} {effect.effect:+z.4f} ({span(effect)})"


def span(effect: Effect) -> str:
    """Return the interval of an effect."""
    return formatting.span((effect.low, effect.high), "+")


def mean_of(group: Group) -> str:
    """Return the mean of a group's results; a dash where every training diverged."""
    return "—" if group.diverged else score(group.values.mean)


def ends(group: Group) -> str:
    """Return the interval of that mean; a dash where every training diverged, and unknown of one training."""
    return "—" if group.diverged else interval(group.values)


def _sample(group: Group) -> str:
    return f"{mean_of(group)} ({ends(group)})" if len(group.trials) > 1 else f"{mean_of(group)}, trained once"


def _parameters(group: Group) -> str:
    return "—" if group.parameters != group.parameters else f"{group.parameters:,.0f}"
