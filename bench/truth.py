"""Whether Winnow's conclusions are true: on noise and effects that are known, again and again.

`python bench/truth.py 500 rows.jsonl` prints tables: families of noise by procedures, each share with its interval.
What was counted is kept in the file, line by line, and not counted again by the next call. The arithmetic is Winnow's
own; only the trainings are replaced by a planted value and noise (`noise.py`).
"""

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import optuna

from bench.noise import Array, Family, families, kept_apart, plain_width
from winnow.search.analysis import contrasts, coverage, new_data
from winnow.search.analysis.contrasts import MethodSet
from winnow.search.analysis.multiplicity import Question
from winnow.search.analysis.sequential import SequentialDesign, Training
from winnow.search.analysis.statistics import (
    ERROR,
    Sample,
    Scale,
    paired,
    possibly_best,
    proportion_interval,
    worse_fence,
)

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
        scores = family.centre + family.draw(random, seeds, True)
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
        truths = _truths(design, answers.path, truth)
        signs = {"helps": 1, "hurts": -1, "inconclusive": 0}
        said = {question: signs[effect.verdict] for question, effect in answers.effects.items()}
        false += any(sign and sign != np.sign(round(truths[question], 9)) for question, sign in said.items())
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


def _truths(design: SequentialDesign, order: Sequence[str], truth: Truth) -> dict[Question, float]:
    asked = [*design.fixed_contrasts, *contrasts.path(order)]
    return {(c.kind, c.name): sum(weight * truth(on) for on, weight in c.weights(0).items()) for c in asked}


def interactions(name: str, times: int, together: float) -> Iterator[Row]:
    """Four hyperparameters of which two work together, or none: which pairs pass Winnow's test of a design's trials."""
    random, false, found = np.random.default_rng(3), 0, 0
    for _ in range(times):
        unit, values = DESIGNS[name](random, together)
        values = np.maximum(values, worse_fence(values, "maximize"))
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


def value(random: np.random.Generator, unit: Array, together: float) -> Array:
    """A hill, a slope, a knee, one that does nothing, and two together; one training in twenty breaks down."""
    x, y, z, _ = unit.T
    true = -3 * (x - 0.6) ** 2 + 0.5 * y - 0.3 * np.exp(-8 * z) + together * (x - 0.5) * (y - 0.5)
    noisy: Array = true + random.normal(0, 0.05, len(unit)) - (random.random(len(unit)) < 0.05)
    return noisy


def _random(random: np.random.Generator, together: float) -> tuple[Array, Array]:
    unit = random.random((80, 4))
    return unit, value(random, unit, together)


def _grid(random: np.random.Generator, together: float) -> tuple[Array, Array]:
    unit = np.array(list(itertools.product((0.1, 0.5, 0.9), repeat=4)))
    return unit, value(random, unit, together)


def _coordinate(random: np.random.Generator, together: float) -> tuple[Array, Array]:
    base, rows = np.full(4, 0.5), []
    for axis in [0, 1, 2, 3] * 2:
        tried = np.tile(base, (10, 1))
        tried[:, axis] = random.random(10)
        rows.append(tried)
        base = tried[int(np.argmax(value(random, tried, together)))]
    unit = np.concatenate(rows)
    return unit, value(random, unit, together)


def _tpe(random: np.random.Generator, together: float) -> tuple[Array, Array]:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=int(random.integers(1e9)))
    )
    rows, told = [], []
    for _ in range(60):
        trial = study.ask()
        rows.append([trial.suggest_float(name, 0, 1) for name in "xyzw"])
        told.append(float(value(random, np.array(rows[-1:]), together)[0]))
        study.tell(trial, told[-1])
    return np.array(rows), np.array(told)


def _freeze_thaw(random: np.random.Generator, together: float) -> tuple[Array, Array]:
    """Many begun, and the third that looked best after a fifth of their epochs trained to the end."""
    unit = random.random((240, 4))
    early = 0.6 * value(random, unit, together) + random.normal(0, 0.05, 240)
    unit = unit[np.argsort(-early)[:80]]
    return unit, value(random, unit, together)


DESIGNS = {"random": _random, "grid": _grid, "coordinate": _coordinate, "TPE": _tpe, "freeze-thaw": _freeze_thaw}


def audits(times: int) -> Iterator[Row]:
    """A pruner that loses the winner in one cut of ten, of which 3 or 20 were audited."""
    random = np.random.default_rng(4)
    for audited in (3, 20):
        held = 0
        for _ in range(times):
            low, high = proportion_interval(int(random.binomial(audited, 0.1)), audited)
            held += low <= 0.1 <= high
        yield Row("audit of the pruner", f"{audited} audited", "interval holds the truth", held, times)


def tasks(times: int) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    """All that is counted, each part by a name of its own: families kept apart too, the ablations last."""
    every = [*families(), *kept_apart()]
    for family in every:
        for seeds in (3, 5, 10):
            yield f"interval, {family.name}, {seeds}", partial(intervals, family, times, seeds)
        yield f"confirm, {family.name}", partial(confirmations, family, times)
    for examples in (100, 360, 1000, 10_000):
        yield f"new data, {examples}", partial(unseen, min(times, 200) if examples > 1000 else times, examples)
    for name in DESIGNS:
        for together in (0.0, 2.5):
            repeated = times // 5 if name == "TPE" else times
            yield f"interactions, {name}, {together}", partial(interactions, name, repeated, together)
    yield "audit", partial(audits, times)
    for family in sorted(every, key=lambda family: "one arm" not in family.name and family.name != "normal"):
        yield f"ablation, {family.name}, nothing", partial(ablations, family, nothing, times // 5)
        yield f"ablation, {family.name}, planted", partial(ablations, family, planted, times // 10)


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
    """Count the tasks whose names hold all words: `TIMES FILE [WORD...]`; of ablations a fifth and a tenth as many."""
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
