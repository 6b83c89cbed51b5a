"""The training core on a GPU that is not there, and on a device without float64: where, of what type, and how often."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from fake_gpu.fake_device import Watch, data, fake
from winnow.objectives import registry
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.hyperparameters import Config, change, make_config
from winnow.objectives.models.layers import Dropout
from winnow.objectives.randomness import drawing_from
from winnow.objectives.stack import Training, train_stack
from winnow.objectives.training import CHECK_EVERY, Result, begin

BATCH = 8
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"widths": [16, 16], "batch_norm": True, "dropout": 0.1},
    "cnn": {
        "filters": [4, 8],
        "hidden": [8],
        "batch_norm": True,
        "conv_dropout": 0.1,
        "conv_dropout_kind": "dropblock",
    },
    "smallnet": {"dropout": 0.1, "conv_dropout": 0.1},
    "resnet": {"filters": [4, 8], "bottleneck": True, "conv_dropout": 0.1, "conv_dropout_kind": "dropout2d"},
    "wide_resnet": {"wide_blocks": 1, "widen": 1, "dropout": 0.1},
    "vit_tiny": {"blocks": 1, "dropout": 0.1, "drop_path": 0.1},
    "resnet18": {"frozen": 1},
}
OF_THE_BATCH = ("trivial_augment", "rand_augment", "mixup", "cutmix")
AUGMENTATIONS = ("crop", "flip", "vertical_flip", "rotation", "affine", "color_jitter", "erasing")
ALL = {**dict.fromkeys(AUGMENTATIONS, True), "shear": 5.0, "hue": 0.1}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9},
    "rmsprop": {"momentum": 0.5, "clip_norm": 1.0},
    "adam": {"l1": 1e-4, "l2": 1e-4, "decay_norms_and_biases": False},
    "adamw": {"label_smoothing": 0.1, "patience": 1, "schedule": "one_cycle"},
}
RARER = ("adam_then_sgd", "muon", "lion", "schedule_free_sgd", "schedule_free_adamw")
OPTIONS: dict[str, dict[str, Any]] = {
    "the mean of the last weights": {"swa_from": 1, "batch_norm": True},
    "a balanced order": {"balanced_sampling": True},
    "focal loss": {"focal_gamma": 2.0},
    "several batches a step": {"accumulate": 2, "batch_size": 4},
    "a warm-up and two passes": {"warmup_epochs": 1, "passes": 2},
}


def waits(
    steps: int,
    values: dict[str, Any],
    memory: float = 1e12,
    draws_64_bits: bool = True,
    members: int = 1,
    **of_data: Any,
) -> Watch:
    """Two epochs of a stack and, from snapshots after the first, one more; what they waited for."""
    config = make_config({"batch_size": BATCH, "epochs": 2, **values})
    configs = [change(config, seed=seed, lr=0.001 * (1 + seed)) for seed in range(members)]
    snapshots: dict[int | None, Any] = {}
    ends: list[Any] = []
    with fake(memory, draws_64_bits) as watch:
        examples = data(BATCH * steps, **of_data)

        def first(each: Config) -> Training:
            def report(_: Any, snapshot: Callable[[], Any]) -> None:
                snapshots.setdefault(each.seed, snapshot())

            return begin(each, examples, report)

        train_stack((first(each), ends.append) for each in configs)
        if snapshots:
            again = [begin(each, examples, lambda *_: None, snapshots[each.seed]) for each in configs]
            train_stack((each, ends.append) for each in again)
    for end in ends:
        if not isinstance(end, Result):
            raise end
    return watch


def waits_of_more_steps(values: dict[str, Any], **options: Any) -> tuple[Counter[str], Watch]:
    """What two more steps an epoch waited for, and the watch over them."""
    few, more = waits(2, values, **options), waits(4, values, **options)
    return more.waits - few.waits, more


def of_model(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, **MODELS[model], **more}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")


def built_in(things: Mapping[str, Any]) -> set[str]:
    """What is registered by the product; other tests register things of their own, and import networks."""
    of_the_product = (name for name, thing in things.items() if thing.__module__.startswith("winnow.objectives."))
    return {name for name in of_the_product if ":" not in name}


def test_everything_that_is_built_in_is_tried() -> None:
    assert set(MODELS) == built_in(registry.model)
    assert {*AUGMENTATIONS, *OF_THE_BATCH} == built_in(registry.augmentation)
    assert {*OPTIMIZERS, *RARER} == built_in(registry.optimizer)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", ["mlp", "cnn", "smallnet", "resnet"])
def test_no_step_waits_and_every_tensor_lies_where_it_shall(model: str, optimizer: str, precision: str) -> None:
    values = of_model(model, optimizer=optimizer, precision=precision, **OPTIMIZERS[optimizer], **ALL)
    waited, watch = waits_of_more_steps(values)
    assert not waited
    wanted = torch.bfloat16 if precision == "bf16" else torch.float32
    assert {dtype for _, dtype in watch.products} == {wanted}
    assert any("convolution" in name for name, _ in watch.products) == (model != "mlp")


@pytest.mark.parametrize("optimizer", RARER)
def test_no_step_of_a_rarer_optimiser_waits_either(optimizer: str) -> None:
    waited, _ = waits_of_more_steps(of_model("cnn", optimizer=optimizer))
    assert not waited


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["mlp", "cnn", "smallnet", "resnet"])
def test_no_step_of_a_stack_waits_either(model: str, precision: str) -> None:
    values = of_model(model, precision=precision, **OPTIMIZERS["adamw"], **ALL)
    waited, watch = waits_of_more_steps(values, members=3)
    assert not waited
    assert {dtype for _, dtype in watch.products} == {torch.bfloat16 if precision == "bf16" else torch.float32}


@pytest.mark.parametrize("model", ["wide_resnet", "vit_tiny"])
def test_no_step_of_a_larger_model_waits_either(model: str) -> None:
    waited, _ = waits_of_more_steps(of_model(model), draws_64_bits=False)
    assert not waited


@pytest.mark.parametrize("augmentation", OF_THE_BATCH)
def test_no_step_with_augmentation_of_the_whole_batch_waits_either(augmentation: str) -> None:
    waited, _ = waits_of_more_steps({"widths": [4], augmentation: True}, draws_64_bits=False)
    assert not waited


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_no_step_with_another_option_waits_either(options: dict[str, Any]) -> None:
    waited, _ = waits_of_more_steps({"widths": [4], **options}, draws_64_bits=False)
    assert not waited


def test_a_moving_average_copies_the_number_of_its_steps_and_nothing_else() -> None:
    """As torch's own does, which reads it nowhere."""
    waited, _ = waits_of_more_steps({"widths": [4], "ema_decay": 0.9}, draws_64_bits=False)
    (how,) = waited
    assert how.startswith("copy at averaging.py")
    assert waited[how] == 3 * 2, "once a step"


@pytest.mark.parametrize("model", ["mlp", "cnn", "smallnet", "resnet"])
@pytest.mark.parametrize("augmentation", ["", *AUGMENTATIONS])
def test_each_model_with_each_augmentation(model: str, augmentation: str) -> None:
    assert waits(1, of_model(model, **({augmentation: True} if augmentation else {}))).products


def test_the_largest_model_with_all_augmentation() -> None:
    assert waits(1, of_model("resnet18", **ALL)).products


@pytest.mark.parametrize("model", ["mlp", "cnn", "smallnet", "resnet"])
def test_a_device_that_has_neither_float64_nor_64_bit_draws(model: str) -> None:
    waited, _ = waits_of_more_steps(of_model(model, **ALL), draws_64_bits=False)
    assert not waited


def test_crops_without_memory_for_a_copy_do_not_wait_either() -> None:
    waited, _ = waits_of_more_steps(of_model("cnn", **ALL), memory=0)
    assert not waited


def test_a_regression() -> None:
    waited, _ = waits_of_more_steps(of_model("mlp"), shape=(5,), classes=0)
    assert not waited


def test_the_running_loss_is_read_at_every_fiftieth_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CHECK_EVERY == 50
    monkeypatch.setattr("winnow.objectives.training.CHECK_EVERY", 5)  # sooner, as nothing else differs
    few, more = (waits(steps, {"widths": [4]}).waits for steps in (4, 11))
    (extra,) = (more - few).items()
    assert extra[0].startswith("read at training.py")
    assert extra[1] == 3 * 2, "in each of three epochs, at steps 5 and 10"


def test_code_of_others_draws_from_a_trials_generator_on_a_device_that_is_not_cuda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OfMPS(torch.Generator):
        device = torch.device("mps")

    class mps:
        everybodys = torch.Generator().manual_seed(5)
        get_rng_state = everybodys.get_state
        set_rng_state = everybodys.set_state

    monkeypatch.setattr(torch, "get_device_module", lambda device: mps)
    with drawing_from(OfMPS().manual_seed(3)):
        drawn = torch.rand(2, generator=mps.everybodys)
    assert torch.equal(drawn, torch.rand(2, generator=torch.Generator().manual_seed(3)))
    assert mps.everybodys.initial_seed() == 5
    assert torch.equal(mps.get_rng_state(), torch.Generator().manual_seed(5).get_state())


# ---- the watch itself: planted faults


def planted(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    """Let a fault happen to every batch."""
    batch = Augmentation.batch

    def faulty(self: Augmentation, index: torch.Tensor, generators: Any) -> torch.Tensor:
        return fault(batch(self, index, generators))

    monkeypatch.setattr(Augmentation, "batch", faulty)


def read(images: torch.Tensor) -> torch.Tensor:
    return images * float(images.max())


def copied_from_the_host(images: torch.Tensor) -> torch.Tensor:
    return images + torch.ones(len(images)).to(images.device).view(-1, 1)


def copied_to_the_host(images: torch.Tensor) -> torch.Tensor:
    images.mean(0).cpu()
    return images


def of_unknown_shape(images: torch.Tensor) -> torch.Tensor:
    images.flatten()[torch.zeros(images.numel(), dtype=torch.bool, device=images.device)]
    return images


@pytest.mark.parametrize("fault", [read, copied_from_the_host, copied_to_the_host])
def test_a_step_that_waits_is_told(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, fault)
    waited, _ = waits_of_more_steps({"widths": [4]}, shape=(5,))
    (how,) = waited
    assert how.startswith("read" if fault is read else "copy")
    assert waited[how] == 3 * 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda images: images + torch.zeros(images.shape), "device"),
        (lambda images: images.double().float(), "makes float64"),
        (
            lambda images: images + torch.rand(5, generator=torch.Generator().manual_seed(0), device="cuda"),
            "another device|Generator",
        ),
    ],
    ids=["another device", "float64", "a CPU's generator"],
)
def test_what_a_device_cannot_do_is_refused(fault: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, fault)
    with pytest.raises(Exception, match=words):
        waits(2, {"widths": [4]}, shape=(5,))


def test_64_bit_draws_are_refused_where_the_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop(self: Dropout, x: torch.Tensor) -> torch.Tensor:
        torch.empty(3, dtype=torch.int64, device=x.device).random_(-(2**63), None, generator=self.generator)
        return x

    monkeypatch.setattr(Dropout, "drop", drop)
    with pytest.raises(AssertionError, match="64-bit draw"):
        waits(2, of_model("mlp"), draws_64_bits=False)


def test_autocast_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winnow.objectives.steps.autocast", lambda *_: torch.autocast("cuda", enabled=False))
    watch = waits(2, of_model("cnn", precision="bf16"))
    assert torch.float32 in {dtype for _, dtype in watch.products}
