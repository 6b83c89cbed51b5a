"""A surrogate of YAHPO Gym as tasks to search, by the path of its folder.

The folder is one of slds-lmu/yahpo_data (lcbench, rbv2_*, iaml_*, nb301, …): `model.onnx`; `config_space.json`, the
space as ConfigSpace 0.4 wrote it; `encoding.json`, the code of every option of a categorical input. What the model's
columns are is said in YAHPO Gym's Python alone: write it from its `benchmarks/*.py` as `benchmark.json` beside them:

    {"categorical": ["task_id", "booster"], "continuous": ["nrounds", "eta", "trainsize"], "outputs": ["mmce", "auc"],
     "value": "auc", "maximize": true, "fidelity": "trainsize", "instance": "task_id", "instances": ["1067"]}

`instances`, or all of the space, are a task each; `"fixed": {"repl": 10}` are inputs that are not searched. A fidelity
in whole numbers is counted as epochs; of a fraction each twentieth is one, as if a training went on with more data.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.search_tasks import MOST_REGRET, Asked, Curve, session
from winnow.objectives.space import Choice, Range, Space
from winnow.search.study.encoding import Encoding, Floats

STEPS = 20


class Yahpo:
    """One output of the surrogate for one instance, over the fidelity."""

    def __init__(self, folder: Path, content: Mapping[str, Any], instance: str | None) -> None:
        self.name = f"{folder.name}-{instance or content['value']}"
        self.maximize, self._content = content["maximize"], content
        self._session, self._codes = session(folder), json.loads((folder / "encoding.json").read_text())
        space = json.loads((folder / "config_space.json").read_text())
        entries = {entry["name"]: entry for entry in space["hyperparameters"]}
        self._columns = [content[kind] for kind in ("categorical", "continuous", "outputs")]
        has = [each.shape[1] for each in (*self._session.get_inputs(), *self._session.get_outputs())]
        if has != [len(names) for names in self._columns] or not {*self._columns[0]} <= {*self._codes}:
            raise SystemExit(
                f"{folder}/benchmark.json: the model has {has} categorical, continuous and output columns, and codes "
                f"for {', '.join(self._codes)}; name just these, as YAHPO Gym did when the model was made"
            )
        self._fixed = content.get("fixed", {}) | ({content["instance"]: instance} if instance else {})
        fidelity = entries[content["fidelity"]]
        self._fidelities = _steps(fidelity)
        self.epochs = len(self._fidelities)
        conditions = _conditions(space["conditions"])
        self.space: Space = {
            name: _entry(entry, conditions.get(name, {}))
            for name, entry in entries.items()
            if name not in self._fixed and name != content["fidelity"] and entry["type"] != "constant"
        }
        self._fixed |= {name: entry["value"] for name, entry in entries.items() if entry["type"] == "constant"}
        encoding, sign = Encoding(self.space), 1 if self.maximize else -1
        drawn = [encoding.parameters(point) for point in encoding.draw(2_000, np.random.default_rng(1))]
        ends = sign * self._values([(each, self._fidelities[-1]) for each in drawn])
        self._sign, self._best, self._median = sign, ends.max(), np.median(ends)

    def train(self, parameters: Mapping[str, Any], used: set[int]) -> tuple[Mapping[str, Any], Curve, Any]:
        """Ask the surrogate for the fidelities that are come to."""

        def ask(piece: range) -> Floats:
            return self._values([(parameters, self._fidelities[place]) for place in piece])

        return parameters, Asked(ask, self.epochs), None

    def regret(self, value: float, of: Any) -> float:
        """In units of how far the median is off."""
        return min(float((self._best - self._sign * value) / (self._best - self._median)), MOST_REGRET)

    def _values(self, rows: list[tuple[Mapping[str, Any], float]]) -> Floats:
        """Return the value of each row's parameters at its fidelity; what is not drawn is 0 or has its code."""
        known = [{**parameters, **self._fixed, self._content["fidelity"]: at} for parameters, at in rows]
        codes = [[self._codes[name][str(row.get(name, "#na#"))] for name in self._columns[0]] for row in known]
        numbers = [[row.get(name, 0) for name in self._columns[1]] for row in known]
        names = [each.name for each in self._session.get_inputs()]
        given = [np.array(codes, np.int32), np.array(numbers, np.float32)]
        found = self._session.run(None, dict(zip(names, given, strict=True)))[0]
        values: Floats = found[:, self._columns[2].index(self._content["value"])].astype(float)
        return values


def tasks(folder: Path) -> list[Yahpo]:
    """Return a task for each instance that the folder's `benchmark.json` names."""
    path = folder / "benchmark.json"
    if not path.exists():
        raise SystemExit(f"{path} is missing: it says what the model's columns are ({__name__} says how)")
    content = json.loads(path.read_text())
    if "instance" not in content:
        return [Yahpo(folder, content, None)]
    entries = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
    every = next(entry["choices"] for entry in entries if entry["name"] == content["instance"])
    return [Yahpo(folder, content, instance) for instance in content.get("instances", every)]


def _steps(entry: Mapping[str, Any]) -> list[float]:
    if entry["type"] == "uniform_int":
        return list(range(entry["lower"], entry["upper"] + 1))
    return [max(entry["lower"], entry["upper"] * step / STEPS) for step in range(1, STEPS + 1)]


def _entry(entry: Mapping[str, Any], when: Mapping[str, tuple[Any, ...]]) -> Range | Choice:
    if entry["type"] in ("categorical", "ordinal"):
        return Choice(tuple(entry.get("choices") or entry["sequence"]), when=when, own=True)
    whole = entry["type"] == "uniform_int"
    return Range(entry["lower"], entry["upper"], log=entry["log"], whole=whole, when=when, own=True)


def _conditions(written: list[Mapping[str, Any]]) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Return for each parameter what each of its parents has to be."""
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    for each in written:
        for one in each["components"] if each["type"] == "AND" else [each]:
            if one["type"] not in ("IN", "EQ"):
                raise SystemExit(f"config_space.json: a condition of type {one['type']} on {one['child']} is not known")
            values = one["values"] if one["type"] == "IN" else [one["value"]]
            found.setdefault(one["child"], {})[one["parent"]] = tuple(values)
    return found
