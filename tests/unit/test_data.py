"""What a search trains on: split by seed, normalised by the training part, never the test data."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from example_data import inputs_of
from winnow.objectives.data import loading, sources
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import DataError


def rows(inputs: torch.Tensor) -> set[bytes]:
    """Each example as its bytes, to see which splits share one."""
    return {bytes(row) for row in inputs.flatten(1).numpy()}


def test_digits_are_split_into_uint8_images_with_int64_labels() -> None:
    digits = loading.load(DataSpec("digits"))
    assert (digits.task, digits.classes, digits.shape) == ("classification", 10, (1, 8, 8))
    assert len(digits.train.targets) + len(digits.validation.targets) == 1437
    assert len(digits.validation.targets) == 144
    for split in (digits.train, digits.validation):
        assert split.inputs.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        assert split.inputs.shape[1:] == digits.shape
        assert inputs_of(split).is_contiguous()
    assert int(inputs_of(digits.train).max()) == 255


def test_test_data_is_the_same_for_every_seed_and_shares_nothing_with_the_search() -> None:
    test = loading.load_test(DataSpec("digits"))
    assert len(test.targets) == 360
    assert torch.equal(inputs_of(test), inputs_of(loading.load_test(DataSpec("digits", seed=3, train=100))))
    for seed in (0, 3):
        digits = loading.load(DataSpec("digits", seed=seed))
        assert not rows(inputs_of(test)) & (rows(inputs_of(digits.train)) | rows(inputs_of(digits.validation)))


def test_a_split_is_its_seed() -> None:
    first, again, other = (loading.load.__wrapped__(DataSpec("digits", seed=seed)) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert torch.equal(inputs_of(first.train), inputs_of(again.train))


def test_a_split_stays_what_it_was() -> None:
    assert loading.load(DataSpec("digits")).fingerprint == "64ec5de3d89d5b5c"


@pytest.mark.parametrize("train", [30, 100, 250])
def test_small_training_sets_hold_every_class_in_its_share(train: int) -> None:
    digits = loading.load(DataSpec("digits", train=train))
    counts = torch.bincount(digits.train.targets, minlength=10)
    assert int(counts.sum()) == train
    assert int(counts.max() - counts.min()) <= 2
    assert torch.bincount(digits.validation.targets).min() >= 13


def test_a_small_training_set_is_part_of_a_larger_one() -> None:
    small, large = (loading.load(DataSpec("digits", train=train)) for train in (30, 250))
    assert rows(inputs_of(small.train)) <= rows(inputs_of(large.train))


def test_validation_may_be_a_number_of_examples() -> None:
    assert len(loading.load(DataSpec("digits", validation=200)).validation.targets) == 200


def test_images_are_normalised_by_the_training_split_alone() -> None:
    digits = loading.load(DataSpec("digits", train=100))
    scaled = inputs_of(digits.train).double() / 255
    assert digits.mean.item() == pytest.approx(scaled.mean().item(), abs=1e-6)
    assert digits.std.item() == pytest.approx(scaled.std(correction=0).item(), abs=1e-6)


def test_shuffling_labels_moves_a_share_of_the_training_labels_and_nothing_else() -> None:
    plain = loading.load(DataSpec("digits"))
    for share in (0.3, 1.0):
        mixed = loading.load(DataSpec("digits", shuffle_labels=share))
        assert torch.equal(inputs_of(mixed.train), inputs_of(plain.train))
        assert torch.equal(mixed.validation.targets, plain.validation.targets)
        assert torch.equal(mixed.train.targets.bincount(), plain.train.targets.bincount())
        moved = (mixed.train.targets != plain.train.targets).float().mean().item()
        assert moved == pytest.approx(0.9 * share, abs=0.05)
        assert mixed.fingerprint != plain.fingerprint


def test_the_same_spec_is_loaded_once_a_process() -> None:
    assert loading.load(DataSpec("digits")) is loading.load(DataSpec("digits"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "digit"}, "there is no data set 'digit'"),
        ({"train": 0}, "data.train = 0 trains nothing"),
        (
            {"train": 5},
            "of 10 classes that are not for the test, and with 5 of them to train a class has none",
        ),
        ({"train": 1437}, "too few for 1,437 to train and 144 to validate"),
        ({"validation": 0.0}, "neither a share nor a number"),
        ({"validation": 1.5}, "neither a share nor a number"),
        ({"validation": 1437}, "too few for 0 to train"),
        ({"seed": -1}, "data.seed = -1 is negative"),
        ({"shuffle_labels": 1.2}, "data.shuffle_labels = 1.2 is no share"),
        ({"path": "/tmp"}, "data.path has no meaning for digits"),
        ({"noise": 0.1}, "data.noise has no meaning for digits"),
        ({"train": "all"}, "data.train = 'all' is not a whole number"),
        ({"seed": True}, "data.seed = True is not a whole number"),
        ({"validation": float("nan")}, "data.validation = nan is not a number"),
        ({"name": "image_folder"}, "an image folder needs data.path"),
        ({"name": "image_folder", "path": "/nowhere"}, "/nowhere is no folder"),
        ({"name": "image_folder", "path": "/", "broken": "mend"}, "data.broken = 'mend' is not known"),
        ({"name": "image_folder", "path": "/", "size": 0}, "data.size = 0 leaves no pixel"),
        ({"name": "two_moons", "noise": -0.1}, "data.noise = -0.1 is negative"),
        ({"name": "regression_1d", "shuffle_labels": 0.5}, "regression_1d has no labels to shuffle"),
    ],
)
def test_what_no_data_can_give_is_refused_in_a_sentence(change: dict[str, object], problem: str) -> None:
    spec = dataclasses.replace(DataSpec("digits"), **change)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=problem) as raised:
        sources.count(spec)
    assert raised.value.remedy


@pytest.mark.parametrize(("name", "features"), [("regression_1d", 1), ("regression_100d", 100)])
def test_regressions_have_float_features_and_targets(name: str, features: int) -> None:
    regression = loading.load(DataSpec(name, train=500))
    assert (regression.task, regression.classes, regression.shape) == ("regression", 0, (features,))
    assert regression.train.inputs.shape == (500, features)
    assert regression.train.targets.shape == (500, 1)
    assert regression.train.inputs.dtype == regression.train.targets.dtype == torch.float32
    torch.testing.assert_close(regression.mean, inputs_of(regression.train).mean(0))
    torch.testing.assert_close(regression.std, inputs_of(regression.train).std(0, correction=0))


def test_noise_is_what_the_spec_says() -> None:
    exact, noisy = (loading.load(DataSpec("regression_100d", noise=noise)) for noise in (0.0, 0.5))
    assert torch.equal(inputs_of(exact.train), inputs_of(noisy.train))
    assert (exact.train.targets - noisy.train.targets).std().item() == pytest.approx(0.5, rel=0.05)
    assert exact.train.targets.mean().item() == pytest.approx(0, abs=0.05)
    assert exact.train.targets.std().item() == pytest.approx(1, abs=0.05)


def nearest_classes(points: torch.Tensor, known: loading.Split) -> torch.Tensor:
    """What the 25 nearest of the known points say of each."""
    nearest = torch.cdist(points, inputs_of(known)).topk(25, largest=False).indices
    return known.targets[nearest].float().mean(1).round()


def test_two_moons_validate_on_the_second_distribution_and_test_on_a_third() -> None:
    moons, test = loading.load(DataSpec("two_moons", validation=2667)), loading.load_test(DataSpec("two_moons"))
    assert (moons.classes, moons.shape, len(moons.train.targets)) == (2, (2,), 5333)
    assert abs(moons.train.targets.bincount().diff().item()) <= 1
    other = loading.load(DataSpec("two_moons", validation=2667, seed=1))
    assert torch.equal(inputs_of(moons.validation), inputs_of(other.validation)), (
        "the last third as it stands, whatever the seed"
    )

    accuracies = {}
    for name, split in (("validation", moons.validation), ("test", test)):
        said = nearest_classes(inputs_of(split), moons.train)
        accuracies[name] = (said == split.targets).float().mean().item()
        missed, wrongly = ((said < split.targets).sum(), (said > split.targets).sum())
        assert missed > wrongly, "false negatives exceed false positives, so another threshold repairs something"
    assert 0.8 < accuracies["validation"] < 0.93
    assert 0.8 < accuracies["test"] < 0.92


@pytest.mark.parametrize("name", ["circles", "spirals"])
def test_circles_and_spirals_are_told_by_their_neighbours_and_not_by_a_line(name: str) -> None:
    data = loading.load(DataSpec(name, validation=300))
    said = nearest_classes(inputs_of(data.validation), data.train)
    assert (said == data.validation.targets).float().mean() > 0.95
    mean = inputs_of(data.train)[data.train.targets == 1].mean(0) - inputs_of(data.train)[data.train.targets == 0].mean(
        0
    )
    assert ((data.validation.inputs @ mean > 0) == data.validation.targets.bool()).float().mean() < 0.75


def test_the_line_of_system_c_has_noise_as_large_as_its_rise() -> None:
    data = loading.load(DataSpec("regression_1d"))
    x, y = inputs_of(data.train)[:, 0], data.train.targets[:, 0]
    assert 0 <= x.min() < x.max() <= 1
    assert (y - 2 * x).mean().item() == pytest.approx(0, abs=0.2)
    assert (y - 2 * x).std().item() == pytest.approx(2, rel=0.1)


def test_a_spec_is_checked_without_torch() -> None:
    check = (
        "import sys; from winnow.objectives.data import catalog, sources; sources.count(catalog.DataSpec('cifar10'))"
    )
    assert subprocess.run([sys.executable, "-c", f"{check}; sys.exit('torch' in sys.modules)"]).returncode == 0
