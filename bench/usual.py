"""The usual way to train, as tutorials write it: PIL images, Compose, DataLoader, float32, `.item()` at each step.

The other side of the comparisons: nothing in it is slowed down, and nothing in it is tuned.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

Transform = Callable[..., object]
Batches = DataLoader[tuple[torch.Tensor, int]]

AUGMENTATIONS: tuple[Transform, ...] = (
    transforms.RandomHorizontalFlip(),
    transforms.RandomCrop(32, 4),
    transforms.ColorJitter(0.2, 0.2, 0.2),
)
"""Those of system B, on images of 32x32."""


class Images(Dataset[tuple[torch.Tensor, int]]):
    """Images uint8 (N, C, H, W) as torchvision's data sets hold them: each becomes a PIL image when it is asked for."""

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        steps: Sequence[Transform],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.images = images.permute(0, 2, 3, 1).squeeze(-1).contiguous().numpy()
        self.labels = labels.tolist()
        self.transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[number])), self.labels[number]


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    label_smoothing: float = 0.0,
) -> int:
    """One pass over `batches`, loss and accuracy followed at each step; returns how many images there were."""
    model.train()
    running_loss, correct, seen = 0.0, 0, 0
    for images, labels in batches:
        optimizer.zero_grad()
        outputs = model(images)
        loss = nn.functional.cross_entropy(outputs, labels, label_smoothing=label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        running_loss += loss.item() * len(labels)
        correct += (outputs.argmax(1) == labels).sum().item()
        seen += len(labels)
    return seen


def evaluate(model: nn.Module, batches: Batches) -> float:
    """Accuracy on `batches`."""
    model.eval()
    correct, seen = 0, 0
    with torch.no_grad():
        for images, labels in batches:
            correct += (model(images).argmax(1) == labels).sum().item()
            seen += len(labels)
    return correct / seen
