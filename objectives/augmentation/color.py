"""Brightness, contrast, saturation and hue of a whole batch, each image by its own numbers.

Images are float32 (B, C, H, W) from 0 to 255, of one channel or three.
"""

from dataclasses import dataclass, replace

import torch

from winnow.objectives.augmentation.draws import Draws

WHITE = 255.0


@dataclass(frozen=True)
class Jitters:
    """What happens to the colours of each image; float32 (B,) each."""

    brightness: torch.Tensor
    """Factors; 1 changes nothing."""
    contrast: torch.Tensor
    saturation: torch.Tensor
    hue: torch.Tensor | None
    """In turns of the colour wheel, -0.5 to 0.5; None changes nothing."""


def draw(draws: Draws, brightness: float, contrast: float, saturation: float, hue: float) -> Jitters:
    """Draw jitters, each number uniform within its strength either way."""
    jitters = Jitters(
        brightness=draws.between(1 - brightness, 1 + brightness),
        contrast=draws.between(1 - contrast, 1 + contrast),
        saturation=draws.between(1 - saturation, 1 + saturation),
        hue=draws.between(-hue, hue),
    )
    return jitters if hue else replace(jitters, hue=None)


def jitter(images: torch.Tensor, jitters: Jitters) -> torch.Tensor:
    """Change the colours of images, which are overwritten.

    Brightness, contrast and saturation are affine maps of a pixel's colour x, with g the pixel's grey and m the
    image's mean grey: b x, then c x + (1 - c) m, then s x + (1 - s) g. Together they are one,

        b c s x + b c (1 - s) g + b (1 - c) m,

    the same in every order. So there is no order to draw; torchvision's ColorJitter draws one, because it clamps
    after each of them. Clamping once, at their end, is the only difference: none where no step leaves 0 to 255. The
    hue is turned last.
    """
    brightness, contrast, saturation = (
        factor.view(-1, 1, 1, 1) for factor in (jitters.brightness, jitters.contrast, jitters.saturation)
    )
    greys = grey(images)
    mean = greys.mean((2, 3), keepdim=True)
    greys.mul_(brightness * contrast * (1 - saturation)).add_(brightness * (1 - contrast) * mean)
    images.mul_(brightness * contrast * saturation).add_(greys).clamp_(0, WHITE)
    return images if jitters.hue is None or images.shape[1] == 1 else turn_hue(images, jitters.hue)


def grey(images: torch.Tensor) -> torch.Tensor:
    """Return the images' luma (B, 1, H, W), by the weights of ITU-R BT.601 as torchvision rounds them."""
    if images.shape[1] == 1:
        return images.clone()
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def turn_hue(images: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Turn the hue of images of three channels by `turn` (B,), in turns of the colour wheel.

    Hue, value and saturation are HSV's, exactly, as in torchvision's `adjust_hue`; the latter two stay.
    """
    red, green, blue = images.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = value - least
    # A sixth of the wheel is one: red lies at 0 and 6, green at 2, blue at 4, and how far off the hue is the other two
    # channels say. A grey pixel has no hue, and any will do.
    sixth = chroma.clamp_min(torch.finfo(images.dtype).tiny).reciprocal_()
    from_green_or_blue = torch.where(value == green, (blue - red) * sixth + 2, (red - green) * sixth + 4)
    hue = torch.where(value == red, (green - blue) * sixth, from_green_or_blue).add_(6 * turn.view(-1, 1, 1))
    hue.sub_((hue / 6).floor_().mul_(6))
    # Back: each channel is strongest within one of its place, and weakest from two on.
    near_red = (hue - 3).abs_().sub_(1)
    near_green = (hue - 2).abs_().neg_().add_(2)
    near_blue = (hue - 4).abs_().neg_().add_(2)
    shares = torch.stack([near_red, near_green, near_blue], 1).clamp_(0, 1)
    return shares.mul_(chroma[:, None]).add_(least[:, None])
