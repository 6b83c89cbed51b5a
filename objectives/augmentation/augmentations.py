"""The augmentations that are built in, each with its hyperparameters, in the order in which they are done.

Crop and flips are done as one gather (windows), rotation and affine as one resampling (geometry). What can be called
is called with the images, 0 to 255 or normalised as its `normalised` says, and its draws.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from winnow.objectives.definition import Hyperparameter
from winnow.objectives.registry import augmentation

if TYPE_CHECKING:
    from torch import Tensor

    from winnow.objectives.augmentation.draws import Draws


@augmentation("crop")
@dataclass(frozen=True)
class Crop:
    """Random crop of the image padded with black; centre crop at evaluation."""

    crop_padding: Annotated[
        int,
        Hyperparameter("padding on each side; an eighth of the image is usual", unit="pixels", low=0, decides_fit=True),
    ] = 4
    crop_size: Annotated[
        int,
        Hyperparameter("side of the crop; 0: that of the image", unit="pixels", low=0, decides_fit=True, stacks=False),
    ] = 0


@augmentation("flip")
@dataclass(frozen=True)
class Flip:
    """Random horizontal flip."""

    flip_p: Annotated[float, Hyperparameter("probability of a horizontal flip", low=0, high=1)] = 0.5


@augmentation("vertical_flip")
@dataclass(frozen=True)
class VerticalFlip:
    """Random vertical flip."""

    vertical_flip_p: Annotated[float, Hyperparameter("probability of a vertical flip", low=0, high=1)] = 0.5


@augmentation("rotation")
@dataclass(frozen=True)
class Rotation:
    """Random rotation."""

    rotation_degrees: Annotated[
        float, Hyperparameter("largest rotation, either way", unit="degrees", low=0, high=180)
    ] = 15.0


@augmentation("affine")
@dataclass(frozen=True)
class Affine:
    """Random translation, zoom and shear."""

    translation: Annotated[
        float, Hyperparameter("largest translation, either way, as a share of the side", low=0, high=1)
    ] = 0.1
    zoom: Annotated[float, Hyperparameter("largest zoom: a factor of 1 - zoom to 1 + zoom", low=0, high=0.9)] = 0.1
    shear: Annotated[float, Hyperparameter("largest shear, either way", unit="degrees", low=0, high=60)] = 0.0


@augmentation("color_jitter")
@dataclass(frozen=True)
class ColorJitter:
    """Random brightness, contrast, saturation and hue."""

    brightness: Annotated[float, Hyperparameter("brightness times 1 - this to 1 + this", low=0, high=1)] = 0.2
    contrast: Annotated[float, Hyperparameter("contrast times 1 - this to 1 + this", low=0, high=1)] = 0.2
    saturation: Annotated[float, Hyperparameter("saturation times 1 - this to 1 + this", low=0, high=1)] = 0.2
    hue: Annotated[float, Hyperparameter("largest turn of the hue, either way", unit="turns", low=0, high=0.5)] = 0.0

    def __call__(self, images: "Tensor", draws: "Draws") -> "Tensor":
        """Change the colours of images from 0 to 255, which are overwritten."""
        from winnow.objectives.augmentation import color

        return color.jitter(images, color.draw(draws, self.brightness, self.contrast, self.saturation, self.hue))


@augmentation("trivial_augment")
@dataclass(frozen=True)
class TrivialAugment:
    """TrivialAugmentWide: one operation of fourteen, of any strength."""

    def __call__(self, images: "Tensor", draws: "Draws") -> "Tensor":
        """Change images from 0 to 255."""
        from winnow.objectives.augmentation import policies

        return policies.trivial(images, draws)


@augmentation("rand_augment")
@dataclass(frozen=True)
class RandAugment:
    """RandAugment: some operations of fourteen, all of one strength."""

    rand_operations: Annotated[int, Hyperparameter("operations on each image", low=1, high=10)] = 2
    rand_magnitude: Annotated[int, Hyperparameter("their strength", low=0, high=30)] = 9

    def __call__(self, images: "Tensor", draws: "Draws") -> "Tensor":
        """Change images from 0 to 255."""
        from winnow.objectives.augmentation import policies

        return policies.randomly(images, draws, self.rand_operations, self.rand_magnitude)


@augmentation("mixup")
@dataclass(frozen=True)
class MixUp:
    """Blend of each image and its label with another's."""

    mixup_alpha: Annotated[
        float, Hyperparameter("of Beta(alpha, alpha), from which the share is drawn", low=1e-3, high=100)
    ] = 0.2


@augmentation("cutmix")
@dataclass(frozen=True)
class CutMix:
    """Rectangle of another image in each, and of its label. With mixup too, each image has one of them."""

    cutmix_alpha: Annotated[
        float, Hyperparameter("of Beta(alpha, alpha), from which the rectangle's area is drawn", low=1e-3, high=100)
    ] = 1.0


@augmentation("erasing")
@dataclass(frozen=True)
class Erasing:
    """Random erasing of a rectangle."""

    normalised: ClassVar[bool] = True
    erasing_p: Annotated[float, Hyperparameter("probability of an erasing", low=0, high=1)] = 0.5
    erasing_area: Annotated[
        float, Hyperparameter("largest share of the image erased; the smallest is 0.02", low=0.02, high=1)
    ] = 0.33

    def __call__(self, images: "Tensor", draws: "Draws") -> "Tensor":
        """Erase from normalised images, which are overwritten."""
        from winnow.objectives.augmentation import erasing

        height, width = images.shape[2:]
        return erasing.erase(images, erasing.draw(draws, self.erasing_p, self.erasing_area, height, width))
