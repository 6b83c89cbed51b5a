"""Training batches from the images on the device: selected, augmented and normalised, each image by its own draw."""

import functools
import math
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

from winnow.objectives import registry
from winnow.objectives.augmentation import color, geometry, mixing
from winnow.objectives.augmentation.draws import Draws
from winnow.objectives.augmentation.windows import Windows
from winnow.objectives.compatibility import input_shape
from winnow.objectives.data.catalog import CATALOG
from winnow.objectives.data.loading import Data
from winnow.objectives.data.streaming import Streamed
from winnow.objectives.errors import warn_once
from winnow.objectives.hyperparameters import Config


class Augmentation:
    """What a configuration does to the images of its training, and to those that it is evaluated on.

    Each augmentation draws from the generator of its name. The order is that of the usual pipelines: crop, flips,
    rotation with the affine map, colour, normalisation, erasing. Features (moons, regressions) are normalised and
    nothing else.
    """

    def __init__(self, config: Config, data: Data) -> None:
        """Raise HyperparameterError on a crop that the images do not have."""
        self._inputs = data.train.inputs
        self._shape = input_shape(config, data.shape)
        self._images = len(data.shape) == 3
        self._on = registry.augmentation.switched_on(config) if self._images else {}
        self.draws = bool(self._on)
        """Whether a batch depends on more than its index."""
        steps = {name: step for name, step in self._on.items() if callable(step)}
        self._steps = {name: step for name, step in steps.items() if not getattr(step, "normalised", False)}
        self._last_steps = {name: step for name, step in steps.items() if name not in self._steps}
        scale, bias = _scale(config, data)
        if self._images:
            scale, bias = (scale / color.WHITE).view(-1, 1, 1), bias.view(-1, 1, 1)
        self._scale, self._bias = scale, bias

    def batch(self, index: torch.Tensor, generators: Mapping[str, torch.Generator]) -> torch.Tensor:
        """Return the training examples at `index` int64 (B,), augmented and normalised.

        They are float32 (B, C, H, W) or (B, F); index and generators are on the device of the data.
        """
        if not self._on:
            return self._normalise(self._inputs.index_select(0, index).float())
        draws = {name: Draws(len(index), generators[name]) for name in self._on}
        images = self._warped(self._selected(index, draws).float(), draws)
        for name, step in self._steps.items():
            images = step(images, draws[name])
        images = self._normalise(images)
        for name, step in self._last_steps.items():
            images = step(images, draws[name])
        return images

    @property
    def mixes(self) -> bool:
        """Whether images and labels are mixed."""
        return "mixup" in self._on or "cutmix" in self._on

    def mix(self, images: torch.Tensor, generators: Mapping[str, torch.Generator]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix each image of a batch with the one before it; returns the share of each that is its own, (B,), too."""
        mixup, cutmix = self._on.get("mixup"), self._on.get("cutmix")
        whole = torch.ones(len(images), device=images.device)
        blended, pasted = (images, whole), (images, whole)
        if mixup:
            own = mixing.beta(Draws(len(images), generators["mixup"]), mixup.mixup_alpha)
            blended = mixing.blend(images, own), own
        if cutmix:
            draws = Draws(len(images), generators["cutmix"])
            own, x, y = (
                mixing.beta(draws, cutmix.cutmix_alpha),
                draws.below(images.shape[3]),
                draws.below(images.shape[2]),
            )
            pasted = mixing.paste(images, own, x, y)
            if not mixup:
                return pasted
            cut = draws.happens(0.5)
            return torch.where(cut.view(-1, 1, 1, 1), pasted[0], blended[0]), torch.where(cut, pasted[1], blended[1])
        return blended

    def expect(self, batches: Sequence[torch.Tensor]) -> None:
        """Say which batches will be asked for, in this order: streamed ones are read ahead."""
        if isinstance(self._inputs, Streamed):
            self._inputs.expect(batches)

    def evaluate(self, inputs: torch.Tensor) -> torch.Tensor:
        """Normalise raw inputs uint8 (B, C, H, W) or float32 (B, F); crop their centre where training crops smaller."""
        if self._images:
            inputs = _centre(inputs, *self._shape[1:])
        return self._normalise(inputs.to(torch.float32, copy=True))

    @functools.cached_property
    def _windows(self) -> Windows:
        """Made with the first batch: what is only evaluated needs none."""
        assert isinstance(self._inputs, torch.Tensor)
        return self._windows_of(self._inputs)

    def _windows_of(self, images: torch.Tensor) -> Windows:
        """Return the windows of images; a padded copy of them pays for all, and not for those of a batch."""
        padding = self._on["crop"].crop_padding if "crop" in self._on else 0
        _, height, width = self._shape
        copied = None if images is self._inputs else False
        return Windows(images, padding, (height, width), mirrored="flip" in self._on, copied=copied)

    def _selected(self, index: torch.Tensor, draws: Mapping[str, Draws]) -> torch.Tensor:
        streamed = isinstance(self._inputs, Streamed)
        crop, flip, vertical_flip = (self._on.get(name) for name in ("crop", "flip", "vertical_flip"))
        if not (crop or flip or vertical_flip):
            return self._inputs.index_select(0, index)
        windows = self._windows_of(self._inputs.index_select(0, index)) if streamed else self._windows
        rows, columns = windows.places
        return windows.take(
            torch.arange(len(index), device=index.device) if streamed else index,
            top=draws["crop"].below(rows) if crop else 0,
            left=draws["crop"].below(columns) if crop else 0,
            flip=draws["flip"].happens(flip.flip_p) if flip else None,
            vertical_flip=draws["vertical_flip"].happens(vertical_flip.vertical_flip_p) if vertical_flip else None,
        )

    def _warped(self, images: torch.Tensor, draws: Mapping[str, Draws]) -> torch.Tensor:
        rotation, affine = self._on.get("rotation"), self._on.get("affine")
        if not (rotation or affine):
            return images
        warps = geometry.nothing(len(images), images.device)
        if rotation:
            warps = geometry.turn(warps, draws["rotation"], rotation.rotation_degrees)
        if affine:
            _, height, width = self._shape
            warps = geometry.move(warps, draws["affine"], affine.translation, affine.zoom, affine.shear, height, width)
        return geometry.warp(images, warps)

    def _normalise(self, inputs: torch.Tensor) -> torch.Tensor:
        """Normalise in place."""
        return inputs.mul_(self._scale).add_(self._bias)


def _scale(config: Config, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """Return by what inputs (images from 0 to 1) are multiplied, and what is then added: both (C,) or (F,)."""
    if config.normalisation == "standard":
        return data.std.reciprocal(), -data.mean / data.std
    factor, shift = (2.0, -1.0) if config.normalisation == "symmetric" else (1.0, 0.0)
    return torch.full_like(data.mean, factor), torch.full_like(data.mean, shift)


def doubts(config: Config, data: Data) -> list[str]:
    """Return what of the augmentation makes no sense for the data, a sentence each; it is done all the same."""
    on = list(registry.augmentation.switched_on(config))
    if len(data.shape) != 3:
        return [f"{data.name} has no images: {', '.join(on)} changes nothing"] if on else []
    found = []
    if data.name in CATALOG and CATALOG[data.name].written:
        found += [f"{method} mirrors the characters of {data.name}" for method in on if "flip" in method]
        if config.rotation and config.rotation_degrees > 60:
            found.append(f"rotation_degrees = {config.rotation_degrees:g} takes a 6 of {data.name} for a 9")
    if config.color_jitter and data.shape[0] == 1:
        found.append(f"{data.name} has no colour: color_jitter changes brightness and contrast alone")
    side = min(data.shape[1:])
    if config.crop and config.crop_padding > side / 4:
        found.append(
            f"crop_padding = {config.crop_padding} can push half of an image of {data.name} out of its {side} pixels; "
            f"{math.ceil(side / 8)} is usual"
        )
    return found


def warn(config: Config, data: Data) -> None:
    """Log what makes no sense for the data, each of it once in a process."""
    for doubt in doubts(config, data):
        warn_once(doubt)


def _centre(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the middle `height` x `width` of images (B, C, H, W), in black where they are smaller."""
    top, left = (round((height - images.shape[2]) / 2), round((width - images.shape[3]) / 2))
    bottom, right = height - images.shape[2] - top, width - images.shape[3] - left
    return functional.pad(images, (left, right, top, bottom)) if any((top, bottom, left, right)) else images
