"""Training batches a second: ours against torchvision's Dataset, Compose and DataLoader, in one thread.

    OMP_NUM_THREADS=1 python -m bench.input

Random images in the shape of CIFAR-10, batches of 128. The usual way keeps PIL images and transforms one after the
other in the process that trains (num_workers=0): the worker processes of a loader would take the cores that other
trials train on.
"""

from collections.abc import Callable
from unittest import mock

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import v2

from bench import usual
from bench.pairing import HEADER, as_in_a_trainer, compare
from winnow.objectives import registry
from winnow.objectives.augmentation import color
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.randomness import Generators

IMAGES, BATCH = 10_000, 128
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)

CROP_FLIP = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()]
AFFINE = transforms.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), interpolation=transforms.InterpolationMode.BILINEAR)
JITTER = transforms.ColorJitter(0.2, 0.2, 0.2)
HUE = transforms.ColorJitter(0.2, 0.2, 0.2, 0.1)


def theirs(images: torch.Tensor, *steps: usual.Transform, mixed: v2.Transform | None = None) -> Callable[[], int]:
    """Some of an epoch's batches from a DataLoader, each `mixed` as a whole."""
    some = usual.Images(images[: 8 * BATCH], torch.zeros(8 * BATCH, dtype=torch.int64), steps, MEAN, STD)
    loader = DataLoader(some, BATCH, shuffle=True)
    return lambda: sum(len(mixed(*batch)[0] if mixed else batch[0]) for batch in loader)


def ours(data: Data, config: Config) -> Callable[[], int]:
    """An epoch's batches."""
    augmentation = Augmentation(config, data)
    generators = Generators.from_seed(0, torch.device("cpu"), registry.augmentation)

    def epoch() -> int:
        order = torch.randperm(IMAGES, generator=generators.order)
        return sum(len(batch(index)) for index in torch.split(order, BATCH))

    def batch(index: torch.Tensor) -> torch.Tensor:
        images = augmentation.batch(index, generators.augmentation)
        return augmentation.mix(images, generators.augmentation)[0] if augmentation.mixes else images

    return epoch


def clamped_at_every_step(images: torch.Tensor, jitters: color.Jitters) -> torch.Tensor:
    """Colour jitter by torchvision's formulas, which the product folds into one map."""
    brightness, contrast, saturation = (
        factor.view(-1, 1, 1, 1) for factor in (jitters.brightness, jitters.contrast, jitters.saturation)
    )
    images.mul_(brightness).clamp_(0, color.WHITE)
    mean = color.grey(images).mean((2, 3), keepdim=True)
    images.mul_(contrast).add_((1 - contrast) * mean).clamp_(0, color.WHITE)
    return images.mul_(saturation).add_((1 - saturation) * color.grey(images)).clamp_(0, color.WHITE)


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    split = Split(images, torch.zeros(IMAGES, dtype=torch.int64))
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    data = Data("cifar10", "classification", split, split, 10, (3, 32, 32), mean, std, "")
    jittered = make_config(crop=True, flip=True, color_jitter=True)
    print(HEADER)
    print(compare("no augmentation", theirs(images), ours(data, make_config())))
    print(compare("crop + flip", theirs(images, *CROP_FLIP), ours(data, make_config(crop=True, flip=True))))
    print(compare("crop + flip + colour jitter, one map", theirs(images, *CROP_FLIP, JITTER), ours(data, jittered)))
    with mock.patch.object(color, "jitter", clamped_at_every_step):
        print(compare("crop + flip + colour jitter, exact", theirs(images, *CROP_FLIP, JITTER), ours(data, jittered)))
    hue = make_config(crop=True, flip=True, color_jitter=True, hue=0.1)
    print(compare("crop + flip + colour jitter with hue", theirs(images, *CROP_FLIP, HUE), ours(data, hue)))
    everything = make_config(crop=True, flip=True, rotation=True, affine=True, color_jitter=True)
    print(
        compare(
            "crop + flip + affine + colour jitter", theirs(images, *CROP_FLIP, AFFINE, JITTER), ours(data, everything)
        )
    )
    # Of torchvision v2, on images one by one, and on whole batches where it takes those.
    policies = {"trivial_augment": v2.TrivialAugmentWide(), "rand_augment": v2.RandAugment()}
    for name, policy in policies.items():
        chosen = make_config({name: True}, crop=True, flip=True)
        print(compare(f"crop + flip + {name}", theirs(images, *CROP_FLIP, policy), ours(data, chosen)))
    mixes = {"mixup": v2.MixUp(num_classes=10), "cutmix": v2.CutMix(num_classes=10)}
    for name, mixed in mixes.items():
        chosen = make_config({name: True}, crop=True, flip=True)
        print(compare(f"crop + flip + {name}", theirs(images, *CROP_FLIP, mixed=mixed), ours(data, chosen)))


if __name__ == "__main__":
    main()
