"""What TPE costs in long studies: stock Optuna's, which goes over every trial in Python, beside ours.

    python -m bench.tpe     # CPU milliseconds to draw five hyperparameters after so many finished trials

Both draw in turns in one study in memory, half of whose trials were pruned. That they draw the same is tested in
tests/unit/test_quick_tpe.py.
"""

import argparse
import json
import random
import statistics
import time

import optuna
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from bench.storage import SPACE
from winnow.search.study.fast_tpe import QuickTPESampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(size: int, spread: float) -> optuna.Study:
    """A study whose trials lie all over the space (`spread` 1) or closer to one point, as those of a long search."""
    draw = random.Random(0)
    study = optuna.create_study()
    for _ in range(size):
        place = [0.5 + spread * (draw.random() - 0.5) for _ in range(4)]
        value = sum((x - 0.5) ** 2 for x in place) + draw.random() / 100
        steps = draw.randint(1, 9) if draw.random() < 0.5 else 10
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if steps == 10 else TrialState.PRUNED,
                params={
                    "lr": 10 ** (-5 + 4 * place[0]),
                    "weight_decay": 10 ** (-6 + 4 * place[1]),
                    "momentum": 0.99 * place[2],
                    "dropout": 0.6 * place[3],
                    "optimizer": draw.choice(["sgd", "adam", "adamw", "rmsprop"]),
                },
                distributions=SPACE,
                value=value,
                intermediate_values={step: value + 1 / step for step in range(1, steps + 1)},
            )
        )
    return study


def draw_seconds(study: optuna.Study, sampler: TPESampler) -> float:
    """CPU seconds of one trial's draws; the trial fails, so that the study stays as it is."""
    study.sampler = sampler
    began = time.process_time()
    trial = study.ask()
    for name, kind in SPACE.items():
        trial._suggest(name, kind)
    seconds = time.process_time() - began
    study.tell(trial, state=TrialState.FAIL)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000, 20_000])
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    for size in chosen.sizes:
        for spread in (1.0, 0.2):
            study = study_of(size, spread)
            stock, ours = TPESampler(seed=1), QuickTPESampler(seed=1)
            draw_seconds(study, ours)  # which learns the history
            pairs = [(draw_seconds(study, stock), draw_seconds(study, ours)) for _ in range(chosen.repeats)]
            shares = [mine / theirs for theirs, mine in pairs]
            found = {
                "stock_ms": round(1000 * statistics.median(theirs for theirs, _ in pairs), 1),
                "ours_ms": round(1000 * statistics.median(mine for _, mine in pairs), 1),
                "share": round(statistics.median(shares), 3),
                "least": round(min(shares), 3),
                "most": round(max(shares), 3),
            }
            print(json.dumps({"size": size, "spread": spread, **found}), flush=True)


if __name__ == "__main__":
    main()
