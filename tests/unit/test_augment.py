"""What augmentation does to a batch, held against torchvision: its operations, its draws, its randomness."""

import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from example_data import inputs_of
from winnow.objectives.augmentation import batches, color, erasing, geometry
from winnow.objectives.augmentation.batches import Augmentation, doubts
from winnow.objectives.augmentation.draws import Draws
from winnow.objectives.augmentation.windows import Windows
from winnow.objectives.compatibility import input_shape
from winnow.objectives.data import streaming
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.errors import HyperparameterError, warn_once
from winnow.objectives.hyperparameters import change, make_config
from winnow.objectives.randomness import Generators

METHODS = ("crop", "flip", "vertical_flip", "rotation", "affine", "color_jitter", "erasing")
NOTHING = make_config()
EVERYTHING = change(make_config(crop_padding=1, shear=10.0, hue=0.1), **dict.fromkeys(METHODS, True))


def images(count: int = 8, shape: tuple[int, ...] = (3, 6, 5), name: str = "made") -> Data:
    """A few random images, large enough for what they show."""
    inputs = torch.randint(0, 256, (count, *shape), generator=generator(), dtype=torch.uint8)
    split = Split(inputs, torch.arange(count) % 2)
    mean, std = torch.linspace(0.3, 0.5, shape[0]), torch.linspace(0.2, 0.4, shape[0])
    return Data(name, "classification", split, split, 2, shape, mean, std, "")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generators(seed: int = 0) -> dict[str, torch.Generator]:
    return dict(Generators.from_seed(seed, torch.device("cpu"), METHODS).augmentation)


def colors(count: int, low: int = 0, high: int = 255) -> torch.Tensor:
    """Images from 0 to 255 as the operations take them."""
    return torch.rand(count, 3, 7, 9, generator=generator()) * (high - low) + low


def raw(batch: torch.Tensor, data: Data) -> torch.Tensor:
    """A normalised batch back in its bytes."""
    scaled = batch * data.std.view(-1, 1, 1) + data.mean.view(-1, 1, 1)
    return (scaled * 255).round().to(torch.uint8)


# ---- batches


def test_with_everything_off_a_batch_is_the_normalised_images() -> None:
    data, index = images(), torch.tensor([3, 0, 3])
    augmentation = Augmentation(NOTHING, data)
    expected = functional.normalize(inputs_of(data.train)[index] / 255, data.mean.tolist(), data.std.tolist())
    unused = generators()
    torch.testing.assert_close(augmentation.batch(index, unused), expected)
    torch.testing.assert_close(augmentation.evaluate(inputs_of(data.train)[index]), expected)
    assert all(torch.equal(unused[name].get_state(), generators()[name].get_state()) for name in METHODS)


def test_features_are_normalised_and_nothing_else() -> None:
    inputs = torch.randn(6, 4, generator=generator())
    kept = inputs.clone()
    split = Split(inputs, torch.zeros(6, 1))
    data = Data("made", "regression", split, split, 0, (4,), inputs.mean(0), inputs.std(0), "")
    augmentation = Augmentation(EVERYTHING, data)
    index = torch.tensor([5, 2])
    expected = (inputs[index] - data.mean) / data.std
    torch.testing.assert_close(augmentation.batch(index, generators()), expected)
    torch.testing.assert_close(augmentation.evaluate(inputs[index]), expected)
    assert torch.equal(inputs, kept)


@pytest.mark.parametrize("method", [None, *METHODS])
def test_all_randomness_is_the_generators_and_the_images_stay(method: str | None) -> None:
    config = change(NOTHING, **{method: True}) if method else EVERYTHING
    data, index = images(), torch.arange(8)
    state, before = torch.get_rng_state(), inputs_of(data.train).clone()
    augmentation = Augmentation(config, data)
    first, again, other = (augmentation.batch(index, generators(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(inputs_of(data.train), before)


@pytest.mark.parametrize("method", METHODS)
def test_each_image_has_its_own_draw(method: str) -> None:
    config = change(NOTHING, **{method: True})
    batch = Augmentation(config, images()).batch(torch.zeros(64, dtype=torch.int64), generators())
    assert len({bytes(image.numpy().tobytes()) for image in batch}) >= (2 if "flip" in method else 8)


def test_a_method_switched_on_changes_no_other_methods_draws() -> None:
    data, index = images(64), torch.arange(64)
    crop = make_config(crop=True, crop_padding=1)
    cropped, flipped_too, erased_too = (
        Augmentation(config, data).batch(index, generators())
        for config in (crop, change(crop, flip=True), change(crop, erasing=True))
    )
    same = (cropped == flipped_too).all((1, 2, 3))
    assert 16 < int(same.sum()) < 48
    assert torch.equal(flipped_too[~same], cropped[~same].flip(-1))
    assert not erased_too[erased_too != cropped].any()


# ---- crop and flips


def test_every_crop_and_flip_is_one_that_torchvision_makes_and_all_of_them_occur() -> None:
    data = images(2, (3, 5, 4))
    image = functional.pad(inputs_of(data.train)[1], [1, 1, 1, 1])
    turns: list[Callable[[Any], Any]] = [
        lambda crop: crop,
        functional.horizontal_flip,
        functional.vertical_flip,
        lambda crop: functional.vertical_flip(functional.horizontal_flip(crop)),
    ]
    possible = [
        turn(functional.crop(image, top, left, 5, 4)) for top in range(3) for left in range(3) for turn in turns
    ]
    config = make_config(crop=True, crop_padding=1, flip=True, flip_p=0.25, vertical_flip=True, vertical_flip_p=0.1)
    batch = raw(Augmentation(config, data).batch(torch.ones(3600, dtype=torch.int64), generators()), data)
    counts = torch.stack([(batch == image).flatten(1).all(1).sum() for image in possible]).view(9, 4)
    assert int(counts.sum()) == 3600
    # RandomCrop draws each of the nine places alike; each flip is drawn apart.
    assert counts.sum(1).tolist() == pytest.approx([400] * 9, abs=5 * 400**0.5)
    shares = [0.75 * 0.9, 0.25 * 0.9, 0.75 * 0.1, 0.25 * 0.1]
    assert counts.sum(0).tolist() == [pytest.approx(3600 * share, abs=5 * (3600 * share) ** 0.5) for share in shares]


@pytest.mark.parametrize(("size", "padding"), [(4, 0), (5, 1), (9, 2)])
def test_a_crop_of_another_size_is_evaluated_at_the_centre(size: int, padding: int) -> None:
    data = images(4, (3, 7, 8))
    config = make_config(crop=True, crop_padding=padding, crop_size=size)
    augmentation = Augmentation(config, data)
    assert input_shape(config, data.shape) == (3, size, size)
    assert augmentation.batch(torch.arange(4), generators()).shape == (4, 3, size, size)
    expected = functional.center_crop(data.validation.inputs, [size, size])
    assert torch.equal(raw(augmentation.evaluate(inputs_of(data.validation)), data), expected)


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("size", [(5, 4), (3, 4), (2, 2)])
def test_without_memory_for_a_padded_copy_crops_and_flips_are_the_same(padding: int, size: tuple[int, int]) -> None:
    data = images(9, (3, 5, 4))
    copied, reckoned = (Windows(inputs_of(data.train), padding, size, True, copied) for copied in (True, False))
    assert copied.places == reckoned.places
    rows, columns = copied.places
    for places in itertools.product(range(rows), range(columns)):
        top, left = (torch.full((9,), place) for place in places)
        flip, vertical_flip = torch.arange(9) % 2 == 0, torch.arange(9) % 3 == 0
        for flips in ((None, None), (flip, None), (None, vertical_flip), (flip, vertical_flip)):
            index = torch.arange(9).flip(0)
            assert torch.equal(copied.take(index, top, left, *flips), reckoned.take(index, top, left, *flips))


@pytest.mark.parametrize("free", [0, 8 * 3 * 8 * 7 * 2, 10**9])
def test_the_padded_copy_takes_at_most_half_of_the_free_memory(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "free_bytes", lambda device: free)
    assert Windows(inputs_of(images().train), 1, (6, 5), True).copied == (free > 10**6)


def test_a_crop_larger_than_the_padded_image_is_refused() -> None:
    with pytest.raises(HyperparameterError, match="crop_size = 9 is more than the 8 pixels"):
        Augmentation(make_config(crop=True, crop_padding=2, crop_size=9), images(shape=(3, 4, 6)))


# ---- operations at fixed parameters


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("degrees", "right", "down", "zoom", "shear"),
    [
        (30, 0, 0, 1, 0),
        (0, 2, -1, 1, 0),
        (0, 0, 0, 0.7, 0),
        (0, 0, 0, 1.4, 0),
        (0, 0, 0, 1, 25),
        (-50, -1, 2, 1.2, -15),
    ],
)
def test_a_warp_is_torchvisions_affine(degrees: float, right: int, down: int, zoom: float, shear: float) -> None:
    batch = colors(2)
    expected = functional.affine(
        batch, degrees, [right, down], zoom, [shear, 0.0], interpolation=InterpolationMode.BILINEAR
    )
    warps = geometry.Warps(*(numbers(value, value) for value in (degrees, right, down, zoom, shear)))
    torch.testing.assert_close(geometry.warp(batch, warps), expected, atol=0.01, rtol=0)


def test_a_rotation_is_torchvisions() -> None:
    batch, nothing = colors(2), numbers(0, 0)
    warped = geometry.warp(batch, geometry.Warps(numbers(35, 35), nothing, nothing, nothing + 1, nothing))
    expected = functional.rotate(batch, -35, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(warped, expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("factors", [(1.3, 1, 1), (1, 0.6, 1), (1, 1, 1.5), (0.8, 1.2, 0.7)])
def test_a_jitter_is_torchvisions_in_every_order_where_nothing_is_clamped(factors: tuple[float, ...]) -> None:
    batch = colors(2, 90, 130) / 255
    steps = [
        lambda x: functional.adjust_brightness(x, factors[0]),
        lambda x: functional.adjust_contrast(x, factors[1]),
        lambda x: functional.adjust_saturation(x, factors[2]),
    ]
    brightness, contrast, saturation = (numbers(factor, factor) for factor in factors)
    jitters = color.Jitters(brightness, contrast, saturation, hue=None)
    found = color.jitter(batch * 255, jitters) / 255
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        expected = batch
        for step in order:
            expected = steps[step](expected)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_where_torchvision_clamps_between_the_steps_a_jitter_differs_little() -> None:
    batch, strength = colors(400) / 255, 0.2
    jitters = color.draw(Draws(400, generator()), strength, strength, strength, 0)
    found = color.jitter(batch * 255, jitters) / 255
    expected = torch.stack(
        [
            functional.adjust_saturation(
                functional.adjust_contrast(functional.adjust_brightness(image, float(b)), float(c)), float(s)
            )
            for image, b, c, s in zip(batch, jitters.brightness, jitters.contrast, jitters.saturation, strict=True)
        ]
    )
    difference = (found - expected).abs()
    # On noise, which is harder than photographs: 0.15 of the range in the worst pixel, 0.0017 on average.
    assert difference.max() < strength
    assert difference.mean() < 0.003


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.1, 0.4])
def test_a_turned_hue_is_torchvisions(turn: float) -> None:
    batch = colors(3) / 255
    batch[0, :, :2] = batch[0, :1, :2]
    found = color.turn_hue(batch, numbers(turn, turn, turn))
    torch.testing.assert_close(found, functional.adjust_hue(batch, turn), atol=1e-5, rtol=0)


def test_grey_images_keep_to_brightness_and_contrast() -> None:
    batch = torch.rand(2, 1, 5, 5, generator=generator())
    jitters = color.Jitters(numbers(0.8, 0.8), numbers(0.7, 0.7), numbers(0, 2), numbers(0.3, 0.3))
    expected = functional.adjust_contrast(functional.adjust_brightness(batch, 0.8), 0.7)
    torch.testing.assert_close(color.jitter(batch * 255, jitters) / 255, expected, atol=1e-5, rtol=0)


def test_an_erased_rectangle_is_torchvisions_and_height_0_erases_nothing() -> None:
    batch = torch.randn(2, 3, 7, 9, generator=generator())
    rectangles = erasing.Rectangles(*(torch.tensor(pair) for pair in ([2, 1], [4, 0], [3, 0], [5, 4])))
    expected = torch.stack([functional.erase(batch[0], 2, 4, 3, 5, torch.zeros(1, 1, 1)), batch[1]])
    assert torch.equal(erasing.erase(batch, rectangles), expected)


# ---- draws, against torchvision's

COUNT = 2000


def distance(one: Any, other: Any) -> float:
    """The largest distance between two samples' distribution functions (Kolmogorov and Smirnov)."""
    one, other = np.sort(np.asarray(one, float)), np.sort(np.asarray(other, float))
    both = np.concatenate([one, other])
    shares = (np.searchsorted(sample, both, side="right") / len(sample) for sample in (one, other))
    return float(np.abs(np.subtract(*shares)).max())


def torchvision_draws(transform: Any, names: tuple[str, ...], *given: Any) -> list[list[float]]:
    """What a transform of torchvision draws, a list for each name; "shear.0" is the first number of "shear"."""

    def number(parameters: dict[str, Any], name: str) -> float:
        key, _, place = name.partition(".")
        return float(parameters[key][int(place)] if place else parameters[key])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [transform.make_params(list(given)) for _ in range(COUNT)]
    return [[number(parameters, name) for parameters in drawn] for name in names]


# Two samples of 2,000 from one distribution are further apart than this in 1 of 100,000 cases.
CLOSE = 0.08


def test_warps_are_drawn_as_torchvision_draws_them() -> None:
    warps = geometry.turn(geometry.nothing(COUNT, torch.device("cpu")), Draws(COUNT, generator()), 15)
    warps = geometry.move(warps, Draws(COUNT, generator()), 0.1, 0.2, 10, 32, 64)
    image = torch.zeros(3, 32, 64)
    (angle,) = torchvision_draws(v2.RandomRotation(15), ("angle",), image)
    assert distance(warps.degrees, angle) < CLOSE
    affine = v2.RandomAffine(0, (0.1, 0.1), (0.8, 1.2), 10)
    right, down, zoom, shear = torchvision_draws(affine, ("translate.0", "translate.1", "scale", "shear.0"), image)
    assert distance(warps.right, right) < CLOSE
    assert distance(warps.down, down) < CLOSE
    assert distance(warps.zoom, zoom) < CLOSE
    assert distance(warps.shear, shear) < CLOSE


def test_jitters_are_drawn_as_torchvision_draws_them() -> None:
    jitters = color.draw(Draws(COUNT, generator()), 0.2, 0.3, 0.4, 0.1)
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    transform = v2.ColorJitter(0.2, 0.3, 0.4, 0.1)
    for ours, theirs in zip(
        (jitters.brightness, jitters.contrast, jitters.saturation, jitters.hue),
        torchvision_draws(transform, names),
        strict=True,
    ):
        assert distance(ours, theirs) < CLOSE


def test_rectangles_are_drawn_as_torchvision_draws_them() -> None:
    ours = erasing.draw(Draws(COUNT, generator()), 1.0, 0.33, 32, 32)
    theirs = torchvision_draws(v2.RandomErasing(1.0), ("i", "j", "h", "w"), torch.zeros(3, 32, 32))
    for one, other in zip((ours.top, ours.left, ours.height, ours.width), theirs, strict=True):
        assert distance(one, other) < CLOSE
    erased = erasing.draw(Draws(COUNT, generator()), 0.3, 0.33, 32, 32).height > 0
    assert erased.float().mean().item() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("largest", [0.02, 1.0])
def test_rectangles_stay_inside_the_image(largest: float) -> None:
    drawn = erasing.draw(Draws(COUNT, generator()), 1.0, largest, 9, 5)
    assert int(drawn.top.min()) >= 0
    assert int(drawn.left.min()) >= 0
    assert int((drawn.top + drawn.height).max()) <= 9
    assert int((drawn.left + drawn.width).max()) <= 5


# ---- what makes no sense


@pytest.mark.parametrize(
    ("name", "shape", "changes", "doubt"),
    [
        ("digits", (1, 8, 8), {"flip": True}, "flip mirrors the characters of digits"),
        ("mnist", (1, 28, 28), {"vertical_flip": True}, "vertical_flip mirrors the characters of mnist"),
        ("mnist", (1, 28, 28), {"rotation": True, "rotation_degrees": 90.0}, "takes a 6 of mnist for a 9"),
        ("fashion_mnist", (1, 28, 28), {"color_jitter": True}, "fashion_mnist has no colour"),
        ("digits", (1, 8, 8), {"crop": True}, "crop_padding = 4 can push half of an image of digits"),
        ("two_moons", (2,), {"erasing": True}, "two_moons has no images: erasing changes nothing"),
    ],
)
def test_what_makes_no_sense_for_the_data_is_said_once(
    name: str, shape: tuple[int, ...], changes: dict[str, Any], doubt: str, caplog: pytest.LogCaptureFixture
) -> None:
    data, config = images(2, shape, name), change(NOTHING, **changes)
    if len(shape) == 1:
        data = replace(data, mean=data.mean.expand(2), std=data.std.expand(2))
    (found,) = doubts(config, data)
    assert doubt in found
    warn_once.cache_clear()  # another test may have heard it already
    with caplog.at_level(logging.WARNING, "winnow"):
        for _ in range(3):
            batches.warn(config, data)
    assert caplog.text.count(doubt) == 1


def test_what_makes_sense_raises_no_doubt() -> None:
    assert not doubts(change(EVERYTHING, crop_padding=4), images(2, (3, 32, 32), "cifar10"))
    assert not doubts(
        make_config(crop=True, crop_padding=1, rotation=True, erasing=True), images(2, (1, 8, 8), "digits")
    )
