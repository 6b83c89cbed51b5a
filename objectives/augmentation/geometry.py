"""Rotation, translation, zoom and shear of a whole batch as one resampling, each image by its own numbers."""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from winnow.objectives.augmentation.draws import Draws


@dataclass(frozen=True)
class Warps:
    """What happens to each image, about its centre; float32 (B,) each."""

    degrees: torch.Tensor
    """Turned clockwise."""
    right: torch.Tensor
    """Moved, in pixels."""
    down: torch.Tensor
    zoom: torch.Tensor
    """Above 1 enlarges."""
    shear: torch.Tensor
    """Degrees by which its columns lean."""


def nothing(count: int, device: torch.device) -> Warps:
    """Make warps that leave images as they are."""
    zeros = torch.zeros(count, device=device)
    return Warps(zeros, zeros, zeros, zeros + 1, zeros)


def turn(warps: Warps, draws: Draws, degrees: float) -> Warps:
    """Draw rotations, uniform within `degrees` either way."""
    return replace(warps, degrees=draws.between(-degrees, degrees))


def move(warps: Warps, draws: Draws, translation: float, zoom: float, shear: float, height: int, width: int) -> Warps:
    """Draw the rest for images of `height` x `width`, each number uniform within its strength either way."""
    return replace(
        warps,
        # Whole pixels, as torchvision's: a translation alone blurs nothing.
        right=draws.between(-translation * width, translation * width).round(),
        down=draws.between(-translation * height, translation * height).round(),
        zoom=draws.between(1 - zoom, 1 + zoom),
        shear=draws.between(-shear, shear),
    )


def warp(images: torch.Tensor, warps: Warps) -> torch.Tensor:
    """Lean, zoom and turn images float32 (B, C, H, W), then move them; bilinear, and black where nothing was.

    It is torchvision's `affine`. Rotation and the affine map together are one resampling, where torchvision's
    RandomRotation and RandomAffine are two.
    """
    # For each pixel of the result, where in the image it comes from, all steps backwards (pixels from the centre):
    #     [x]   [1  tan(shear)]   [ cos  sin]   [x' - right]
    #     [y] = [0      1     ] . [-sin  cos] . [y' - down ] / zoom
    angle, lean = warps.degrees.deg2rad(), warps.shear.deg2rad().tan()
    cosine, sine = angle.cos() / warps.zoom, angle.sin() / warps.zoom
    across, along = cosine - lean * sine, sine + lean * cosine
    right = -(across * warps.right + along * warps.down)
    down = -(cosine * warps.down - sine * warps.right)
    return resample(images, (across, along, right, -sine, cosine, down))


def resample(images: torch.Tensor, rows: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Give each pixel (x, y) of the result what lies at (a x + b y + c, d x + e y + f), in pixels from the centre.

    `rows` are a to f, float32 (B,) each; bilinear, and black where nothing was.
    """
    count, _, height, width = images.shape
    a, b, c, d, e, f = rows
    # affine_grid's coordinates run from -1 to 1 over the height and over the width.
    rows = (a, b * (height / width), c * (2 / width), d * (width / height), e, f * (2 / height))
    grid = functional.affine_grid(torch.stack(rows, 1).view(count, 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
