"""Random erasing: a rectangle of each image is blanked.

Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
"""

from dataclasses import dataclass

import torch

from winnow.objectives.augmentation.draws import Draws

SMALLEST_AREA = 0.02
"""The least share of an image that is erased, as in the paper."""

RATIOS = (0.3, 3.3)
"""A rectangle's height over its width, as in torchvision."""


@dataclass(frozen=True)
class Rectangles:
    """One rectangle an image, in pixels; int64 (B,) each. A height of 0 erases nothing."""

    top: torch.Tensor
    left: torch.Tensor
    height: torch.Tensor
    width: torch.Tensor


def draw(draws: Draws, p: float, largest_area: float, height: int, width: int) -> Rectangles:
    """Draw rectangles for images of `height` x `width`, each erased with probability `p`.

    The area is uniform between its limits, the logarithm of the ratio of the sides too. Where a ratio would not fit
    into the image it is drawn from those that do; torchvision draws both again.
    """
    area = draws.between(SMALLEST_AREA, largest_area)
    flattest = (area * (height / width)).clamp(min=RATIOS[0]).log()
    tallest = (height / width / area).clamp(max=RATIOS[1]).log()
    ratio = draws.between(flattest, tallest).exp()
    area = area * (height * width)
    heights = (area * ratio).sqrt().round().long().clamp(max=height)
    widths = (area / ratio).sqrt().round().long().clamp(max=width)
    top = draws.below(height - heights + 1)
    left = draws.below(width - widths + 1)
    return Rectangles(top, left, heights * draws.happens(p), widths)


def erase(images: torch.Tensor, rectangles: Rectangles) -> torch.Tensor:
    """Set the rectangles in images (B, C, H, W) to 0, in place; in normalised images that is the mean colour."""
    height, width = images.shape[2:]
    rows = _inside(height, rectangles.top, rectangles.height)
    columns = _inside(width, rectangles.left, rectangles.width)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _inside(extent: int, start: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return which of the places 0 to `extent` - 1 lie in each stretch; bool (B, extent)."""
    places = torch.arange(extent, device=start.device) - start[:, None]
    return (places >= 0) & (places < length[:, None])
