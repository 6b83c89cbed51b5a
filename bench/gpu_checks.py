"""What must be right on a GPU before any rate counts; each check returns figures with `ok`."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bench.loops import AUGMENTED, NETWORKS, cifar_like
from winnow.objectives import cuda_graphs, snapshots
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change, make_config
from winnow.objectives.stack import train_stack
from winnow.objectives.training import Result, begin, train
from winnow.records import Epoch
from winnow.search.worker import devices, error_kinds, nvml, plain_data

Figures = dict[str, Any]


def as_on_the_cpu(device: torch.device, quick: bool) -> Figures:
    """The losses of 20 steps beside those of the CPU in fp32: with plain fp32, with TF32, and with bf16."""
    size, steps = (8, 3) if quick else (128, 20)
    small = make_config({"model": "resnet", "filters": [32, 64], "batch_norm": True, "pool_every": 2, "depth": 2})
    configs = {network.name: network.config for network in NETWORKS} | {"residual CNN": small}
    figures: Figures = {"ok": True}
    for name, config in configs.items():
        # One batch is the whole of the data, so each epoch is a step; nothing is drawn on the device. SGD, because
        # Adam's first steps are the signs of gradients, and those of the smallest are noise; slowly, because at 0.01
        # the residual CNN is chaotic, and rounding alone moves its loss by its own size within 20 steps.
        still = change(config, dropout=0.0, conv_dropout=0.0, optimizer="sgd", lr=0.001, momentum=0.9)
        still = change(still, batch_size=size, epochs=steps)
        reference = losses(still, cifar_like(size, torch.device("cpu")))
        data = cifar_like(size, device)
        found = {}
        for label, tf32, precision, tolerance in (
            ("fp32", False, "fp32", 1e-3),
            ("tf32", True, "fp32", 2e-2),
            ("bf16", False, "bf16", 5e-2),
        ):
            with_tf32(tf32)
            other = losses(change(still, precision=precision), data)
            apart = [abs(a - b) / reference[0] for a, b in zip(reference, other, strict=True)]
            worst = max(apart)
            found[label] = {"first_step": apart[0], "worst_difference": worst, "tolerance": tolerance}
            found[label]["ok"] = worst <= tolerance
            figures["ok"] &= worst <= tolerance
        with_tf32(None)
        figures[name] = {"first_loss": reference[0], "last_loss": reference[-1], **found}
    return figures


def losses(config: Config, data: Data) -> list[float]:
    """The training loss of each epoch."""
    epochs = train(config, data, lambda *_: None).epochs
    return [epoch.train_loss for epoch in epochs if epoch.train_loss is not None]


def with_tf32(allowed: bool | None) -> None:
    """Let float32 products use TF32, or not; None is as torch comes."""
    torch.backends.cuda.matmul.allow_tf32 = bool(allowed)
    torch.backends.cudnn.allow_tf32 = allowed is not False


def resume(device: torch.device, quick: bool) -> Figures:
    """Train on from the bytes of a snapshot, and compare with two trainings that were never broken off."""
    mlp, smallnet, _ = NETWORKS
    data = cifar_like(128 if quick else 8192, device)
    cases = {
        "MLP fp32": change(mlp.config, **AUGMENTED),
        "SmallNet fp32": change(smallnet.config, **AUGMENTED, color_jitter=True, erasing=True, affine=True),
        "SmallNet bf16": change(smallnet.config, **AUGMENTED, precision="bf16"),
        "SmallNet bf16, SGD": change(smallnet.config, optimizer="sgd", momentum=0.9, nesterov=True, precision="bf16"),
        "MLP bf16, dropout": change(mlp.config, precision="bf16"),
    }
    figures: Figures = {"ok": True}
    for name, config in list(cases.items())[: 2 if quick else None]:
        config = change(config, epochs=4)
        kept: list[bytes] = []

        def keep(epoch: Epoch, snapshot: Callable[[], Any], kept: list[bytes] = kept) -> None:
            if epoch.epoch == 2:
                kept.append(snapshots.to_bytes(snapshot()))

        whole = train(config, data, keep)
        again = train(config, data, lambda *_: None)
        resumed = train(config, data, lambda *_: None, snapshots.from_bytes(kept[0]))
        floor, difference = apart(whole, again), apart(whole, resumed)
        ok = difference <= max(1e-6, 4 * floor)
        figures[name] = {"twice_the_same": floor, "resumed": difference, "ok": ok}
        figures["ok"] &= ok
    return figures


def replayed(device: torch.device, quick: bool) -> Figures:
    """Trainings whose steps are replayed as CUDA graphs beside the same launched kernel by kernel: weights apart."""
    data = cifar_like(128 if quick else 1300, device)  # with a shorter last batch
    mlp, smallnet, resnet = (network.config for network in NETWORKS)
    every = dict.fromkeys(("crop", "flip", "color_jitter", "vertical_flip", "rotation", "affine", "erasing"), True)
    small = make_config({"model": "resnet", "filters": [16, 32], "batch_norm": True, "pool_every": 2, "depth": 2})
    clipped = {"optimizer": "sgd", "momentum": 0.9, "clip_norm": 0.5, "l1": 1e-5, "l2": 1e-4}
    cases: dict[str, list[Config]] = {
        "MLP": [change(mlp, weight_decay=0.1)],
        "MLP, bf16, SGD, clipped, penalties": [change(mlp, precision="bf16", **clipped)],
        "SmallNet, every augmentation": [change(smallnet, **every, hue=0.1)],
        "SmallNet, bf16, policy": [change(smallnet, precision="bf16", trivial_augment=True)],
        "SmallNet, MixUp, CutMix": [change(smallnet, mixup=True, cutmix=True, label_smoothing=0.1)],
        "SmallNet, averaged": [change(smallnet, ema_decay=0.9)],
        "residual CNN, DropBlock": [change(small, conv_dropout=0.1, conv_dropout_kind="dropblock")],
        "ViT, drop path": [make_config({"model": "vit_tiny", "drop_path": 0.2, "dropout": 0.1})],
        "ResNet-18": [resnet],
        "torchvision:mobilenet_v3_small, dropout": [
            make_config({"model": "torchvision:mobilenet_v3_small", "compile": "graphs", "crop": True})
        ],
        "own network that reads a number": [
            make_config({"model": "bench.gpu_checks:hesitant", "compile": "graphs", "crop": True})
        ],
        "MLPs in a stack": [change(mlp, **AUGMENTED, lr=1e-3 * (1 + m), dropout=0.1 * m, seed=m) for m in range(4)],
        "SmallNets in a stack, bf16": [change(smallnet, precision="bf16", lr=1e-3 * (1 + m), seed=m) for m in range(3)],
    }
    figures: Figures = {"ok": True}
    for name, configs in list(cases.items())[: 2 if quick else None]:
        try:
            graph, one, other = (trained(configs, data, launched) for launched in (False, True, True))
        except Exception as error:
            figures[name] = {"ok": False, "error": f"{type(error).__name__}: {error}"[:400]}
        else:
            floor = max(apart(a, b) for a, b in zip(one, other, strict=True))
            difference = max(apart(a, b) for a, b in zip(graph, one, strict=True))
            figures[name] = {"twice": floor, "replayed": difference, "ok": difference <= max(1e-6, 4 * floor)}
        figures["ok"] &= figures[name]["ok"]
        print(f"      {name:<40} {figures[name]}", flush=True)
    return figures


def hesitant(shape: tuple[int, ...], classes: int) -> torch.nn.Module:
    """Make a network whose steps cannot be recorded, since it looks at its values, with dropout."""

    class Hesitant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(math.prod(shape), classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.dense(torch.nn.functional.dropout(x.flatten(1), 0.1, self.training))
            return outputs / 2 if outputs.abs().max().item() > 100 else outputs

    return Hesitant()


def trained(configs: Sequence[Config], data: Data, launched: bool) -> list[Result]:
    """Train a stack for three epochs, its steps `launched` kernel by kernel or replayed."""
    warm, ends = cuda_graphs.WARM, list[Any]()
    cuda_graphs.WARM = sys.maxsize if launched else warm
    torch.backends.cudnn.deterministic = True  # else not even two alike are
    try:
        short = [change(config, epochs=3, batch_size=128) for config in configs]
        train_stack([(begin(config, data, lambda *_: None), ends.append) for config in short])
    finally:
        cuda_graphs.WARM, torch.backends.cudnn.deterministic = warm, False
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return ends


def apart(one: Result, other: Result) -> float:
    """The largest difference between two results' weights; 0 where they are the same bits."""
    return max(
        float((weight.double() - other.weights[name].double()).abs().max()) for name, weight in one.weights.items()
    )


def out_of_memory(device: torch.device, quick: bool) -> Figures:
    """Too large a batch on a card that is nearly full: what is raised, and whether a smaller one trains afterwards."""
    if device.type != "cuda":
        return {"ok": None, "why": "on a GPU only"}
    told: Figures = json.loads(child("fill")[-1])
    return {"ok": told.get("raised") == "OutOfMemoryError" and told.get("then_trained", False), **told}


def poisoned(device: torch.device, quick: bool) -> Figures:
    """What a process says after a device-side assert, and after an illegal access: is each later error told as such?"""
    if device.type != "cuda":
        return {"ok": None, "why": "on a GPU only"}
    figures: Figures = {"ok": True}
    for how in ("assert", "illegal"):
        told = json.loads(child("poison", how)[-1])
        told["ok"] = len(told["errors"]) == 4 and all(told["errors"].values())
        figures[how] = told
        figures["ok"] &= told["ok"]
    return figures


def pinning(device: torch.device, quick: bool) -> Figures:
    """Two processes bound to the first card as the fleet binds workers: what each of them sees of it."""
    if device.type != "cuda":
        return {"ok": None, "why": "on a GPU only"}
    first = devices.choose("auto")[0]
    environment = {**os.environ, **devices.bind(first, 1)}
    before = nvml.memory(first.visible)
    command = [sys.executable, "-m", "bench.gpu", "--child", "see"]
    both = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.stdout.readline() for process in both]  # type: ignore[union-attr]
    during = nvml.memory(first.visible)
    for process in both:
        process.communicate("end\n")
    seen = [json.loads(line or "{}") for line in told]
    ok = all(each and each["count"] == 1 and first.visible.endswith(each["uuid"]) for each in seen)
    used = None if before is None or during is None else during.used - before.used
    bound = {name: value for name, value in devices.bind(first, 1).items() if "CUDA" in name}
    return {"ok": ok, "device": str(first), "environment": bound, "seen": seen, "bytes_of_both": used}


def child(*arguments: str) -> list[str]:
    """The lines that a process of this program prints for a check."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--child", *arguments], capture_output=True, text=True, timeout=90
    )
    lines = done.stdout.splitlines()
    return lines or [json.dumps({"errors": {}, "stderr": done.stderr[-500:], "exit": done.returncode})]


# ----------------------------------------------------------------------
# What the processes do that checks start
# ----------------------------------------------------------------------
def see() -> None:
    """Print what this process sees of its one card, train a little, and stay until a line comes."""
    config = change(NETWORKS[0].config, epochs=1)
    device = torch.device("cuda")
    value = train(config, cifar_like(1024, device), lambda *_: None).value
    properties = torch.cuda.get_device_properties(0)
    told = {"count": torch.cuda.device_count(), "uuid": str(properties.uuid), "name": properties.name, "value": value}
    print(json.dumps({**told, "allocated_bytes": torch.cuda.max_memory_allocated()}), flush=True)
    sys.stdin.readline()


def fill() -> None:
    """Train a ResNet-18 in the one GiB that is left on the card, then an MLP there, as a trainer does; print both."""
    device = torch.device("cuda")
    data = cifar_like(4096, device)
    small = change(NETWORKS[0].config, batch_size=32, epochs=1)
    train(small, data, lambda *_: None)
    torch.cuda.empty_cache()
    filler = torch.empty(torch.cuda.mem_get_info()[0] - 2**30, dtype=torch.uint8, device=device)
    told: Figures = {"raised": None}
    try:
        train(change(NETWORKS[2].config, batch_size=4096, epochs=2), data, lambda *_: None)
    except Exception as error:
        told.update(raised=type(error).__name__, text=str(error)[:300])
    torch.cuda.empty_cache()
    told["reserved_after_bytes"] = torch.cuda.memory_reserved() - filler.numel()
    told["then_trained"] = math.isfinite(train(small, data, lambda *_: None).value)
    print(json.dumps(told), flush=True)


def poison(how: str) -> None:
    """Spoil this process's context, then train three times; print what is said, and whether a worker would know it."""
    device = torch.device("cuda")
    data = cifar_like(256, device)
    config = change(NETWORKS[0].config, epochs=1)
    train(config, data, lambda *_: None)
    errors = {}
    for number in range(4):
        try:
            if number == 0:
                spoil(how, device)
            else:
                train(config, data, lambda *_: None)
        except Exception as error:
            errors[f"{number}: {plain_data.reason(error)[:200]}"] = error_kinds.is_device_error(error)
    print(json.dumps({"errors": errors}), flush=True)
    os._exit(0)


def spoil(how: str, device: torch.device) -> None:
    """Look up a class that is not there, or write where nothing is."""
    if how == "assert":
        torch.nn.functional.cross_entropy(torch.zeros(4, 3, device=device), torch.full((4,), 9, device=device))
    else:
        illegal_write(device)
    torch.cuda.synchronize()


def illegal_write(device: torch.device) -> None:
    """Write far behind the end of a tensor, by a kernel of our own."""
    from torch.cuda import _compile_kernel

    source = 'extern "C" __global__ void beyond(float* place) { place[1LL << 40] = 1.0f; }'
    _compile_kernel(source, "beyond")((1, 1, 1), (1, 1, 1), (torch.zeros(1, device=device),))
