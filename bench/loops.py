"""The loops that ours is compared with: the tutorial's on a GPU, and a competent person's on any device.

Each is an epoch: a callable that returns how many images it trained on, or evaluated. All use the same images, with
random crop and flip, AdamW and the same network. The tutorial's on a CPU is in `bench/usual.py`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench import networks
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import Config, make_config

CLASSES = 10
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
PADDING = 4
Epoch = Callable[[], int]


def resnet18() -> nn.Module:
    """torchvision's ResNet-18 in its own shape."""
    from torchvision.models import resnet18

    model: nn.Module = resnet18(num_classes=CLASSES)
    return model


@dataclass(frozen=True, eq=False)
class Network:
    """One network as a configuration of ours and as PyTorch's own layers."""

    name: str
    config: Config
    plain: Callable[[], nn.Module]
    convolutional: bool = True


MLP = Network(
    "MLP 3072-256-256-10",
    make_config({"model": "mlp", "widths": [256, 256], "dropout": 0.2, "optimizer": "adamw"}),
    lambda: networks.mlp(classes=CLASSES),
    convolutional=False,
)
SMALLNET = Network(
    "SmallNet",
    make_config({"model": "smallnet", "conv_dropout": 0.2, "dropout": 0.2, "optimizer": "adamw"}),
    lambda: networks.smallnet(classes=CLASSES),
)
NETWORKS = (MLP, SMALLNET, Network("ResNet-18", make_config({"model": "resnet18", "optimizer": "adamw"}), resnet18))
AUGMENTED = {"crop": True, "flip": True}


def cifar_like(count: int, device: str | torch.device = "cpu") -> Data:
    """Images in the shape of CIFAR whose brightness tells their class; one of them stands for validation."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    images = torch.randint(0, 156, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images += (10 * labels).to(torch.uint8).view(-1, 1, 1, 1)
    images, labels = images.to(device), labels.to(device)
    one = Split(images[:2], labels[:2])
    mean, std = torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)
    return Data("random", "classification", Split(images, labels), one, CLASSES, (3, 32, 32), mean, std, "random")


def _whole(data: Data) -> torch.Tensor:
    """All images, on the device."""
    assert isinstance(data.train.inputs, torch.Tensor)
    return data.train.inputs


# ----------------------------------------------------------------------
# The tutorial's loop
# ----------------------------------------------------------------------
class Images(Dataset[tuple[torch.Tensor, int]]):
    """Images as uint8 tensors, each augmented when it is asked for, as torchvision's v2 transforms do it."""

    def __init__(self, data: Data, count: int) -> None:
        from torchvision.transforms import v2

        self.images, self.labels = _whole(data)[:count].cpu(), data.train.targets[:count].tolist()
        steps = [v2.RandomCrop(32, PADDING), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*steps, v2.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[number]), self.labels[number]


def tutorial(network: Network, data: Data, batch_size: int, images: int, workers: int) -> Epoch:
    """DataLoader with workers and pinned memory, fp32, `.item()` at each step."""
    from bench import usual  # and torchvision with it

    device = data.train.inputs.device
    pinned = device.type == "cuda"
    batches = DataLoader(
        Images(data, images),
        batch_size,
        shuffle=True,
        num_workers=workers,
        pin_memory=pinned,
        persistent_workers=workers > 0,
    )
    model = network.plain().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def on_device() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for inputs, labels in batches:
            yield inputs.to(device, non_blocking=pinned), labels.to(device, non_blocking=pinned)

    return lambda: usual.train_epoch(model, on_device(), optimizer)


# ----------------------------------------------------------------------
# What a competent person writes
# ----------------------------------------------------------------------
class Augmenter:
    """Random crop and flip of a whole batch as one gather from images that were padded once; colour jitter if asked."""

    def __init__(self, data: Data, jitter: float = 0.0) -> None:
        device, self.jitter = data.train.inputs.device, jitter
        self.padded = F.pad(_whole(data), (PADDING,) * 4)
        self.channel = torch.arange(3, device=device).view(1, 3, 1, 1)
        self.row, self.column = torch.arange(32, device=device).view(1, 1, 32, 1), torch.arange(32, device=device)
        self.mean = 255 * torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self.scale = 1 / (255 * torch.tensor(STD, device=device).view(1, 3, 1, 1))

    def __call__(self, index: torch.Tensor) -> torch.Tensor:
        """Float32 (B, 3, 32, 32) of the images at `index` (B,)."""
        n, device = len(index), index.device
        top, left = torch.randint(0, 2 * PADDING + 1, (2, n, 1, 1, 1), device=device)
        mirrored = torch.rand(n, 1, device=device) < 0.5
        column = torch.where(mirrored, 31 - self.column, self.column).view(n, 1, 1, 32)
        images = self.padded[index.view(n, 1, 1, 1), self.channel, self.row + top, column + left].float()
        if self.jitter:
            images = self.jittered(images)
        return (images - self.mean) * self.scale

    def jittered(self, images: torch.Tensor) -> torch.Tensor:
        """Brightness, contrast and saturation, each image's own, clamped once."""
        shape = (3, len(images), 1, 1, 1)
        brightness, contrast, saturation = 1 + self.jitter * (2 * torch.rand(shape, device=images.device) - 1)
        images = images * brightness
        images = torch.lerp(images.mean((1, 2, 3), keepdim=True), images, contrast)
        return torch.lerp(images.mean(1, keepdim=True), images, saturation).clamp_(0, 255)


def competent(
    network: Network,
    data: Data,
    batch_size: int,
    *,
    bf16: bool = True,
    jitter: float = 0.0,
    compiled: str = "",
    whole_step: bool = False,
) -> Epoch:
    """Images on the device, augmented by batches, fused AdamW, bf16, channels_last, no figure read before the end.

    `compiled` is a mode of torch.compile; `whole_step` replays augmentation, forward, backward and optimiser as one
    CUDA graph, and leaves the last short batch out.
    """
    images, labels = _whole(data), data.train.targets
    device = images.device
    model = network.plain().to(device)
    if network.convolutional:
        model = model.to(memory_format=torch.channels_last)
    step_model = torch.compile(model, mode=compiled) if compiled else model
    graph = whole_step and device.type == "cuda"
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True, capturable=graph)
    augment = Augmenter(data, jitter)
    total, right = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.long)

    def step(index: torch.Tensor) -> None:
        inputs, targets = augment(index), labels[index]
        if network.convolutional:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            outputs = step_model(inputs)
        loss = F.cross_entropy(outputs.float(), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total.add_(loss.detach() * len(index))
        right.add_((outputs.detach().argmax(1) == targets).sum())

    run = captured(step, (batch_size,), len(images), device) if whole_step else step

    def epoch() -> int:
        model.train()
        total.zero_()
        right.zero_()
        order, seen = torch.randperm(len(images), device=device), 0
        for index in torch.split(order, batch_size):
            if whole_step and len(index) < batch_size:
                break
            run(index)
            seen += len(index)
        total.item(), right.item()
        return seen

    return epoch


def competent_evaluation(network: Network, data: Data, batch_size: int, *, bf16: bool = True) -> Epoch:
    """Images on the device, normalised by batches, in inference mode, nothing read before the end."""
    images, labels = _whole(data), data.train.targets
    layout = torch.channels_last if network.convolutional else torch.contiguous_format
    model = network.plain().to(images.device).to(memory_format=layout).eval()
    mean, std = (255 * torch.tensor(each, device=images.device).view(1, 3, 1, 1) for each in (MEAN, STD))

    @torch.inference_mode()
    def epoch() -> int:
        right = torch.zeros((), device=images.device, dtype=torch.long)
        for some, targets in zip(torch.split(images, batch_size), torch.split(labels, batch_size), strict=True):
            inputs = ((some.float() - mean) / std).contiguous(memory_format=layout)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
                outputs = model(inputs)
            right += (outputs.argmax(1) == targets).sum()
        right.item()
        return len(labels)

    return epoch


def captured(
    step: Callable[[torch.Tensor], None], shape: tuple[int, ...], examples: int, device: torch.device
) -> Callable[[torch.Tensor], None]:
    """`step` as one CUDA graph that reads its indices from a fixed place; on a CPU the step itself."""
    if device.type != "cuda":
        return step
    place = torch.randint(0, examples, shape, device=device)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(place)

    def run(index: torch.Tensor, _: object = step) -> None:
        """Held with the step: the graph reads and writes the tensors that the step owns."""
        place.copy_(index)
        graph.replay()

    return run


def loader_workers() -> int:
    """As many as a person takes who knows the machine: its cores, and 12 at most."""
    return min(12, len(os.sched_getaffinity(0)))
