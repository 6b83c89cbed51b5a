"""What a batch draws: for every image one number a decision, whatever decisions are asked for."""

import torch

DECISIONS = (
    *("crop_top", "crop_left", "flip", "vertical_flip"),
    *("rotation", "translation_x", "translation_y", "zoom", "shear"),
    *("brightness", "contrast", "saturation", "hue"),
    *("erasing", "erasing_area", "erasing_ratio", "erasing_top", "erasing_left"),
)
_ROWS = {decision: row for row, decision in enumerate(DECISIONS)}


class Draws:
    """The draws of one batch.

    All decisions are drawn at once and each has its own row, so a method switched on or off changes nothing of what
    the others draw: two configurations with the same seed differ in nothing but what they say.
    """

    def __init__(self, count: int, generator: torch.Generator) -> None:
        """Draw for `count` images, on the generator's device."""
        self._uniform = torch.rand(len(DECISIONS), count, generator=generator, device=generator.device)

    def between(self, decision: str, low: float | torch.Tensor, high: float | torch.Tensor) -> torch.Tensor:
        """Real numbers from `low` to `high`, float32 (B,); the limits may differ from image to image."""
        return self._row(decision) * (high - low) + low

    def below(self, decision: str, limit: int | torch.Tensor) -> torch.Tensor:
        """Whole numbers from 0 to `limit` - 1, int64 (B,); the limit may differ from image to image."""
        # In float32 a draw just below 1, times the limit, may round up to the limit.
        return (self._row(decision) * limit).long().clamp(max=limit - 1)

    def happens(self, decision: str, p: float) -> torch.Tensor:
        """True with probability `p`, bool (B,)."""
        return self._row(decision) < p

    def _row(self, decision: str) -> torch.Tensor:
        return self._uniform[_ROWS[decision]]
