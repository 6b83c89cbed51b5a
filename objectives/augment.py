"""Training batches from the images on the device: selected, augmented and normalised, each image by its own draw."""

import torch

from objectives.data import Data
from objectives.errors import HyperparameterError
from objectives.hyperparameters import Config
from objectives.windows import Windows


def output_shape(config: Config, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape (C, H, W) or (F,) of one input of the model; raises HyperparameterError on a crop that cannot be."""
    if len(shape) != 3 or not (config.crop and config.crop_size):
        return shape
    largest = min(shape[1:]) + 2 * config.crop_padding
    if config.crop_size > largest:
        raise HyperparameterError(
            f"crop_size = {config.crop_size} is more than the {largest} pixels that {config.crop_padding} pixels of "
            f"padding make of images of {shape[1]}x{shape[2]}",
            "lower crop_size or raise crop_padding",
        )
    return (shape[0], config.crop_size, config.crop_size)


class Augmentation:
    """What a configuration does to the images of its training, and to those it is evaluated on.

    All randomness comes from the generator that `batch` is given. Features (moons, regressions) are normalised and
    nothing else.
    """

    def __init__(self, config: Config, data: Data) -> None:
        self._config = config
        self._train = data.train.inputs
        self._shape = output_shape(config, data.shape)
        images = len(data.shape) == 3
        scale = (255 * data.std if images else data.std).reciprocal()
        self._scale, self._bias = (x.view(-1, *(1,) * (len(data.shape) - 1)) for x in (scale, -data.mean / data.std))
        self._windows: Windows | None = None
        if images and (config.crop or config.flip):
            padding = config.crop_padding if config.crop else 0
            self._windows = Windows(self._train, padding, self._shape[1:], mirrored=config.flip)  # type: ignore[arg-type]

    def batch(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The training examples at `index` int64 (B,), augmented and normalised; float32 (B, C, H, W) or (B, F)."""
        if self._windows is None:
            return self._normalised(self._train.index_select(0, index))
        return self._normalised(self._cropped(self._windows, index, generator))

    def evaluate(self, inputs: torch.Tensor) -> torch.Tensor:
        """Raw inputs uint8 (B, C, H, W) or float32 (B, F), normalised, centre-cropped where training crops smaller."""
        if inputs.shape[1:] != self._shape:
            inputs = _centre(inputs, self._shape[1], self._shape[2])
        return self._normalised(inputs)

    def _cropped(self, windows: Windows, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, device = len(index), generator.device
        config = self._config
        top: torch.Tensor | int = 0
        left: torch.Tensor | int = 0
        flip = None
        if config.crop:
            top, left = (
                torch.randint(places, (count,), generator=generator, device=device).to(index.device)
                for places in windows.places
            )
        if config.flip:
            flip = (torch.rand(count, generator=generator, device=device) < config.flip_p).to(index.device)
        return windows.take(index, top, left, flip)

    def _normalised(self, inputs: torch.Tensor) -> torch.Tensor:
        return (
            inputs.float().mul_(self._scale).add_(self._bias)
            if inputs.dtype == torch.uint8
            else torch.addcmul(self._bias, inputs, self._scale)
        )


def _centre(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle `height` x `width` of images (B, C, H, W), padded with black where they are smaller."""
    from torchvision.transforms.v2 import functional

    cropped: torch.Tensor = functional.center_crop(images, [height, width])
    return cropped
