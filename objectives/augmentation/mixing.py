"""MixUp and CutMix: each image of a batch is blended with the one before it, or takes a rectangle of it.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al., "CutMix", ICCV 2019. Each image has a
share of its own, where torchvision draws one for the batch.
"""

import functools

import torch

from winnow.objectives.augmentation.draws import Draws

QUANTILES = 4096
"""Into so many parts of equal probability a Beta distribution is cut."""


def beta(draws: Draws, alpha: float) -> torch.Tensor:
    """Draw from Beta(alpha, alpha), float32 (B,), between its quantiles."""
    place = draws.uniform() * QUANTILES
    table = _quantiles(alpha, place.device)
    below = place.long()
    return torch.lerp(table[below], table[below + 1], place - below)


@functools.lru_cache(maxsize=64)
def _quantiles(alpha: float, device: torch.device) -> torch.Tensor:
    from scipy.special import betaincinv

    places = torch.linspace(0, 1, QUANTILES + 1, dtype=torch.double).numpy()
    return torch.from_numpy(betaincinv(alpha, alpha, places)).float().to(device)  # Apple's has no float64


def blend(images: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Keep the share `own` (B,) of each image (B, C, H, W), the rest of the one before it."""
    return torch.lerp(images.roll(1, 0), images, own.view(-1, 1, 1, 1))


def paste(
    images: torch.Tensor, own: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace a rectangle of about 1 - `own` of each image, its centre at pixel (x, y), by that of the one before.

    Returns the images and the share that each truly kept, since a rectangle ends at the edge.
    """
    height, width = images.shape[2:]
    half = (1 - own).clamp(min=0).sqrt() / 2
    down, across = (half * height).long(), (half * width).long()
    top, bottom = (y - down).clamp(min=0), (y + down).clamp(max=height)
    left, right = (x - across).clamp(min=0), (x + across).clamp(max=width)
    rows, columns = (torch.arange(extent, device=images.device) for extent in (height, width))
    inside = (rows >= top[:, None]) & (rows < bottom[:, None])
    beside = (columns >= left[:, None]) & (columns < right[:, None])
    cut = inside[:, None, :, None] & beside[:, None, None, :]
    kept = 1 - ((bottom - top) * (right - left)) / (height * width)
    return torch.where(cut, images.roll(1, 0), images), kept
