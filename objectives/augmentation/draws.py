"""What one augmentation draws for a batch: at each call one number an image, from the augmentation's own generator."""

import torch


class Draws:
    """The draws of one augmentation for one batch.

    The generator is the augmentation's own, so one that is switched on or off changes nothing of what others draw:
    two configurations with the same seed differ in nothing but what they say. For the same reason an augmentation
    draws as often whatever its strengths are.
    """

    def __init__(self, count: int, generator: torch.Generator) -> None:
        """Draw for `count` images, on the generator's device."""
        self.count = count
        self._generator = generator

    def uniform(self) -> torch.Tensor:
        """Draw real numbers from 0 to below 1, float32 (B,)."""
        return torch.rand(self.count, generator=self._generator, device=self._generator.device)

    def between(self, low: float | torch.Tensor, high: float | torch.Tensor) -> torch.Tensor:
        """Draw real numbers from `low` to `high`, float32 (B,); the limits may differ from image to image."""
        return self.uniform() * (high - low) + low

    def below(self, limit: int | torch.Tensor) -> torch.Tensor:
        """Draw whole numbers from 0 to `limit` - 1, int64 (B,); the limit may differ from image to image."""
        # In float32 a draw just below 1, times the limit, may round up to the limit.
        return (self.uniform() * limit).long().clamp(max=limit - 1)

    def happens(self, p: float) -> torch.Tensor:
        """Draw true with probability `p`, bool (B,)."""
        return self.uniform() < p
