"""TrivialAugmentWide and RandAugment: operations that each image of a batch draws for itself, from fixed lists.

Müller and Hutter, "TrivialAugment", ICCV 2021; Cubuk et al., "RandAugment", 2020. The lists and strengths are those of
torchvision; images are resampled bilinearly. Images are float32 (B, C, H, W) from 0 to 255.
"""

import functools
from collections.abc import Callable

import torch
from torch.nn import functional

from winnow.objectives.augmentation import color, geometry
from winnow.objectives.augmentation.draws import Draws

OPERATIONS = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate"),
    *("brightness", "color", "contrast", "sharpness", "posterize", "solarize", "auto_contrast", "equalize"),
)
BINS = 31
WHOLE = 256
"""Values of a byte."""
SIGNED = 10
"""The operations from the second to before this one go either way."""
WIDE = (0.0, 0.99, 0.99, 32.0, 32.0, 135.0, 0.99, 0.99, 0.99, 0.99, 6.0, 255.0, 0.0, 0.0)
"""The largest strength of each operation in TrivialAugmentWide: of posterize in bits taken away."""


def trivial(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Do one operation to each image, of any strength."""
    which, strength, negative = draws.below(len(OPERATIONS)), draws.below(BINS), draws.happens(0.5)
    return apply(images, which, _strengths(which, strength.float() / (BINS - 1), negative, WIDE))


def randomly(images: torch.Tensor, draws: Draws, operations: int, magnitude: int) -> torch.Tensor:
    """Do so many operations to each image one after the other, all of one strength of 0 to 30."""
    height, width = images.shape[2:]
    most = (0.0, 0.3, 0.3, 150 / 331 * width, 150 / 331 * height, 30.0, 0.9, 0.9, 0.9, 0.9, 4.0, 255.0, 0.0, 0.0)
    for _ in range(operations):
        which, negative = draws.below(len(OPERATIONS)), draws.happens(0.5)
        share = torch.full((len(images),), magnitude / (BINS - 1), device=images.device)
        images = apply(images, which, _strengths(which, share, negative, most))
    return images


def _strengths(
    which: torch.Tensor, share: torch.Tensor, negative: torch.Tensor, most: tuple[float, ...]
) -> torch.Tensor:
    strength = share * _on_device(most, share.device)[which]
    return torch.where(negative & (which < SIGNED), -strength, strength)


@functools.lru_cache(maxsize=64)
def _on_device(most: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return them as a tensor, copied to the device once: a step would wait for each copy."""
    return torch.tensor(most, device=device)


def apply(images: torch.Tensor, which: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Do to each image (B, C, H, W) the operation at `which` int64 (B,) of OPERATIONS, of a strength (B,)."""
    if images.device.type != "cpu":
        return _apply_to_all(images, which, strength)
    result = images.clone()
    for place, name in enumerate(OPERATIONS[1:], start=1):
        chosen = (which == place).nonzero()[:, 0]
        if len(chosen):
            done = _DOING[name](images.index_select(0, chosen), strength[chosen].view(-1, 1, 1, 1))
            result.index_copy_(0, chosen, done)
    return result


def _apply_to_all(images: torch.Tensor, which: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Do each operation to all images and choose: how many drew one, an accelerator would have to be waited for."""
    result = images
    for place, name in enumerate(OPERATIONS[1:], start=1):
        chosen = which == place
        done = _DOING[name](images, torch.where(chosen, strength, 0).view(-1, 1, 1, 1))
        result = torch.where(chosen.view(-1, 1, 1, 1), done, result)
    return result


def _shear_x(images: torch.Tensor, tangent: torch.Tensor) -> torch.Tensor:
    return _moved(images, (1, tangent, tangent * images.shape[2] / 2, 0, 1, 0))


def _shear_y(images: torch.Tensor, tangent: torch.Tensor) -> torch.Tensor:
    return _moved(images, (1, 0, 0, tangent, 1, tangent * images.shape[3] / 2))


def _translate_x(images: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return _moved(images, (1, 0, -pixels.trunc(), 0, 1, 0))


def _translate_y(images: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return _moved(images, (1, 0, 0, 0, 1, -pixels.trunc()))


def _rotate(images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    return _moved(images, (cosine, -sine, 0, sine, cosine, 0))


def _moved(images: torch.Tensor, rows: tuple[torch.Tensor | float, ...]) -> torch.Tensor:
    every = (row.view(-1) if isinstance(row, torch.Tensor) else images.new_full((1,), row) for row in rows)
    return geometry.resample(images, tuple(row.expand(len(images)) for row in every))


def _brightness(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return _blended(images, torch.zeros_like(images), strength)


def _color(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return images if images.shape[1] == 1 else _blended(images, color.grey(images), strength)


def _contrast(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return _blended(images, color.grey(images).mean((2, 3), keepdim=True), strength)


def _sharpness(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    channels, height, width = images.shape[1:]
    if height < 3 or width < 3:
        return images
    kernel = torch.full((3, 3), 1 / 13, device=images.device)
    kernel[1, 1:2].fill_(5 / 13)  # an assignment would copy the number from the host
    smooth = images.clone()
    inner = functional.conv2d(images, kernel.expand(channels, 1, 3, 3), groups=channels)
    smooth[:, :, 1:-1, 1:-1] = inner.round()
    return _blended(images, smooth, strength)


def _blended(images: torch.Tensor, other: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return torch.lerp(other.expand_as(images), images, 1 + strength).clamp_(0, color.WHITE)


def _posterize(images: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    step = 2 ** bits.round()
    return (images.round() / step).floor() * step


def _solarize(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return torch.where(images >= color.WHITE - strength, color.WHITE - images, images)


def _auto_contrast(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = low == high
    stretched = (images - low) * (color.WHITE / torch.where(flat, 1, high - low))
    return torch.where(flat, images, stretched.clamp(0, color.WHITE))


def _equalize(images: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Spread each channel's bytes so that they are about equally frequent, as Pillow does."""
    shape, pixels = images.shape, images.round().clamp(0, color.WHITE).long().flatten(0, 1).flatten(1)
    counts = torch.zeros(len(pixels), WHOLE, dtype=torch.int64, device=images.device)
    counts.scatter_add_(1, pixels, torch.ones_like(pixels))
    total = counts.cumsum(1)
    last = counts.gather(1, pixels.amax(1, keepdim=True))  # of the brightest byte that occurs
    step = ((pixels.shape[1] - last) // (WHOLE - 1)).expand(-1, WHOLE)
    before = functional.pad(total[:, :-1], (1, 0))
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=WHOLE - 1)
    table = torch.where(step == 0, torch.arange(WHOLE, device=images.device), table)
    return table.gather(1, pixels).view(shape).to(images.dtype)


_DOING: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
    "brightness": _brightness,
    "color": _color,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
}
