"""Curves by formula of kinds that no search was chosen by, over spaces of other sizes.

How a configuration ends is how far it lies from a valley, and its curve comes there in one of many ways. Of `overfit`
ones the loss rises again; `steps` fall where a schedule does, `late` ones at the end and `warm_up` after a fifth;
`saw` ones rise and fall, of `flip` the early order is another than the late; noise of `noisy_rates` grows with a
parameter, `near` differ by less than it; `two_valleys` have a second one, `turned` one that is oblique, `plateau` is
flat but near it, and `gates` shut off most of the space; `steep` losses span orders of magnitude and `score` goes far
below 0. `wide` has 20 parameters, `choices` no range, `single` one.
"""

from collections.abc import Mapping

import numpy as np

from bench.search_tasks import ByFormula
from winnow.objectives.space import Choice, Range, Space
from winnow.search.study.encoding import Floats

_MIXED: Space = {
    "lr": Range(1e-6, 10.0, log=True),
    "weight_decay": Range(1e-7, 1.0, log=True),
    "dropout": Range(0.0, 0.9),
    "depth": Range(1, 12, whole=True),
    "optimizer": Choice(("sgd", "adam", "lion")),
    "momentum": Range(0.0, 0.99, when={"optimizer": ("sgd",)}),
    "beta": Range(0.8, 0.999, when={"optimizer": ("adam",)}),
    "flip": Choice((True, False)),
}
_SPACES: Mapping[str, Space] = {
    "wide": {f"p{place}": Range(1e-4, 1.0, log=place % 2 == 1) for place in range(20)},
    "choices": {f"p{place}": Choice(tuple("abcdefgh"[: 2 + place % 5])) for place in range(7)},
    "single": {"lr": Range(1e-5, 1.0, log=True)},
}
_NOISE = {"near": 0.003, "noisy_rates": 0.0, "overfit": 0.02, "saw": 0.01, "steep": 0.0, "score": 0.01}
OTHER_KINDS = (
    *("overfit", "steps", "late", "warm_up", "saw", "flip", "noisy_rates", "near", "two_valleys", "turned"),
    *("plateau", "gates", "steep", "score", "wide", "choices", "single"),
)
_BEGINS = 2.0
"""How far all curves are from the best before the first epoch."""


class OtherFormula(ByFormula):
    """A random valley of one kind."""

    def __init__(self, kind: str, seed: int) -> None:
        self._kind = kind
        random = np.random.default_rng([seed, *kind.encode()])
        self.epochs = int(random.choice([18, 27, 50]))
        self.maximize = kind not in ("overfit", "noisy_rates", "steep")
        self.space = _SPACES.get(kind, _MIXED)
        size = len(self.space)
        self._valley, self._other = random.uniform(0.1, 0.9, (2, size))
        self._steep = np.exp(random.normal(0, 1, size)) * np.where(random.random(size) < 0.4, 0.02, 1.0)
        self._steep *= 12 / self._steep.sum()
        self._tilt, self._turn = random.normal(0, 1, size), np.linalg.qr(random.normal(0, 1, (size, size)))[0]
        self._options = {
            name: random.uniform(0, 0.9 if kind == "choices" else 0.3, len(entry.choices))
            for name, entry in self.space.items()
            if isinstance(entry, Choice)
        }
        super().__init__(f"{kind}-{seed}", seed)

    def _end(self, at: Floats, valley: Floats) -> float:
        """How far from the best a configuration ends."""
        away, options = at - valley, 0.0
        for place, name in enumerate(self._encoding.names):
            if name in self._options:
                of = self._options[name]
                options, away[place] = options + of[min(int(at[place] * len(of)), len(of) - 1)], 0.0
        return options + float((self._steep * (self._turn @ away if self._kind == "turned" else away) ** 2).sum())

    def _curve(self, point: Floats, noise: Floats | None) -> Floats:
        kind, time = self._kind, np.arange(1, self.epochs + 1) / self.epochs
        end = self._end(point, self._valley)
        if kind == "two_valleys":
            end = min(end, 0.1 + 2 * self._end(point, self._other))
        elif kind == "plateau":
            end = 1 - float(np.exp(-3 * end))
        elif kind == "gates" and end > 0.6:
            end += 1.5
        left = np.exp(-3 * np.exp(0.5 * self._tilt @ (point - 0.5)) * time)
        if kind == "steps":
            left *= np.select([time < 0.5, time < 0.8], [0.6, 0.25], 0.05)
        elif kind == "late":
            left = 1 - time**4
        elif kind == "warm_up":
            left[time < 0.2] = 1.0
        gap = end + max(_BEGINS - end, 0.0) * left
        if kind == "flip":
            gap = gap * time + self._end(point, self._other) * (1 - time)
        elif kind == "saw":
            gap += 0.3 * (1 - time) * (time * 6 % 1 < 0.5)
        elif kind == "overfit":
            gap += 0.8 * np.clip(0.3 + self._tilt[0] * (point[0] - 0.5), 0, 1) * time**2
        if noise is None:
            noise = np.zeros(self.epochs)
        if kind == "steep":
            return np.asarray(np.exp(20 * gap + 0.2 * noise))
        if kind == "noisy_rates":
            return np.asarray(0.05 + gap * np.exp(0.5 * point[0] * noise))
        scale = {"overfit": gap, "score": 1 - 20 * gap, "near": 0.97 - 0.01 * np.tanh(gap)}
        value: Floats = scale.get(kind, 1 - 0.9 * np.tanh(gap)) + _NOISE.get(kind, 0.004) * noise
        return value
