"""How soon freeze-thaw reaches what a ready study's TPE and ASHA end with: `winnow run` of both, seed by seed.

    python -m bench.wall_clock digits fashion_mnist --seeds 10 --results FILE

One worker on the CPU; with `--fuse 8` freeze-thaw trains in stacks, the other one by one in any case. Freeze-thaw may
spend as many epochs as the other did; what it has not reached by then counts as reached at the end. When the other
itself first had its best stands beside it. Epochs are what other load on the machine does not change. `--results` goes
on where it stopped.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.fused import ROOT, cpu_of
from bench.search_times import Spent, spending_of

STUDIES: Mapping[str, Mapping[str, str]] = {
    "digits": {},
    "fashion_mnist": {"train = 5000": "train = 1000", "trials = 100": "trials = 40"},
}
"""What is made smaller in a ready study."""
ENDS = '[sampler]\nname = "tpe"\n\n[pruner]\nname = "asha"\n'


def run(study: str, seed: int, epochs: int | None, fuse: int = 1) -> list[Spent]:
    """Search a ready study as it is, or by freeze-thaw with a budget of epochs; return what it spent and found."""
    text = (ROOT / f"studies/{study}.toml").read_text()
    changes = {**STUDIES[study], "objective =": f"seed = {seed}\nobjective ="}
    if epochs is not None:
        changes |= {ENDS: '[sampler]\nname = "freeze_thaw"\n'}
    for old, new in changes.items():
        assert old in text, f"{study}: no {old}"
        text = text.replace(old, new)
    if epochs is not None:
        text = re.sub(r"^trials = .*$", f"epochs = {epochs}", text, flags=re.MULTILINE)
        text += f"\n[fleet]\nfuse = {fuse}\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "s.toml").write_text(text)
        command = [sys.executable, "-m", "winnow", "run", f"{folder}/s.toml", "--workers", "1", "--devices", "cpu"]
        place = {"OPTUNA_STORAGE": f"sqlite:///{folder}/s.db", "WINNOW_CACHE": f"{folder}/cache"}
        cpu_of([*command, "--report", f"{folder}/r.html"], place)
        return spending_of(Path(folder, "s.db"))


Search = Sequence[Mapping[str, Any]]
"""What was spent and found after each attempt, as `Spent` has it."""


def table(pairs: Sequence[tuple[Search, Search]]) -> str:
    """Return by which share of what TPE and ASHA spent either was as good as those at their end; means over seeds."""
    lines = [
        f"{len(pairs)} seeds; freeze-thaw was as good in {sum(_reached(new, old) is not None for old, new in pairs)}"
    ]
    for quantity in ("epochs", "training", "searching"):
        ours, theirs = ([_share(by[at], by[0], quantity) for by in pairs] for at in (1, 0))
        lines.append(f"{quantity}: freeze-thaw {_mean(ours)}, median {np.median(ours):.2f}; the other {_mean(theirs)}")
    lines.append(f"best at the end, difference: {_mean([new[-1]['best'] - old[-1]['best'] for old, new in pairs])}")
    return "\n".join(lines)


def _reached(search: Search, old: Search) -> Mapping[str, Any] | None:
    target = old[-1]["best"]
    return next((spent for spent in search if spent["best"] is not None and spent["best"] >= target), None)


def _share(search: Search, old: Search, quantity: str) -> float:
    return min(1.0, float((_reached(search, old) or old[-1])[quantity] / old[-1][quantity]))


def _mean(of: Sequence[float]) -> str:
    low, high = np.quantile(np.random.default_rng(0).choice(of, (5000, len(of))).mean(1), [0.025, 0.975])
    return f"{np.mean(of):.3g} ({low:.3g} to {high:.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", choices=STUDIES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--fuse", type=int, default=1, help="trials that freeze-thaw trains at a time, as stacks")
    parser.add_argument("--results", type=Path, required=True, help="file of runs: what it has is not run again")
    chosen = parser.parse_args()
    known = chosen.results.read_text().splitlines() if chosen.results.exists() else []
    found = {(line["study"], line["seed"]): line["runs"] for line in map(json.loads, known)}
    for seed in range(chosen.seeds):
        for study in chosen.studies:
            if (study, seed) not in found:
                old = run(study, seed, None)
                new = run(study, seed, old[-1].epochs, chosen.fuse)
                found[study, seed] = [[asdict(spent) for spent in each] for each in (old, new)]
                with chosen.results.open("a") as file:
                    file.write(json.dumps({"study": study, "seed": seed, "runs": found[study, seed]}) + "\n")
                print(f"{study}, seed {seed}:", *(each[-1] for each in found[study, seed]), flush=True)
    for study in chosen.studies:
        print(f"\n{study}: " + table([found[study, seed] for seed in range(chosen.seeds)]))


if __name__ == "__main__":
    main()
