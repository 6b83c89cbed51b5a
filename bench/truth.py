"""Whether Winnow's conclusions are true: on an objective whose effects are known, again and again.

`python bench/truth.py 200` searches, confirms and ablates two hundred times and prints how often each interval held
the truth, how wide it was, and what was called helpful that is not. The arithmetic is Winnow's own; only the trainings
are replaced by a planted value and noise.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna

from winnow.search.analysis import contrasts
from winnow.search.analysis.contrasts import Contrast, MethodSet
from winnow.search.analysis.sequential import SequentialDesign
from winnow.search.analysis.statistics import ERROR, Sample, error_of_look, possibly_best

METHODS = ("strong", "medium", "useless", "harmful", "left", "right")
NOISE_OF_SEED = 0.006
"""What a seed does to every configuration alike (its split of luck), as a standard deviation."""
NOISE = 0.01
"""What a training does by itself: about what repeated trainings on digits show."""
EPOCHS = 6
TRIALS = 40
KINDS: tuple[contrasts.Kind, ...] = ("whole", "alone", "removed", "path", "together", "order")


def truth(on: MethodSet) -> float:
    """The planted value: `left` and `right` only work together, `useless` does nothing."""
    return (
        0.80
        + 0.06 * ("strong" in on)
        + 0.03 * ("medium" in on)
        - 0.04 * ("harmful" in on)
        + 0.06 * ({"left", "right"} <= on)
    )


class Trainings:
    """The planted value with noise: one draw a seed, one a training; asked twice, the same."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.of_seed: dict[int, float] = {}
        self.scores: dict[tuple[MethodSet, int], float] = {}

    def __call__(self, on: MethodSet, seed: int) -> float:
        """The score of a training."""
        if (on, seed) not in self.scores:
            luck = self.of_seed.setdefault(seed, float(self.random.normal(0, NOISE_OF_SEED)))
            self.scores[on, seed] = truth(on) + luck + float(self.random.normal(0, NOISE))
        return self.scores[on, seed]


@dataclass
class Tally:
    """What the repetitions showed so far."""

    held: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """By kind of interval, whether it held the truth."""
    widths: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By kind, how many times as wide it was as an interval of as many seeds that is looked at once."""
    useless_judged: list[bool] = field(default_factory=list)
    """Each time `useless` was judged, whether it was said to help or hurt."""
    pair_found: list[bool] = field(default_factory=list)
    search_bias: list[float] = field(default_factory=list)
    """The search's best value minus that configuration's true value."""
    winner_bias: list[float] = field(default_factory=list)
    """The confirmed winner's mean minus its true value."""
    top: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By method of importance, how often it put each method first."""
    trainings: list[int] = field(default_factory=list)


def repeat(tally: Tally, seed: int, forests: bool = False) -> None:
    """One search, its confirmation and its ablation; with `forests` the slower importances too."""
    trainings = Trainings(seed)
    study = search(trainings, seed)
    _confirm(tally, trainings, study)
    _ablate(tally, trainings)
    evaluators: dict[str, optuna.importance.BaseImportanceEvaluator] = {
        "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator()
    }
    if forests:
        evaluators["fANOVA"] = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        evaluators["MDI"] = optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=seed)
    for name, evaluator in evaluators.items():
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
        tally.top[name][next(iter(importances))] += 1


def search(trainings: Trainings, seed: int) -> optuna.Study:
    """A search over the methods, pruned at the median, its baseline first."""
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    )
    study.enqueue_trial(dict.fromkeys(METHODS, False))

    def objective(trial: optuna.Trial) -> float:
        on = frozenset(method for method in METHODS if trial.suggest_categorical(method, [False, True]))
        final = trainings(on, -1 - trial.number)
        for epoch in range(1, EPOCHS):
            trial.report(final * (1 - 0.5**epoch), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return final

    study.optimize(objective, n_trials=TRIALS)
    return study


def _confirm(tally: Tally, trainings: Trainings, study: optuna.Study) -> None:
    """As `winnow confirm --top 5 --seeds 5` goes."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ranked = sorted(complete, key=lambda trial: -(trial.value or 0.0))
    distinct = list(dict.fromkeys(_on(trial) for trial in ranked))
    tally.search_bias.append((ranked[0].value or 0.0) - truth(distinct[0]))
    candidates = [*distinct[:5], frozenset[str]()]
    winner = possibly_best({on: [trainings(on, 10_000 + i) for i in range(5)] for on in candidates})[0]
    measured = Sample(tuple(trainings(winner, 20_000 + i) for i in range(5)))
    tally.held["confirmed winner"].append(_holds(measured.interval, truth(winner)))
    tally.winner_bias.append(measured.mean - truth(winner))


def _ablate(tally: Tally, trainings: Trainings) -> None:
    """From nothing to everything."""
    design = SequentialDesign(METHODS, range(30_000, 30_025))
    results: dict[tuple[MethodSet, int], float | None] = {}
    while wanted := design.next_trainings(results):
        results.update({training: trainings(*training) for training in wanted})
    tally.trainings.append(len(results))
    found = design.answers(results)
    for kind in KINDS:
        asked = contrasts.path(found.path) if kind == "path" else design.fixed_contrasts
        for contrast in asked:
            effect = found.effects.get((kind, contrast.name)) if contrast.kind == kind else None
            if effect is None:
                continue
            tally.held[kind].append(_holds((effect.low, effect.high), _truth_of(contrast)))
            tally.widths[kind].append(_width(effect.runs // len(contrast.weights(0)), design.first))
            if effect.method == "useless":
                tally.useless_judged.append(effect.verdict != "inconclusive")
            if kind == "together" and effect.method == "left and right":
                tally.pair_found.append(effect.verdict == "helps")


def _width(seeds: int, first: int) -> float:
    """How many times as wide as an interval that is looked at once: the same scores, another quantile."""
    look = (seeds // first).bit_length()
    scores = Sample(tuple(float(i) for i in range(seeds)))
    low, high = scores.interval_at(error_of_look(look))
    once_low, once_high = scores.interval_at(ERROR)
    return (high - low) / (once_high - once_low)


def _truth_of(contrast: Contrast) -> float:
    """Of six methods every set is trained, so the weights are the same for every seed."""
    return sum(weight * truth(on) for on, weight in contrast.weights(0).items())


def _holds(interval: tuple[float, float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


def _on(trial: optuna.trial.FrozenTrial) -> MethodSet:
    return frozenset(method for method, on in trial.params.items() if on)


def table(tally: Tally) -> list[str]:
    """What the repetitions showed, line by line."""
    lines = [f"{'interval':<18} {'held the truth':>14} {'intervals':>10} {'width: mean':>12} {'widest':>7}"]
    for kind, held in tally.held.items():
        widths = tally.widths.get(kind, [1.0])
        lines.append(
            f"{kind:<18} {np.mean(held):>14.1%} {len(held):>10} {np.mean(widths):>11.2f}x {max(widths):>6.2f}x"
        )
    for what, share in (
        ("the useless method was said to help or hurt", tally.useless_judged),
        ("the pair that only works together was found", tally.pair_found),
    ):
        lines.append(f"{what:<50} {np.mean(share):.1%} of {len(share)}")
    for what, bias in (("search's best value", tally.search_bias), ("confirmed winner's mean", tally.winner_bias)):
        low, high = Sample(tuple(bias)).interval
        lines.append(f"{what + ' minus the truth':<50} {np.mean(bias):+.4f} ({low:+.4f} to {high:+.4f})")
    for name, counted in tally.top.items():
        lines.append(f"{name + ' put the strongest method first':<50} {counted['strong'] / counted.total():.1%}")
    lines.append(f"{'trainings an ablation':<50} {np.mean(tally.trainings):.0f}")
    return lines


def main(arguments: Sequence[str]) -> None:
    """So many repetitions."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tally = Tally()
    for seed in range(int(arguments[0]) if arguments else 200):
        repeat(tally, seed, forests=True)
    print("\n".join(table(tally)))


if __name__ == "__main__":
    main(sys.argv[1:])
