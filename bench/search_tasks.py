"""What searches are replayed on: a surrogate, tables of real curves, and curves by formula.

A task gives each configuration a curve of values, NaN from where a training diverged, and says how far a value is from
the best known: regret is 0 there (below it where a search finds better), and 1 at what a random configuration comes to
(the mean of LCBench's, the median elsewhere).
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from winnow.objectives.space import Choice, Range, Space
from winnow.search.study.encoding import Encoding, Floats
from winnow.search.study.validation import check

MOST_REGRET = 10.0
"""What is worse counts as this."""


class Curve(Protocol):
    """Values by epoch, the first at 0."""

    def __getitem__(self, place: int, /) -> Any:
        """Return the value after the epoch `place + 1`."""


class Task(Protocol):
    """Something to search."""

    name: str
    space: Space
    epochs: int
    maximize: bool

    def train(self, parameters: Mapping[str, Any], used: set[int]) -> tuple[Mapping[str, Any], Curve, Any]:
        """Return the parameters that are really trained, their curve, and what `regret` wants to know of them.

        A table has only its own configurations: the nearest that is not in `used`, to which it is added.
        """

    def regret(self, value: float, of: Any) -> float:
        """How far a whole training that ended with `value` truly is from the best."""


BELIEFS = ("good", "useless", "misleading", "textbook")
TEXTBOOK: Mapping[str, Any] = {
    "lr": 1e-2,
    "optimizer": "adamw",
    "schedule": "one_cycle",
    "batch_size": 50,
    "dropout": 0.2,
    "label_smoothing": 0.1,
}
"""What many would begin with, whatever the data."""


def believe(task: Task, belief: str) -> None:
    """Give a task a prior: at the best of 100 random configurations, at any of them, at the worst, or by the book."""
    known = TEXTBOOK if belief == "textbook" else _drawn(task)[belief]
    task.space = {name: replace(entry, prior=known.get(name)) for name, entry in task.space.items()}
    task.name += f"-{belief}"


def _drawn(task: Task) -> Mapping[str, Mapping[str, Any]]:
    encoding, random = Encoding(task.space), np.random.default_rng(2)
    drawn = [encoding.parameters(point) for point in encoding.draw(100, random)]
    ends = np.array([task.train(parameters, set())[1][task.epochs - 1] for parameters in drawn])
    best_first = np.argsort(np.nan_to_num(-ends if task.maximize else ends, nan=np.inf))
    return {"good": drawn[best_first[0]], "useless": drawn[0], "misleading": drawn[best_first[-1]]}


# --- a surrogate of LCBench, by path: YAHPO's, from slds-lmu/yahpo_data

TUNING = ["126025", "167104", "167168", "167190", "168330", "168908", "189865", "189906"]
JUDGING = [
    "146212",
    "167152",
    "167184",
    "167201",
    "168335",
    "189354",
    "189873",
    "126026",
    "167181",
    "168331",
    "189866",
    "34539",
]
LCBENCH: Space = {
    "batch_size": Range(16, 512, log=True, whole=True),
    "learning_rate": Range(1e-4, 0.1, log=True),
    "momentum": Range(0.1, 0.99),
    "weight_decay": Range(1e-5, 0.1),
    "num_layers": Range(1, 5, whole=True),
    "max_units": Range(64, 1024, log=True, whole=True),
    "max_dropout": Range(0.0, 1.0),
}


class Asked:
    """A curve that is asked for in pieces, each when the search first comes there: most trials are left early."""

    def __init__(self, ask: Callable[[range], Floats], epochs: int) -> None:
        self._ask, self._epochs, self._values = ask, epochs, np.zeros(0)

    def __getitem__(self, place: int, /) -> float:
        if place >= (known := len(self._values)):
            piece = range(known, max(place + 1, min(3 * known, self._epochs)))
            self._values = np.concatenate([self._values, self._ask(piece)])
        return float(self._values[place])


def session(folder: Path) -> Any:
    """Return the surrogate's model, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])


class LCBench:
    """Validation accuracy of the surrogate at epochs 2 to 51 of one OpenML task."""

    space, epochs, maximize = LCBENCH, 50, True

    def __init__(self, folder: Path, task: str) -> None:
        self.name = f"lcbench-{task}"
        self._code = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"][task]
        self._session = session(folder)
        encoding = Encoding(LCBENCH)
        random = [encoding.parameters(point) for point in encoding.draw(5_000, np.random.default_rng(1))]
        ends = self._values([[51, *(parameters[name] for name in LCBENCH)] for parameters in random])
        self._best, self._mean = ends.max(), ends.mean()

    def train(self, parameters: Mapping[str, Any], used: set[int]) -> tuple[Mapping[str, Any], Curve, Any]:
        """Ask the surrogate for the epochs that are come to."""
        row = [parameters[name] for name in LCBENCH]
        return parameters, Asked(lambda piece: self._values([[place + 2, *row] for place in piece]), self.epochs), None

    def regret(self, value: float, of: Any) -> float:
        """In units of how far random configurations are off."""
        return float((self._best - value) / (self._best - self._mean))

    def _values(self, rows: list[list[Any]]) -> Floats:
        given = {"x_cat": np.full((len(rows), 1), self._code, np.int32), "x_cont": np.array(rows, dtype=np.float32)}
        values: Floats = self._session.run(None, given)[0][:, 1].astype(float)
        return values


# --- tables of real curves, as bench.learning_curves writes them


class Table:
    """One metric of a table; the spec in it says what its space is."""

    def __init__(self, content: Mapping[str, Any], metric: str) -> None:
        self.name = f"{content['name']}-{metric}"
        self.space = check(
            {"name": content["name"], "budget": {"trials": 1}, **content["spec"]}, self.name, stored=True
        ).space
        self.maximize, self.epochs = content["directions"][metric] == "maximize", content["epochs"]
        self.parameters: list[Mapping[str, Any]] = [each["parameters"] for each in content["configurations"]]
        self._encoding = Encoding(self.space)
        self._places = self._features(self.parameters)
        self._curves = np.full((len(self.parameters), self.epochs), np.nan)
        for row, each in zip(self._curves, content["configurations"], strict=True):
            row[: len(each["curves"][metric])] = each["curves"][metric]
        self._sign = 1 if self.maximize else -1
        self.ends = self._sign * np.nan_to_num(self._curves[:, -1], nan=-self._sign * np.inf)
        """Of each configuration, more is better; a divergence is minus infinity."""
        self._best = self.ends.max()
        self._median = max(np.median(self.ends), self.ends[np.isfinite(self.ends)].min())

    def train(self, parameters: Mapping[str, Any], used: set[int]) -> tuple[Mapping[str, Any], Floats, Any]:
        """Take the nearest configuration that is left."""
        away = ((self._places - self._features([parameters])) ** 2).sum(1)
        if len(used) < len(away):
            away[list(used)] = np.inf
        nearest = int(np.argmin(away))
        used.add(nearest)
        return self.parameters[nearest], self._curves[nearest], None

    def regret(self, value: float, of: Any) -> float:
        """In units of how far the median is off."""
        return self.regret_of(self._sign * value)

    def regret_of(self, end: float) -> float:
        """Return the regret of one of `ends`."""
        return min(float((self._best - end) / (self._best - self._median)), MOST_REGRET)

    def _features(self, parameters: Sequence[Mapping[str, Any]]) -> Floats:
        return self._encoding.features(np.array([self._encoding.point(each) for each in parameters]))


def tables(folder: Path) -> list[Table]:
    """Every metric of every table in a folder."""
    contents = [json.loads(gzip.decompress(path.read_bytes())) for path in sorted(folder.glob("*.json.gz"))]
    return [Table(content, metric) for content in contents for metric in content["directions"]]


# --- curves by formula

KINDS = ("crossing", "noisy", "flat", "cliff", "loss", "mostly_fails")
_NOISE = {"crossing": 0.003, "noisy": 0.03, "flat": 0.0005}
FORMULA: Space = {
    "lr": Range(1e-5, 1.0, log=True),
    "weight_decay": Range(1e-6, 1e-1, log=True),
    "dropout": Range(0.0, 0.8),
    "units": Range(16, 1024, log=True, whole=True),
    "kind": Choice(("a", "b", "c")),
    "momentum": Range(0.0, 0.99, when={"kind": ("a",)}),
}
_NAMES = ("lr", "weight_decay", "dropout", "units", "kind", "momentum")


class ByFormula:
    """What has a curve for each point of its space, with noise that is the configuration's own."""

    space: Space
    epochs: int
    maximize: bool

    def __init__(self, name: str, seed: int) -> None:
        self.name, self._seed = name, seed
        self._encoding, self._sign = Encoding(self.space), 1 if self.maximize else -1
        ends = [self._curve(point, None)[-1] for point in self._encoding.draw(5_000, np.random.default_rng(1))]
        self._best, self._median = np.nanmax(self._sign * np.array(ends)), np.nanmedian(self._sign * np.array(ends))

    def train(self, parameters: Mapping[str, Any], used: set[int]) -> tuple[Mapping[str, Any], Floats, Any]:
        """Add noise that is the configuration's own."""
        point = self._encoding.point(parameters)
        noise = np.random.default_rng([self._seed, zlib.crc32(point.round(9).tobytes())]).standard_normal(self.epochs)
        return parameters, self._curve(point, noise), point

    def regret(self, value: float, of: Any) -> float:
        """By the curve without its noise."""
        true = self._sign * self._curve(of, None)[-1]
        return min(float((self._best - true) / (self._best - self._median)), MOST_REGRET)

    def _curve(self, point: Floats, noise: Floats | None) -> Floats:
        raise NotImplementedError


class Formula(ByFormula):
    """A random valley in a mixed space, and how fast each curve comes down to it.

    Of `crossing` ones what ends well begins slowly; `noisy` and `flat` (accuracies near 1) are noise for a good part;
    `loss` spans orders of magnitude, `cliff` as well, and above a rate all diverge; of `mostly_fails` most do.
    """

    space = FORMULA

    def __init__(self, kind: str, seed: int) -> None:
        self._kind = kind
        random = np.random.default_rng([seed, *kind.encode()])
        self.epochs, self.maximize = int(random.choice([18, 27])), kind in _NOISE
        self._valley = random.uniform(0.15, 0.85, 6)
        self._steep = np.exp(random.normal(0, 0.7, 6)) * np.array([3, 0.6, 0.8, 0.6, 0, 0.5])
        self._of_kind = np.array([0.0, *random.uniform(0.02, 0.3, 2)])[random.permutation(3)]
        self._tilt = random.normal(0, 1, 6)
        super().__init__(f"{kind}-{seed}", seed)

    def _curve(self, point: Floats, noise: Floats | None) -> Floats:
        at = point[[self._encoding.names.index(name) for name in _NAMES]]
        kind = min(int(at[4] * 3), 2)
        steep = self._steep * ([1] * 5 + [kind == 0])
        end = float((steep * (at - self._valley) ** 2).sum()) + self._of_kind[kind]
        time = np.arange(1, self.epochs + 1) / self.epochs
        speed = 3 * np.exp(0.5 * self._tilt @ (at - 0.5))
        if self._kind == "crossing":
            speed = 4 * np.exp(3 * (at[0] - self._valley[0]) + 0.3 * self._tilt[2] * at[2])
        gap = end + max(2.0 - end, 0.0) * np.exp(-speed * time)
        if self.maximize:
            value: Floats = 1 - 0.05 * np.tanh(gap) ** 2 if self._kind == "flat" else 1 - 0.9 * np.tanh(gap)
            return value if noise is None else value + _NOISE[self._kind] * noise
        value = 10 ** (3 * gap - 3) * (1 if noise is None else np.exp(0.1 * noise))
        if self._fails(at):
            value = value * (1 + 5 * time)
            value[1 + int(abs(np.sin(1e3 * at[0])) * 6) :] = np.nan
        return value

    def _fails(self, at: Floats) -> bool:
        above = at - self._valley
        if self._kind == "cliff":
            return bool(above[0] > 0.1 + 0.1 * (at[2] - 0.5))
        return self._kind == "mostly_fails" and bool(
            above[0] > 0.03 + 0.1 * (at[2] - 0.5) or above[0] < -0.4 or above[3] > 0.2 or above[1] > 0.3
        )
