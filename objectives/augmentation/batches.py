"""Training batches from the images on the device: selected, augmented and normalised, each image by its own draw."""

import functools
import logging
import math

import torch
from torch.nn import functional

from winnow.objectives.augmentation import color, erasing, geometry
from winnow.objectives.augmentation.draws import Draws
from winnow.objectives.augmentation.windows import Windows
from winnow.objectives.data.catalog import CATALOG
from winnow.objectives.data.loading import Data
from winnow.objectives.fits_data import input_shape
from winnow.objectives.hyperparameters import Config

METHODS = ("crop", "flip", "vertical_flip", "rotation", "affine", "color_jitter", "erasing")
"""The hyperparameters that switch a method of augmentation on."""

logger = logging.getLogger("winnow")


class Augmentation:
    """What a configuration does to the images of its training, and to those that it is evaluated on.

    All randomness comes from the generator that `batch` is given. The order is that of the usual pipelines: crop,
    flips, rotation with the affine map, colour, normalisation, erasing. Features (moons, regressions) are normalised
    and nothing else.
    """

    def __init__(self, config: Config, data: Data) -> None:
        """Raises HyperparameterError on a crop that the images do not have."""
        self._config = config
        self._inputs = data.train.inputs
        self._shape = input_shape(config, data.shape)
        self._images = len(data.shape) == 3
        self._on = self._images and any(getattr(config, method) for method in METHODS)
        scale, bias = data.std.reciprocal(), -data.mean / data.std
        if self._images:
            scale, bias = (scale / color.WHITE).view(-1, 1, 1), bias.view(-1, 1, 1)
        self._scale, self._bias = scale, bias

    def batch(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The training examples at `index` int64 (B,), augmented and normalised; float32 (B, C, H, W) or (B, F).

        Index and generator are on the device of the data.
        """
        if not self._on:
            return self._normalise(self._inputs.index_select(0, index).float())
        config = self._config
        draws = Draws(len(index), generator)
        images = self._selected(index, draws).float()
        if config.rotation or config.affine:
            images = geometry.warp(images, self._draw_warps(draws))
        if config.color_jitter:
            images = color.jitter(images, self._draw_jitters(draws))
        images = self._normalise(images)
        if config.erasing:
            images = erasing.erase(images, self._draw_rectangles(draws))
        return images

    def evaluate(self, inputs: torch.Tensor) -> torch.Tensor:
        """Raw inputs uint8 (B, C, H, W) or float32 (B, F), normalised, centre-cropped where training crops smaller."""
        if self._images:
            inputs = _centre(inputs, *self._shape[1:])
        return self._normalise(inputs.to(torch.float32, copy=True))

    @functools.cached_property
    def _windows(self) -> Windows:
        """Made with the first batch: what is only evaluated needs none."""
        padding = self._config.crop_padding if self._config.crop else 0
        _, height, width = self._shape
        return Windows(self._inputs, padding, (height, width), mirrored=self._config.flip)

    def _selected(self, index: torch.Tensor, draws: Draws) -> torch.Tensor:
        config = self._config
        if not (config.crop or config.flip or config.vertical_flip):
            return self._inputs.index_select(0, index)
        rows, columns = self._windows.places
        return self._windows.take(
            index,
            top=draws.below("crop_top", rows),
            left=draws.below("crop_left", columns),
            flip=draws.happens("flip", config.flip_p) if config.flip else None,
            vertical_flip=draws.happens("vertical_flip", config.vertical_flip_p) if config.vertical_flip else None,
        )

    def _draw_warps(self, draws: Draws) -> geometry.Warps:
        config = self._config
        _, height, width = self._shape
        degrees = config.rotation_degrees if config.rotation else 0.0
        translation, zoom, shear = (config.translation, config.zoom, config.shear) if config.affine else (0.0, 0.0, 0.0)
        return geometry.draw(draws, degrees, translation, zoom, shear, height, width)

    def _draw_jitters(self, draws: Draws) -> color.Jitters:
        config = self._config
        return color.draw(draws, config.brightness, config.contrast, config.saturation, config.hue)

    def _draw_rectangles(self, draws: Draws) -> erasing.Rectangles:
        _, height, width = self._shape
        return erasing.draw(draws, self._config.erasing_p, self._config.erasing_area, height, width)

    def _normalise(self, inputs: torch.Tensor) -> torch.Tensor:
        """In place."""
        return inputs.mul_(self._scale).add_(self._bias)


def doubts(config: Config, data: Data) -> list[str]:
    """What of the augmentation makes no sense for the data, a sentence each; it is done all the same."""
    on = [method for method in METHODS if getattr(config, method)]
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
        _warn_once(doubt)


@functools.cache
def _warn_once(doubt: str) -> None:
    logger.warning("%s", doubt)


def _centre(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle `height` x `width` of images (B, C, H, W), in black where they are smaller."""
    top, left = (round((height - images.shape[2]) / 2), round((width - images.shape[3]) / 2))
    bottom, right = height - images.shape[2] - top, width - images.shape[3] - left
    return functional.pad(images, (left, right, top, bottom)) if any((top, bottom, left, right)) else images
