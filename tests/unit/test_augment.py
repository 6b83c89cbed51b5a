"""What augmentation does to a batch, held against torchvision and against its own generator."""

from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import functional

from objectives.augment import Augmentation, output_shape
from objectives.data import Data, Split
from objectives.errors import HyperparameterError
from objectives.hyperparameters import Config


def images(count: int = 8, shape: tuple[int, ...] = (3, 6, 5), seed: int = 0) -> Data:
    """A few random images, large enough for what they show."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    split = Split(inputs, torch.arange(count) % 2)
    mean, std = torch.linspace(0.3, 0.5, shape[0]), torch.linspace(0.2, 0.4, shape[0])
    return Data("made", "classification", split, split, 2, shape, mean, std, "")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def raw(batch: torch.Tensor, data: Data) -> torch.Tensor:
    """A normalised batch back in its bytes."""
    scaled = batch * data.std.view(-1, 1, 1) + data.mean.view(-1, 1, 1)
    return (scaled * 255).round().to(torch.uint8)


def test_with_everything_off_a_batch_is_the_normalised_images() -> None:
    data, index = images(), torch.tensor([3, 0, 3])
    augmentation = Augmentation(Config(), data)
    expected = functional.normalize(data.train.inputs[index] / 255, data.mean.tolist(), data.std.tolist())
    torch.testing.assert_close(augmentation.batch(index, generator()), expected)
    torch.testing.assert_close(augmentation.evaluate(data.train.inputs[index]), expected)


def test_features_are_normalised_and_nothing_else() -> None:
    inputs = torch.randn(6, 4)
    split = Split(inputs, torch.zeros(6, 1))
    data = Data("made", "regression", split, split, 0, (4,), inputs.mean(0), inputs.std(0), "")
    augmentation = Augmentation(Config(flip=True, crop=True), data)
    index = torch.tensor([5, 2])
    expected = (inputs[index] - data.mean) / data.std
    torch.testing.assert_close(augmentation.batch(index, generator()), expected)
    torch.testing.assert_close(augmentation.evaluate(inputs[index]), expected)


def test_every_crop_and_flip_is_one_that_torchvision_makes_and_all_of_them_occur() -> None:
    data = images(2, (3, 5, 4))
    image = functional.pad(data.train.inputs[1], [1, 1, 1, 1])
    possible = [
        turned(functional.crop(image, top, left, 5, 4))
        for top in range(3)
        for left in range(3)
        for turned in (lambda x: x, functional.horizontal_flip)
    ]
    augmentation = Augmentation(Config(crop=True, crop_padding=1, flip=True, flip_p=0.25), data)
    batch = raw(augmentation.batch(torch.ones(1800, dtype=torch.int64), generator()), data)
    counts = torch.stack([(batch == x).flatten(1).all(1).sum() for x in possible]).view(9, 2)
    assert int(counts.sum()) == 1800
    # RandomCrop draws each of the nine places alike; the flip is drawn apart, one in four.
    assert counts.sum(1).tolist() == pytest.approx([200] * 9, abs=5 * 200**0.5)
    assert counts[:, 1].sum().item() == pytest.approx(450, abs=5 * 450**0.5)


def test_a_smaller_crop_is_evaluated_at_the_centre() -> None:
    data = images(4, (3, 7, 7))
    config = Config(crop=True, crop_padding=0, crop_size=4)
    augmentation = Augmentation(config, data)
    assert output_shape(config, data.shape) == (3, 4, 4)
    assert augmentation.batch(torch.arange(4), generator()).shape == (4, 3, 4, 4)
    expected = functional.center_crop(data.validation.inputs, [4, 4])
    assert torch.equal(raw(augmentation.evaluate(data.validation.inputs), data), expected)


def test_a_crop_larger_than_the_padded_image_is_refused() -> None:
    with pytest.raises(HyperparameterError, match="crop_size = 9 is more than the 8 pixels"):
        Augmentation(Config(crop=True, crop_padding=2, crop_size=9), images(shape=(3, 4, 6)))


EVERYTHING = Config(crop=True, crop_padding=1, flip=True)


def test_all_randomness_is_the_generators() -> None:
    data, index = images(), torch.arange(8)
    before = torch.get_rng_state()
    augmentation = Augmentation(EVERYTHING, data)
    first, second, other = (augmentation.batch(index, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_has_its_own_draw() -> None:
    data = images()
    batch = Augmentation(replace(EVERYTHING), data).batch(torch.zeros(64, dtype=torch.int64), generator())
    assert len({bytes(x.numpy().tobytes()) for x in batch}) > 8


def test_the_images_of_the_training_set_stay_as_they_are() -> None:
    data = images()
    before = data.train.inputs.clone()
    Augmentation(EVERYTHING, data).batch(torch.arange(8), generator())
    assert torch.equal(data.train.inputs, before)
