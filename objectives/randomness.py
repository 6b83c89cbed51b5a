"""A trial's own random numbers: one generator a purpose, all from the config's seed, never the global one.

Each purpose has its own, so that dropout switched on or off changes neither the data order nor the augmentation:
two configurations with the same seed differ in nothing but what they say.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a generator on `device` that depends on nothing but the seed and the purpose."""
    return torch.Generator(device).manual_seed(_number(seed, purpose))


def _number(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8], "big")


@contextlib.contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let all that draws from torch's global generator of a device draw from `generator` of that device instead.

    For code of others, which knows no other; the global one is then where it was. Takes some microseconds.
    """
    device = generator.device
    match device.type:
        case "cpu":
            get, put = torch.default_generator.get_state, torch.default_generator.set_state
        case "cuda":
            everybodys = torch.cuda.default_generators[device.index or 0]
            get, put = everybodys.get_state, everybodys.set_state
        case _:  # Apple's GPU, for one
            of_device = torch.get_device_module(device)
            get, put = of_device.get_rng_state, of_device.set_rng_state
    before = get()
    put(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(get())
        put(before)


@contextlib.contextmanager
def seeded_elsewhere(number: int) -> Iterator[None]:
    """Let Python's and NumPy's global generators begin at `number` meanwhile; they are then where they were."""
    before = random.getstate(), np.random.get_state()
    random.seed(number)
    np.random.seed(number % 2**32)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def drawing_elsewhere_from(generator: torch.Generator) -> contextlib.AbstractContextManager[None]:
    """Let them begin at what `generator` draws for them."""
    drawn = torch.randint(2**32, (), dtype=torch.int64, device=generator.device, generator=generator)
    return seeded_elsewhere(int(drawn))


@dataclass(frozen=True)
class Generators:
    """The generators that a training draws from, step after step."""

    order: torch.Generator
    """On the CPU: the same seed gives the same order on every device."""
    dropout: torch.Generator
    augmentation: Mapping[str, torch.Generator]
    """One for each augmentation, by its name."""

    @classmethod
    def from_seed(cls, seed: int, device: torch.device, augmentations: Iterable[str]) -> "Generators":
        """Make all of them at their start."""
        augmentation = {name: generator(seed, f"augmentation {name}", device) for name in augmentations}
        return cls(generator(seed, "order"), generator(seed, "dropout", device), augmentation)

    def state(self) -> dict[str, torch.Tensor]:
        """Return where each of them stands."""
        return {name: each.get_state() for name, each in self._by_name().items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put each of them where `state` says."""
        for name, each in self._by_name().items():
            each.set_state(state[name])

    def begin_anew(self, seed: int, where: str) -> None:
        """Put all but the order at a start of their own, for a rank and an epoch."""
        for name, each in self._by_name().items():
            if each is not self.order:
                each.manual_seed(_number(seed, f"{name} {where}"))

    def _by_name(self) -> dict[str, torch.Generator]:
        return {"order": self.order, "dropout": self.dropout, **self.augmentation}
