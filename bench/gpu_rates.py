"""How fast training is on the card, for `bench/gpu.py`: ours, others', compiled, augmented, and trials as one stack."""

from collections.abc import Callable
from functools import partial

import torch

from bench.gpu_figures import Rate, matmul_peak, operations_of
from bench.gpu_run import Figures, Run, guarded
from bench.loops import AUGMENTED, NETWORKS, cifar_like, competent, loader_workers, tutorial
from winnow.objectives.calibration import faster_precision
from winnow.objectives.hyperparameters import change


def peaks(run: Run, figures: Figures) -> None:
    """The card's own limit: a large product of random matrices."""
    size = 512 if run.quick else 8192
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        with guarded(figures, name):
            figures[name] = matmul_peak(run.device, dtype, size, tf32, seconds=0.2 if run.quick else 1.0)
            print(f"   {name:<20} {figures[name] / 1e12:8.1f} TFLOP/s", flush=True)


def rates(run: Run, figures: Figures) -> None:
    """Training images a second: ours, the tutorial's loop, and what a competent person writes."""
    data = cifar_like(run.images, run.device)
    for network in NETWORKS:
        flops = operations_of(network, training=True)
        found: Figures = figures.setdefault(network.name, {"training_flops_per_image": flops})
        with guarded(found, "calibrated"):
            found["calibrated"] = faster_precision(change(network.config, **AUGMENTED), data)
        for size in (128,) if run.quick else (128, 512):
            config = change(network.config, **AUGMENTED, batch_size=size)
            their = partial(competent, network, data, size)
            ways: dict[str, Callable[[], Rate]] = {
                "ours, fp32": partial(run.ours, config, data),
                "ours, bf16": partial(run.ours, change(config, precision="bf16"), data),
                "competent, fp32": partial(run.theirs, partial(their, bf16=False)),
                "competent, bf16": partial(run.theirs, their),
            }
            if run.device.type == "cuda":
                ways["competent, bf16, step as one graph"] = partial(run.theirs, partial(their, whole_step=True))
            if size == 128:
                count, workers = (128, 0) if run.quick else (20_000, loader_workers())
                loop = partial(tutorial, network, data, size, count, workers)
                ways[f"tutorial, fp32, {workers} workers"] = partial(run.theirs, loop)
            group: Figures = found.setdefault(f"batches of {size}", {})
            for name, work in ways.items():
                run.rate(group, f"{network.name}, {size}", name, work, flops)


def compiled(run: Run, figures: Figures) -> None:
    """Both sides by torch.compile, ours with its steps replayed too; beside the rates of batches of 512."""
    if run.device.type != "cuda":
        figures["passed_over"] = "on a GPU only"
        return
    data = cifar_like(run.images, run.device)
    for network in NETWORKS[::-1]:
        flops, group = operations_of(network, training=True), figures.setdefault(network.name, {})
        config = change(network.config, **AUGMENTED, batch_size=512, precision="bf16", compile="default")
        their = partial(competent, network, data, 512)
        ways: dict[str, Callable[[], Rate]] = {
            "ours, bf16, compile = default": partial(run.ours, config, data),
            "competent, bf16, torch.compile default": partial(run.theirs, partial(their, compiled="default")),
            "competent, bf16, reduce-overhead": partial(run.theirs, partial(their, compiled="reduce-overhead")),
        }
        for name, work in ways.items():
            run.rate(group, f"{network.name}, 512", name, work, flops)


def augmentation(run: Run, figures: Figures) -> None:
    """Seconds of an epoch with augmentation over one without."""
    data = cifar_like(run.images, run.device)
    many = {**AUGMENTED, **dict.fromkeys(("color_jitter", "vertical_flip", "rotation", "affine", "erasing"), True)}
    cases: dict[str, Figures] = {
        "none": {},
        "crop, flip": AUGMENTED,
        "crop, flip, colour jitter": {**AUGMENTED, "color_jitter": True},
        "all but hue": many,
        "all": {**many, "hue": 0.1},
    }
    size = min(512, run.images)
    for network in NETWORKS:
        group: Figures = figures.setdefault(network.name, {})
        for name, options in cases.items():
            config = change(network.config, precision="bf16", batch_size=size, **options)
            run.rate(group, f"{network.name}, {size}, bf16", name, partial(run.ours, config, data))


def stacks(run: Run, figures: Figures) -> None:
    """Trials of one shape as one stack, as `[fleet] fuse` trains them: images a second of all members together."""
    data = cifar_like(min(run.images, 6_400), run.device)
    for network in NETWORKS:
        group: Figures = figures.setdefault(network.name, {})
        config = change(network.config, **AUGMENTED, batch_size=128, precision="bf16")
        for count in (1, 4) if run.quick else (1, 2, 4, 8, 16, 32):
            name = str(count)
            run.rate(group, f"{network.name}, 128, bf16, members", name, partial(run.ours, config, data, count))
            if "images" in group.get(name, {}) and "images" in group.get("1", {}):
                group[name]["over_one"] = group[name]["images"] / group["1"]["images"]
        run.write()
