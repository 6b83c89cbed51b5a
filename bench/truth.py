"""Whether Winnow's conclusions are true: on noise and effects that are known, again and again.

`python -m bench.truth 500 rows.jsonl` prints tables: families of noise by procedures, each share with its interval.
What was counted is kept in the file, line by line, and not counted again by the next call. The arithmetic is Winnow's
own; only the trainings are replaced by a planted value and noise (`noise.py`).
"""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import optuna

from bench import designs
from bench.designs import DESIGNS
from bench.noise import Family, families, kept_apart, plain_width
from winnow.errors import StudyError
from winnow.search.analysis import (
    comparisons,
    contrasts,
    coverage,
    importance,
    importance_evaluators,
    new_data,
    pruning,
    readings,
)
from winnow.search.analysis.contrasts import Kind, MethodSet
from winnow.search.analysis.importance_evaluators import Method
from winnow.search.analysis.multiplicity import Question
from winnow.search.analysis.sequential import SequentialDesign, Training
from winnow.search.analysis.statistics import (
    ERROR,
    Sample,
    Scale,
    fenced,
    paired,
    possibly_best,
    proportion_interval,
    seeds_at_look,
)

UNEVEN = ("normal", "one arm skewed, others tight", "one arm breaks down in 7 %")
"""Of these kinds the procedures that take longest are counted first."""
COMPARED = ("normal", "counted on 50", "one arm five times as wide", "one arm skewed, others tight", "2 % break down")
"""Of these kinds values are compared."""
METHODS = ("strong", "medium", "useless", "left", "right")
Truth = Callable[[MethodSet], float]


def planted(on: MethodSet) -> float:
    """What each method does: `left` and `right` only work together, `useless` does nothing but make noise uneven."""
    return 0.06 * ("strong" in on) + 0.03 * ("medium" in on) + 0.06 * ({"left", "right"} <= on)


def nothing(on: MethodSet) -> float:
    """No method does anything."""
    return 0.0


@dataclass(frozen=True)
class Row:
    """How often something was so, of how many times."""

    procedure: str
    noise: str
    what: str
    hits: int
    times: int
    note: str = ""

    @property
    def cell(self) -> str:
        """The share with its interval."""
        low, high = proportion_interval(self.hits, self.times)
        return f"{self.hits / self.times:.1%} ({low:.1%} to {high:.1%}){self.note}"


def scale_of(family: Family) -> Scale:
    """What the family's scores can be."""
    return Scale(0.0, 1.0, 1 / family.examples if family.examples else 0.0, -1)


def intervals(family: Family, times: int, seeds: int) -> Iterator[Row]:
    """The interval of a mean: how often it holds the truth, and how wide it is beside Student's."""
    random, held, widths, plain = np.random.default_rng(seeds), 0, [], []
    for _ in range(times):
        scores = np.clip(family.centre + family.draw(random, seeds, True), 0, 1)  # t3 draws beyond, 1 in 200,000
        low, high = Sample(tuple(scores), scale_of(family)).interval
        assert scale_of(family).low <= low < high <= scale_of(family).high
        held += low - 1e-12 <= family.centre <= high + 1e-12
        widths.append(high - low)
        plain.append(plain_width(scores))
    wide = f"; {np.mean(widths) / np.mean(plain):.2f} x"
    yield Row("interval of a mean", family.name, f"{seeds} seeds", held, times, wide)


def confirmations(family: Family, times: int) -> Iterator[Row]:
    """Five candidates and a baseline, all equal: choose on five seeds, measure on five others."""
    random = np.random.default_rng(1)
    scale, alone, better, worse = scale_of(family), 0, 0, 0
    for _ in range(times):
        chosen, measured = (
            {i: list(family.centre + family.draw(random, 5, i == 0)) for i in range(6)} for _ in range(2)
        )
        group = possibly_best(chosen, scale)
        alone += len(group) == 1
        if group[0] != 5:
            low, high = paired(measured[group[0]], measured[5], scale).interval
            better += low > 0
            worse += high < 0
    yield Row("confirm", family.name, "one of six equals better than all", alone, times)
    yield Row("confirm", family.name, "winner better than an equal baseline", better, times)
    yield Row("confirm", family.name, "or worse", worse, times)


def equals(family: Family, times: int) -> Iterator[Row]:
    """Two equals: is one said to be better than all others?"""
    random, scale, alone = np.random.default_rng(6), scale_of(family), 0
    for _ in range(times):
        scores = {i: list(family.centre + family.draw(random, 5, i == 0)) for i in (0, 1)}
        alone += len(possibly_best(scores, scale)) == 1
    yield Row("two equals", family.name, "one is better than all others", alone, times)


def again(family: Family, times: int) -> Iterator[Row]:
    """Confirm an equal again, with a seed more each time, until it is better: seeds alone, of five and more."""
    random, scale, tries = np.random.default_rng(7), scale_of(family), []
    for _ in range(times):
        one, other = (list(family.centre + family.draw(random, 54, uneven)) for uneven in (True, False))
        gains = (paired(one[:seeds], other[:seeds], scale) for seeds in range(5, 55))
        lows = (gain.interval_at(readings.error_of_reading(before))[0] for before, gain in enumerate(gains))
        tries.append(next((many for many, low in enumerate(lows, 1) if low > 0), math.inf))
    for most in (1, 8, 20, 50):
        yield Row("confirm again", family.name, f"better, {most} tries", sum(many <= most for many in tries), times)


def looks(family: Family, methods: Sequence[str], times: int) -> Iterator[Row]:
    """All three looks at one line of a table on nothing: does any of its intervals miss the truth?"""
    random = np.random.default_rng(8)
    missed: dict[Kind, int] = {"alone": 0, "order": 0}
    sets = [frozenset(on) for size in range(len(methods) + 1) for on in itertools.combinations(methods, size)]
    design = SequentialDesign(tuple(methods), range(25), scale=Scale(worse=-1, step=scale_of(family).step))
    for _ in range(times):
        luck = 0.8 + random.normal(0, family.split * 0.01, 20)
        scores = {on: luck + family.draw(random, 20, "useless" in on) for on in sets}
        seeds = [range(seeds_at_look(look, 5)) for look in (1, 2, 3)]
        told = [design.answers({(on, seed): float(scores[on][seed]) for seed in each for on in sets}) for each in seeds]
        for kind in missed:
            lines = [each.effects[kind, "useless"] for each in told]
            missed[kind] += any(not line.low <= 0 <= line.high for line in lines)
    for kind, hits in missed.items():
        yield Row("all looks at one line", f"{family.name}, of {len(methods)}", f"{kind}: missed", hits, times)


def unseen(times: int, examples: int) -> Iterator[Row]:
    """Two configurations equal over all data, each with examples of its own that it finds hard; five seeds."""
    random, apart, apart_on_these = np.random.default_rng(2), 0, 0
    scale = Scale(-1.0, 1.0, 1 / examples)
    for _ in range(times):
        hard = random.random(examples) < 0.03
        sides = [np.where(hard, random.random(examples), 0.998) for _ in range(2)]
        first, second = (
            (random.random((5, examples)) < side + random.normal(0, 0.01, (5, 1))).astype(float) for side in sides
        )
        on_these = Sample(tuple((first - second).mean(1)), scale)
        low, high = new_data.interval(first - second, on_these, ERROR)
        apart += not low <= 0 <= high
        low, high = on_these.interval
        apart_on_these += not low <= 0 <= high
    noise = f"{examples:,} test examples"
    yield Row("two equals called unequal", noise, "on new data", apart, times)
    yield Row("two equals called unequal", noise, "on these examples", apart_on_these, times)


def ablations(family: Family, truth: Truth, times: int) -> Iterator[Row]:
    """A whole table: whether any verdict is false, what is found, and at what cost."""
    false, found, cost = 0, dict.fromkeys(_PLANTED, 0), []
    for seed in range(times):
        design, results = ablate(family, truth, seed)
        answers = design.answers(results)
        true = truths(design, answers.path, truth)
        signs = {"helps": 1, "hurts": -1, "inconclusive": 0}
        said = {question: signs[effect.verdict] for question, effect in answers.effects.items()}
        false += any(sign and sign != np.sign(round(true[question], 9)) for question, sign in said.items())
        for question in found:
            found[question] += said.get(question) == 1
        cost.append(len(results))
    what = "nothing" if truth is nothing else "planted"
    yield Row("ablate", family.name, f"{what}: table false", false, times, f"; {np.mean(cost):.0f} trainings")
    if truth is planted:
        for (kind, name), hits in found.items():
            yield Row("ablate", family.name, f"{name} found ({kind})", hits, times)


_PLANTED: tuple[Question, ...] = (
    ("alone", "strong"),
    ("alone", "medium"),
    ("removed", "medium"),
    ("together", "left and right"),
)


def ablate(family: Family, truth: Truth, seed: int) -> tuple[SequentialDesign, dict[Training, float | None]]:
    """One ablation, until nothing is open any more."""
    design = SequentialDesign(METHODS, range(25), scale=Scale(worse=-1, step=scale_of(family).step))
    random = np.random.default_rng(seed)
    luck = random.normal(0, family.split * 0.01, 25)
    results: dict[Training, float | None] = {}
    while wanted := design.next_trainings(results):
        for on, number in wanted:
            noise = float(family.draw(random, 1, "useless" in on)[0])
            results[on, number] = 0.8 + truth(on) + float(luck[number]) + noise
    return design, results


def truths(design: SequentialDesign, order: Sequence[str], truth: Truth) -> dict[Question, float]:
    asked = [*design.fixed_contrasts, *contrasts.path(order)]
    return {(c.kind, c.name): sum(weight * truth(on) for on, weight in c.weights(0).items()) for c in asked}


def values_compared(family: Family, design: str, times: int) -> Iterator[Row]:
    """Values side by side in a search's own trials: is any difference called one where there is none, or found?"""
    random, false, found = np.random.default_rng(9), 0, 0
    for gain, _ in itertools.product((0.0, 0.03), range(times)):
        studied = designs.values_compared(random, family, design, gain)
        effects = comparisons.compare(studied, "x", studied.sampler)
        if gain:
            found += any(effect.verdict == "helps" and effect.method.endswith("→ 1") for effect in effects)
        else:
            false += any(effect.verdict != "inconclusive" for effect in effects)
    yield Row("values compared", f"{design}, {family.name}", "nothing: something false", false, times)
    yield Row("values compared", f"{design}, {family.name}", "one gains 0.03: found", found, times)


def interactions(name: str, times: int, together: float) -> Iterator[Row]:
    """Four hyperparameters of which two work together, or none: which pairs pass Winnow's test of a design's trials."""
    random, false, found = np.random.default_rng(3), 0, 0
    for _ in range(times):
        searched = DESIGNS[name](random, partial(designs.value, random, together))
        unit, values = searched.unit[searched.completed], searched.values[searched.completed]
        values = fenced(values, "maximize")
        pairs = [pair for pair in itertools.combinations(range(4), 2) if coverage.visited(*unit.T[list(pair)])]
        clear = {
            p for p in pairs if coverage.enough(unit) and coverage.together_p(unit, values, p) <= ERROR / len(pairs)
        }
        false += bool(clear - ({(0, 1)} if together else set()))
        found += (0, 1) in clear
    what = "planted pair: another called clear" if together else "only additive: a pair called clear"
    yield Row("interactions", name, what, false, times)
    if together:
        yield Row("interactions", name, "planted pair found", found, times)


def importances(method: Method, name: str, family: Family, times: int) -> Iterator[Row]:
    """Two slopes, and two that do nothing: is the ranking right, and what do the intervals of the shares hold?"""
    random, right, useless, found = np.random.default_rng(5), 0, 0, []
    for _ in range(times):
        searched = DESIGNS[name](random, partial(designs.sloped, random, family))
        with suppress(StudyError):
            shares = importance.assess(designs.record(searched, name), method).shares
            right += [share.name for share in shares[:2]] == list(designs.SHARES)
            useless += any(share.certain for share in shares if share.name not in designs.SHARES)
            found.append(
                [share for share in sorted(shares, key=lambda share: share.name) if share.name in designs.SHARES]
            )
    procedure, noise, told = f"importance by {method}", f"{name}, {family.name}", len(found)
    yield Row(procedure, noise, "left out", times - told, times)
    if told:
        means = [float(np.mean([share.share for share in shares])) for shares in zip(*found, strict=True)]
        held = [
            sum(share.low <= true <= share.high for shares in found for share, true in zip(shares, truth, strict=True))
            for truth in (designs.SHARES.values(), means)
        ]
        yield Row(procedure, noise, "ranking right", right, told, f"; {' / '.join(f'{mean:.2f}' for mean in means)}")
        yield Row(procedure, noise, "interval holds the planted share", held[0], 2 * told)
        yield Row(procedure, noise, "or the mean over studies", held[1], 2 * told)
        yield Row(procedure, noise, "a useless one clear", useless, told)


def audits(trials: int, audit: float, early: float, times: int) -> Iterator[Row]:
    """How often the cuts lose the winner of a study: does what Winnow tells of the audited ones hold that share?"""
    random, none, held, shares, widths = np.random.default_rng(4), 0, 0, [], []
    for _ in range(times):
        searched = designs.tpe(random, partial(designs.value, random, 0.0), trials, designs.ASHA, audit, early)
        best = searched.values[searched.cut == 0].max()
        shares.append(float(np.mean(searched.values[searched.cut > 0] > best)))
        found = pruning.audit(designs.record(searched))
        none += found is None
        if found is not None:
            held += found.interval[0] <= shares[-1] <= found.interval[1]
            widths.append(found.interval[1] - found.interval[0])
    seen = "early epochs foretell much" if early < 0.1 else "little"
    procedure, noise = "audit of the pruner", f"{trials} trials, {audit:.0%} audited, {seen}"
    yield Row(procedure, noise, "none audited, nothing claimed", none, times)
    wide = f"; {np.mean(widths):.0%} wide, true {np.mean(shares):.1%}"
    yield Row(procedure, noise, "interval holds the share of cuts that lose the winner", held, times - none, wide)


def tasks(times: int) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    """All that is counted, each part by a name of its own: families kept apart too, what takes longest last."""
    every = [*families(), *kept_apart()]
    for family in every:
        for seeds in (3, 5, 10):
            yield f"interval, {family.name}, {seeds}", partial(intervals, family, 10 * times, seeds)
        yield f"confirm, {family.name}", partial(confirmations, family, times)
        yield f"equals, {family.name}", partial(equals, family, 8 * times)
    for family in (family for family in families() if family.name in UNEVEN):
        yield f"again, {family.name}", partial(again, family, times)
        yield f"looks, {family.name}, 1", partial(looks, family, METHODS[2:3], 4 * times)
        yield f"looks, {family.name}, 5", partial(looks, family, METHODS, times)
    for examples in (100, 360, 1000, 10_000):
        yield f"new data, {examples}", partial(unseen, min(times, 200) if examples > 1000 else times, examples)
    for family, design in itertools.product((each for each in every if each.name in COMPARED), designs.VALUES):
        yield f"values, {family.name}, {design}", partial(values_compared, family, design, times)
    for name in DESIGNS:
        for together in (0.0, 2.5):
            yield f"interactions, {name}, {together}", partial(interactions, name, times, together)
    for early, (trials, audit) in itertools.product((0.05, 1.0), ((40, 0.05), (40, 0.2), (200, 0.05))):
        yield f"audit, {trials}, {audit}, {early}", partial(audits, trials, audit, early, times)
    for family in (family for family in families() if family.name in (*UNEVEN[:2], "10 % break down")):
        for method, name in itertools.product(importance_evaluators.METHODS, DESIGNS):
            task = partial(importances, method, name, family, times // 10)
            yield f"importance, {family.name}, {method}, {name}", task
    for family in sorted(every, key=lambda family: family.name not in UNEVEN):
        yield f"ablation, {family.name}, nothing", partial(ablations, family, nothing, times)
        yield f"ablation, {family.name}, planted", partial(ablations, family, planted, times)


def tables(found: Sequence[Row]) -> str:
    """One table a procedure: a line for each noise, a column for each thing that was counted."""
    said = []
    for procedure in dict.fromkeys(row.procedure for row in found):
        of_it = [row for row in found if row.procedure == procedure]
        columns = list(dict.fromkeys(row.what for row in of_it))
        said += ["", f"| {procedure} ({of_it[0].times} times) | {' | '.join(columns)} |"]
        said += ["|---" * (len(columns) + 1) + "|"]
        for noise in dict.fromkeys(row.noise for row in of_it):
            cells = {row.what: row.cell for row in of_it if row.noise == noise}
            said.append(f"| {noise} | {' | '.join(cells.get(column, '') for column in columns)} |")
    return "\n".join(said[1:])


def main(arguments: Sequence[str]) -> None:
    """Count the tasks whose names hold all words: `TIMES FILE [WORD...]`; of importance a tenth as many."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    times, kept, words = int(arguments[0]), Path(arguments[1]), arguments[2:]
    lines = kept.read_text().splitlines() if kept.exists() else []
    done = {entry["task"]: entry["rows"] for entry in map(json.loads, lines)}
    for name, count in tasks(times):
        if name not in done and all(word in name for word in words):
            done[name] = [asdict(row) for row in count()]
            with kept.open("a") as file:
                file.write(json.dumps({"task": name, "rows": done[name]}) + "\n")
    print(tables([Row(**row) for rows in done.values() for row in rows]))


if __name__ == "__main__":
    main(sys.argv[1:])
