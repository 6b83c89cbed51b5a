"""A trial's own random numbers: one generator a purpose, all from the config's seed, never the global one.

Each purpose has its own, so that dropout switched on or off changes neither the data order nor the augmentation:
two configurations with the same seed differ in nothing but what they say.
"""

import hashlib
from dataclasses import dataclass

import torch


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device` that depends on nothing but the seed and the purpose."""
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big"))


@dataclass(frozen=True)
class Generators:
    """The generators that a training draws from, step after step."""

    order: torch.Generator
    """On the CPU: the same seed gives the same order on every device."""
    augmentation: torch.Generator
    dropout: torch.Generator

    @classmethod
    def from_seed(cls, seed: int, device: torch.device) -> "Generators":
        """All of them at their start."""
        return cls(
            generator(seed, "order"),
            generator(seed, "augmentation", device),
            generator(seed, "dropout", device),
        )

    def state(self) -> dict[str, torch.Tensor]:
        """Where each of them stands."""
        return {name: each.get_state() for name, each in vars(self).items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Put each of them where `state` says."""
        for name, each in vars(self).items():
            each.set_state(state[name])
