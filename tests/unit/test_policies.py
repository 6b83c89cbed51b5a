"""MixUp, CutMix, TrivialAugmentWide and RandAugment against torchvision's own, and through `train`."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from winnow.objectives import snapshots
from winnow.objectives.augmentation import mixing, policies
from winnow.objectives.augmentation.draws import Draws
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.evaluation import mixed_losses
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train

BILINEAR = v2.InterpolationMode.BILINEAR
NAMES = {
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
    "identity": "Identity",
}


def pictures(count: int = 6, channels: int = 3) -> torch.Tensor:
    """Smooth images, on which a pixel's neighbour is nearly alike, as on photographs."""
    coarse = torch.rand(count, channels, 5, 6, generator=torch.Generator().manual_seed(0)) * 255
    return F.interpolate(coarse, (24, 30), mode="bicubic").clamp(0, 255).round()


def draws(count: int, seed: int = 0) -> Draws:
    return Draws(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", policies.OPERATIONS)
def test_each_operation_is_torchvisions(name: str, channels: int) -> None:
    images = pictures(channels=channels)
    place = policies.OPERATIONS.index(name)
    policy = v2.TrivialAugmentWide(interpolation=BILINEAR)
    function, signed = policy._AUGMENTATION_SPACE[NAMES[name]]
    magnitudes = function(policies.BINS, 24, 30)
    for step in (0, 7, 30):
        for sign in (1, -1) if signed else (1,):
            magnitude = 0.0 if magnitudes is None else float(magnitudes[step]) * sign
            expected = policy._apply_image_or_video_transform(
                images.to(torch.uint8), NAMES[name], magnitude, interpolation=BILINEAR, fill={}
            )
            share = torch.full((len(images),), step / 30)
            which = torch.full((len(images),), place)
            strength = policies._strengths(which, share, torch.full((len(images),), sign < 0), policies.WIDE)
            found = policies.apply(images, which, strength)
            difference = (found - expected.float()).abs()
            # torchvision cuts off to bytes within and after an operation; a threshold may then fall between.
            assert (difference > 2.01).float().mean() < 0.005, (name, step, sign, difference.max())


def test_the_strengths_of_rand_augment_are_torchvisions() -> None:
    images, seen = pictures(1), []
    policy = v2.RandAugment(magnitude=17, interpolation=BILINEAR)
    for place, name in enumerate(policies.OPERATIONS):
        function, _ = policy._AUGMENTATION_SPACE[NAMES[name]]
        magnitudes = function(31, 24, 30)
        expected = policy._apply_image_or_video_transform(
            images.to(torch.uint8),
            NAMES[name],
            0.0 if magnitudes is None else float(magnitudes[17]),
            interpolation=BILINEAR,
            fill={},
        )

        class Chosen:
            def below(self, limit: int, place: int = place) -> torch.Tensor:
                return torch.tensor([place])

            def happens(self, p: float) -> torch.Tensor:
                return torch.tensor([False])

        found = policies.randomly(images, Chosen(), 1, 17)  # type: ignore[arg-type]
        seen.append(((found - expected.float()).abs() > 2.01).float().mean().item())
    assert max(seen) < 0.005, dict(zip(policies.OPERATIONS, seen, strict=True))


def test_each_image_draws_its_own_operation() -> None:
    images = pictures(1).expand(200, -1, -1, -1)
    found = policies.trivial(images, draws(200))
    assert len({image.numpy().tobytes() for image in found}) > 100
    assert images[0].equal(pictures(1)[0]), "what was given stays"


def test_a_blend_and_its_loss_are_torchvisions_mixup(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = pictures(), torch.arange(6) % 4
    mixup = v2.MixUp(alpha=1.0, num_classes=4)
    monkeypatch.setattr(mixup, "make_params", lambda _: {"lam": 0.3})
    expected, soft = mixup(images, labels)
    own = torch.full((6,), 0.3)
    assert torch.allclose(mixing.blend(images, own), expected, atol=1e-3)
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    assert mixed_losses(logits, labels, own, 0.0)[0].item() == pytest.approx(F.cross_entropy(logits, soft).item())
    smoothed = F.cross_entropy(logits, soft, label_smoothing=0.2).item()
    assert mixed_losses(logits, labels, own, 0.2)[0].item() == pytest.approx(smoothed)


@pytest.mark.parametrize(("share", "x", "y"), [(0.3, 10, 12), (0.7, 0, 0), (0.1, 29, 23), (1.0, 5, 5)])
def test_a_rectangle_and_its_share_are_torchvisions_cutmix(
    share: float, x: int, y: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures()
    cutmix = v2.CutMix(alpha=1.0, num_classes=4)
    monkeypatch.setattr(cutmix, "_dist", type("Fixed", (), {"sample": lambda *_: torch.tensor([share])})())
    numbers = iter([x, y])
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([next(numbers)]))
    expected, soft = cutmix(images, torch.arange(6) % 4)
    places = torch.full((6,), x), torch.full((6,), y)
    found, own = mixing.paste(images, torch.full((6,), share), *places)
    assert torch.equal(found, expected)
    assert own.tolist() == pytest.approx([float(soft[1, 1])] * 6)


def test_where_nobody_waits_for_a_device_all_are_changed_as_those_that_drew_it() -> None:
    images = pictures(28)
    which = torch.arange(28) % len(policies.OPERATIONS)
    for sign in (1, -1):
        strength = sign * torch.tensor(policies.WIDE)[which] / 3
        strength = torch.where(which < policies.SIGNED, strength, strength.abs())
        assert torch.equal(policies._apply_to_all(images, which, strength), policies.apply(images, which, strength))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_drawn_from_a_beta_distribution(alpha: float) -> None:
    found = mixing.beta(draws(20_000), alpha)
    exact = torch.distributions.Beta(alpha, alpha)
    assert found.mean().item() == pytest.approx(0.5, abs=0.01)
    assert found.var().item() == pytest.approx(exact.variance.item(), rel=0.03)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize(
    "values",
    [
        {"mixup": True},
        {"cutmix": True, "label_smoothing": 0.1},
        {"mixup": True, "cutmix": True, "class_weights": "balanced"},
        {"trivial_augment": True},
        {"rand_augment": True, "mixup": True},
    ],
    ids=lambda values: "-".join(values),
)
def test_a_training_learns_and_goes_on_to_the_bit(values: dict[str, Any]) -> None:
    data = load(DataSpec("digits", train=240, validation=120))
    kept: list[bytes] = []
    config = make_config({"batch_size": 60, "epochs": 6, "lr": 0.01, **values})
    whole = train(config, data, lambda _, snapshot: kept.append(snapshots.to_bytes(snapshot())))
    again = train(config, data, lambda *_: None, snapshots.from_bytes(kept[2]))
    assert all(torch.equal(whole.weights[name], again.weights[name]) for name in whole.weights)
    assert whole.value > 0.4


def test_two_labels_have_no_focal_loss() -> None:
    data = load(DataSpec("digits", train=240, validation=120))
    with pytest.raises(ObjectiveError, match="focal_gamma goes by one label"):
        train(make_config(mixup=True, focal_gamma=1.0), data, lambda *_: None)


def test_reference_has_the_same_list() -> None:
    assert (
        set(NAMES.values()) == set(v2.TrivialAugmentWide._AUGMENTATION_SPACE) == set(v2.RandAugment._AUGMENTATION_SPACE)
    )
