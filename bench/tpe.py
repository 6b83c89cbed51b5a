"""TPE on long histories: stock Optuna's, which goes over every trial, beside ours, which looks at an excerpt.

    python -m bench.tpe cost       # CPU milliseconds to draw five hyperparameters, after so many finished trials
    python -m bench.tpe truth      # the best value that each finds on functions whose minimum is known

For the truth both start from the same random trials (`--history`), with the same seed, and go on for `--trials` each.
The figure is the difference of the logarithms (base 10) of what is left to the minimum, ours less stock's, over seeds:
below zero ours is better. `--whole`, `--good` and `--sample` make the excerpt smaller than it is by default, so that a
difference, if there is one, shows after fewer trials.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from scipy.stats import t as student

from search.bounded_tpe import GOOD, SAMPLE, WHOLE, BoundedTPESampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
CHOICES = ["sgd", "adam", "adamw", "rmsprop"]
SPACE: dict[str, BaseDistribution] = {f"x{i}": FloatDistribution(-5.0, 5.0) for i in range(4)}
MIXED: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "dropout": FloatDistribution(0.0, 0.6),
    "optimizer": CategoricalDistribution(CHOICES),
}


# --- functions whose minimum is 0


def sphere(at: Mapping[str, float]) -> float:
    return sum((x - 1.3) ** 2 for x in at.values())


def rosenbrock(at: Mapping[str, float]) -> float:
    x = list(at.values())
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


def rastrigin(at: Mapping[str, float]) -> float:
    x = [value - 0.7 for value in at.values()]
    return 10 * len(x) + sum(each * each - 10 * math.cos(2 * math.pi * each) for each in x)


def ackley(at: Mapping[str, float]) -> float:
    x = [value + 0.9 for value in at.values()]
    radius = math.sqrt(sum(each * each for each in x) / len(x))
    waves = sum(math.cos(2 * math.pi * each) for each in x) / len(x)
    return 20 + math.e - 20 * math.exp(-0.2 * radius) - math.exp(waves)


def training(at: Mapping[str, float]) -> float:
    """Shaped like a network's loss: a valley in the learning rate that each optimizer has elsewhere."""
    place = CHOICES.index(str(at["optimizer"]))
    lr = math.log10(at["lr"]) - (-1.6, -3.0, -2.8, -3.2)[place] - 0.5 * (at["momentum"] - 0.9)
    decay = math.log10(at["weight_decay"]) + 4
    return lr * lr + 0.2 * decay * decay + (at["momentum"] - 0.9) ** 2 + (at["dropout"] - 0.2) ** 2 + 0.05 * place


FUNCTIONS: dict[str, tuple[Callable[[Mapping[str, float]], float], dict[str, BaseDistribution]]] = {
    "sphere": (sphere, SPACE),
    "rosenbrock": (rosenbrock, SPACE),
    "rastrigin": (rastrigin, SPACE),
    "ackley": (ackley, SPACE),
    "training": (training, MIXED),
}


def search(study: optuna.Study, function: str, trials: int) -> None:
    value, space = FUNCTIONS[function]
    study.optimize(lambda trial: value({name: trial._suggest(name, kind) for name, kind in space.items()}), trials)


def study_of(size: int, function: str, seed: int) -> optuna.Study:
    """A study in memory with so many random trials."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    search(study, function, size)
    return study


# --- the two questions


def cost(sizes: list[int], repeats: int) -> None:
    for size in sizes:
        study = study_of(size, "training", 0)
        samplers: dict[str, BaseSampler] = {"stock": TPESampler(seed=1), "ours": BoundedTPESampler(seed=1)}
        spent: dict[str, list[float]] = {name: [] for name in samplers}
        for _ in range(repeats + 1):
            for name, sampler in samplers.items():
                study.sampler = sampler
                began = time.process_time()
                trial = study.ask()
                for parameter, kind in MIXED.items():
                    trial._suggest(parameter, kind)
                spent[name].append(1000 * (time.process_time() - began))
                study.tell(trial, 9.0)
        stock, ours = spent["stock"][1:], spent["ours"][1:]
        shares = [mine / theirs for mine, theirs in zip(ours, stock, strict=True)]
        found = {"stock_ms": statistics.median(stock), "ours_ms": statistics.median(ours)}
        share = {"share": statistics.median(shares), "least": min(shares), "most": max(shares)}
        print(json.dumps({"size": size, **{name: round(value, 3) for name, value in {**found, **share}.items()}}))
        sys.stdout.flush()


def truth(names: list[str], seeds: int, history: int, trials: int, excerpt: dict[str, int]) -> None:
    samplers: dict[str, Callable[[int], BaseSampler]] = {
        "stock": lambda seed: TPESampler(seed=seed),
        "ours": lambda seed: BoundedTPESampler(seed=seed, **excerpt),
    }
    for function in names:
        differences = []
        for seed in range(seeds):
            left = {}
            for name, sampler in samplers.items():
                study = study_of(history, function, seed)
                study.sampler = sampler(seed)
                search(study, function, trials)
                left[name] = math.log10(study.best_value + 1e-12)
            differences.append(left["ours"] - left["stock"])
        mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(seeds)
        reach = student.ppf(0.975, seeds - 1) * error
        found = {"difference": mean, "low": mean - reach, "high": mean + reach}
        wins = sum(difference < 0 for difference in differences)
        rounded = {name: round(figure, 3) for name, figure in found.items()}
        print(json.dumps({"function": function, "seeds": seeds, **rounded, "ours_better": wins}))
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["cost", "truth"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--functions", nargs="+", choices=list(FUNCTIONS), default=list(FUNCTIONS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--history", type=int, default=0)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--whole", type=int, default=WHOLE)
    parser.add_argument("--good", type=int, default=GOOD)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    chosen = parser.parse_args()
    if chosen.question == "cost":
        cost(chosen.sizes, chosen.repeats)
    else:
        excerpt = {"whole": chosen.whole, "good": chosen.good, "sample": chosen.sample}
        truth(chosen.functions, chosen.seeds, chosen.history, chosen.trials, excerpt)


if __name__ == "__main__":
    main()
