"""Whether what the commands print is true: whole searches, confirmations and ablations with a known truth.

`python -m bench.whole SEARCHES FOLDER` types `winnow run`, `confirm` and `ablate` for each search, by turns of five
kinds of noise, with five planted methods and with none, and counts what of the sentences and tables that they print is
true. The searches lie in FOLDER, and a run goes on where it stopped.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from bench.noise import families, kept_apart
from bench.truth import METHODS, truths
from winnow import storage
from winnow.search.analysis.contrasts import Kind, MethodSet
from winnow.search.analysis.sequential import SequentialDesign
from winnow.search.analysis.statistics import proportion_interval
from winnow.search.api.study import load_study
from winnow.search.cli.main import cli

KINDS = ("normal", "one arm skewed, others tight", "10 % break down", "counted on 360", "two modes")
SPEC = """name = "{name}"
objective = "bench.whole:fit"
seed = {number}
budget = {{ trials = 24 }}
fixed = {{ kind = "{kind}", plant = {plant}, salt = {number} }}
[search]
"""
SPEC += "".join(f"{name} = {{{{ low = 0.0, high = 1.0 }}}}\n" for name in METHODS)
SPEC += "[baseline]\n" + "".join(f"{name} = 0.0\n" for name in METHODS)
SECTIONS: dict[str, Kind] = {
    "Add": "alone",
    "Leave": "removed",
    "Path:": "path",
    "Order:": "order",
    "Interactions:": "together",
}
LINE = re.compile(r"^\s*(.+?)\s+[+-]\d\.\d+\s+([+-]\d\.\d+) to ([+-]\d\.\d+)\s+(helps|hurts|inconcl\w+|\w+ together)\s")
GAIN = re.compile(r"[+-]\d\.\d+, [\d.]+ % interval ([+-]?\d\.\d+) to ([+-]?\d\.\d+) on these")
ROUNDING = 6e-5
VERDICT = re.compile(r"On test data the winner is (better|worse)|between winner and baseline is (inconclusive)")


def truth(values: Mapping[str, float]) -> float:
    """Return what a configuration is worth: two of the methods work only together, and one does nothing."""
    return 0.06 * values["strong"] + 0.03 * values["medium"] + 0.06 * values["left"] * values["right"]


def fit(trial: Any, kind: str, plant: bool, salt: int, seed: int, test: bool = False, **values: float) -> Any:
    """Return the planted value and noise of the kind, as the objective of a study; both hang on the arguments alone."""
    family = next(each for each in [*families(), *kept_apart()] if each.name == kind)
    tag = f"{sorted(values.items())} {seed} {salt} {kind}".encode()
    drawn = np.random.default_rng(int.from_bytes(hashlib.sha256(tag).digest()[:8], "big"))
    luck = family.split * float(np.random.default_rng([seed, salt]).normal(0, 0.01))
    value = min(family.centre, 0.83) + (truth(values) if plant else 0.0) + luck  # all together stay below 1
    value += float(family.draw(drawn, 1, values["useless"] > 0.5)[0])
    trial.report(value, 1)
    return (value, value + 0.3 * float(family.draw(drawn, 1, False)[0])) if test else value


def search(number: int, kind: str, plant: bool) -> dict[str, Any]:
    """Run one search, its confirmation and its ablation by the commands, and return what they said."""
    name = f"s{number}"
    Path(f"{name}.toml").write_text(SPEC.format(name=name, number=number, kind=kind, plant=str(plant).lower()))
    typed("run", f"{name}.toml")
    said = {command: typed(command, name) for command in ("confirm", "ablate")}
    told = {command: json.loads(typed(command, name, "--json") or "null") for command in said}
    known = {str(trial.number): trial.config for trial in load_study(name).record.trials}
    return {"plant": plant, "said": said, "told": told, "configurations": known}


def typed(*words: str) -> str:
    """Return what a command prints, its trainings done by the pool; nothing where it refuses."""
    done = CliRunner().invoke(cli, [*words, "--workers", "0"])
    if done.exit_code not in (0, 2):
        raise RuntimeError(f"winnow {' '.join(words)} ended with {done.exit_code}: {done.output[-800:]}")
    return done.stdout if done.exit_code == 0 else ""


def judge(found: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield what was said and whether it was so."""
    worth = {n: truth(config) if found["plant"] else 0.0 for n, config in found["configurations"].items() if config}
    if told := found["told"]["confirm"]:
        text = " ".join(found["said"]["confirm"].split())
        gain, best = worth[str(told["winner_number"])] - worth["0"], max(worth[n] for n in told["compared"])
        yield "the best is among those that may be it", any(worth[str(n)] >= best - 1e-12 for n in told["group"])
        if verdict := VERDICT.search(text):
            yield "verdict of confirm", not {"better": gain <= 0, "worse": gain >= 0}.get(verdict[1], False)
        if interval := GAIN.search(text):
            yield "interval of the gain", float(interval[1]) - ROUNDING <= gain <= float(interval[2]) + ROUNDING
    if told := found["told"]["ablate"]:
        lines = list(lines_of(found["said"]["ablate"], told, found["configurations"], found["plant"]))
        yield from (("interval of an ablation's line", low <= true <= high) for low, high, true, _ in lines)
        yield "table of ablate: all verdicts", all(not sign or sign == np.sign(true) for *_, true, sign in lines)


def lines_of(
    text: str, told: Mapping[str, Any], configurations: Mapping[str, Any], plant: bool
) -> Iterator[tuple[float, float, float, int]]:
    """Yield of each line of the printed tables its interval, the truth, and 1, 0 or -1 for what it says."""
    methods, start = told["methods"], configurations[str(told["start_number"])]

    def worth(on: MethodSet) -> float:
        switched = {name: after for method in on for name, (_, after) in methods[method].items()}
        return truth({**start, **switched}) if plant else 0.0

    design = SequentialDesign(tuple(methods), range(25))
    known = truths(design, [step["method"] for step in told["path"]], worth)
    kind: Kind | None = None
    for line in text.splitlines():
        kind = SECTIONS.get(line.partition(" ")[0], kind)
        if kind and (found := LINE.match(line)):
            sign = {"helps": 1, "more together": 1, "hurts": -1, "less together": -1}.get(found[4], 0)
            yield float(found[2]) - ROUNDING, float(found[3]) + ROUNDING, round(known[kind, found[1]], 9), sign


def main(arguments: Sequence[str]) -> None:
    """Make so many searches in the folder, and print how often what was said was so."""
    searches, folder = int(arguments[0]), Path(arguments[1]).resolve()
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    os.environ.update(PYTHONPATH=str(Path(__file__).parents[1]), OPTUNA_STORAGE=f"sqlite:///{folder}/searches.db")
    kept = Path("said.jsonl")
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    storage.open(os.environ["OPTUNA_STORAGE"]).database.release()  # the pool waits for studies, not for a storage
    pool = subprocess.Popen([sys.executable, "-m", "winnow", "work", "--all", "--devices", "cpu", "--slots", "1"])
    try:
        for number in range(len(done), searches):
            done.append(search(number, KINDS[number % len(KINDS)], number // len(KINDS) % 2 == 0))
            with kept.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
    finally:
        pool.terminate()
        pool.wait()
    times, right = Counter[str](), Counter[str]()
    for what, so in chain.from_iterable(map(judge, done)):
        times[what] += 1
        right[what] += so
    print(f"| of {len(done)} searches | said | true |\n|---|---|---|")
    for what, many in times.items():
        low, high = proportion_interval(right[what], many)
        print(f"| {what} | {many} | {right[what]} ({low:.1%} to {high:.1%}) |")


if __name__ == "__main__":
    main(sys.argv[1:])
