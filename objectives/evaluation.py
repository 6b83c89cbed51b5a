"""What a model's outputs are worth: the loss, and loss and accuracy on a whole split."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.data.streaming import parts
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.hyperparameters import Config, make_config
from winnow.objectives.metrics import Metric
from winnow.objectives.models.batch_norm_folding import folded

EVALUATION_BATCH = 256
"""The fastest on a CPU where blocks beyond 32 MiB are kept, as in a trainer; elsewhere 128 would be a little faster."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the forward pass in `fp32` or `bf16`, the weights in float32 either way."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def evaluate(
    model: nn.Module,
    split: Split,
    augmentation: Augmentation,
    precision: str = "fp32",
    batch_size: int = EVALUATION_BATCH,
    kept: list[torch.Tensor] | None = None,
    ranks: Ranks = ALONE,
) -> tuple[float, float | None]:
    """Return the mean loss and accuracy (None in a regression) of `model` on `split`, waiting for the device once.

    The model's outputs are added to `kept`, batch by batch. Each of several ranks does its part of the split.
    """
    count, split = len(split.targets), ranks.split(split)
    model.eval()
    network = folded(model)
    regression = split.targets.is_floating_point()
    loss_sum = torch.zeros((), device=split.targets.device)
    correct = torch.zeros((), device=split.targets.device, dtype=torch.int64)
    # One autocast for all batches: it rounds each weight once.
    with torch.inference_mode(), autocast(precision, split.inputs.device):
        batches = zip(parts(split.inputs, batch_size), torch.split(split.targets, batch_size), strict=True)
        for inputs, targets in batches:
            outputs = network(augmentation.evaluate(inputs))
            loss_sum += losses(outputs, targets, 0.0)[1] * len(targets)
            if kept is not None:
                kept.append(outputs.float())
            if not regression:
                correct += (outputs.argmax(1) == targets).sum()
    loss, right = ranks.total(torch.stack([loss_sum, correct.float()])).tolist()
    if kept is not None:
        kept[:] = ranks.gather(kept, count)
    return loss / count, None if regression else right / count


def passed(
    model: nn.Module, values: Mapping[str, Any], data: Data, split: Split
) -> tuple[float, float | None, torch.Tensor]:
    """Return mean loss, accuracy and outputs (examples, …) on `split`: one pass, in the precision of the training."""
    config, kept = make_config(values), list[torch.Tensor]()
    loss, accuracy = evaluate(model, split, Augmentation(config, data), config.precision, kept=kept)
    return loss, accuracy, torch.cat(kept).cpu().double()


def value_of(
    metric: Metric | None, loss: float, accuracy: float | None, outputs: torch.Tensor, targets: torch.Tensor
) -> float:
    """Return what a training is judged by: accuracy, a regression's loss, or the metric of outputs (examples, …)."""
    if metric is None:
        return loss if accuracy is None else accuracy
    outputs = outputs.cpu().double()
    given = outputs[:, 0] if accuracy is None else outputs.softmax(1)
    return metric(targets.cpu().numpy().reshape(len(outputs)), given.numpy())


def losses(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    smoothing: float,
    class_weights: torch.Tensor | None = None,
    focal_gamma: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss to minimise, and the plain one, which is comparable with validation's.

    Cross-entropy for labels int64 (B,), mean squared error for numbers float32 (B, 1). With smoothing ε a label
    takes 1 - ε and all classes share ε (Szegedy et al., 2016). `class_weights` (classes,) weigh each example by its
    class, in a weighted mean as torch's; the focal loss weighs it by (1 - p)^gamma, p its label's probability (Lin et
    al., 2017).
    """
    if targets.is_floating_point():
        squared = F.mse_loss(outputs.float(), targets)
        return squared, squared
    if class_weights is not None or focal_gamma:
        each = F.cross_entropy(
            outputs.float(), targets, weight=class_weights, reduction="none", label_smoothing=smoothing
        )
        single = F.cross_entropy(outputs.float(), targets, reduction="none")
        if focal_gamma:
            each = each * (-(-single).expm1()).clamp(min=1e-12) ** focal_gamma
        return each.sum() / (len(targets) if class_weights is None else class_weights[targets].sum()), single.mean()
    if not smoothing:
        plain = F.cross_entropy(outputs.float(), targets)
        return plain, plain
    log_p = F.log_softmax(outputs.float(), 1)
    plain = F.nll_loss(log_p, targets)
    return (1 - smoothing) * plain - smoothing * log_p.mean(), plain


def class_weights_of(config: Config, data: Data) -> torch.Tensor | None:
    """Return the weight of each class in the loss, float32 (classes,): scikit-learn's `balanced`, or its root."""
    if config.class_weights == "none":
        return None
    targets = data.train.targets
    counts = torch.bincount(targets.cpu(), minlength=data.classes).double()
    weights = len(targets) / (data.classes * counts)
    return (weights if config.class_weights == "balanced" else weights.sqrt()).float().to(targets.device)


def mixed_losses(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    own: torch.Tensor,
    smoothing: float,
    class_weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `losses` does, of examples whose share `own` (B,) is theirs and the rest the one before's."""
    own = own[:, None]
    if targets.is_floating_point():
        squared = F.mse_loss(outputs.float(), torch.lerp(targets.roll(1, 0), targets, own))
        return squared, squared
    labels = F.one_hot(targets, outputs.shape[1]).float()
    labels = torch.lerp(labels.roll(1, 0), labels, own)
    plain = F.cross_entropy(outputs.float(), labels)
    if class_weights is None and not smoothing:
        return plain, plain
    return F.cross_entropy(outputs.float(), labels, weight=class_weights, label_smoothing=smoothing), plain


@torch.no_grad()
def weight_norm(model: nn.Module) -> float:
    """Return the Frobenius norm over the weights of all dense and convolutional layers together."""
    return float(torch.stack([p.square().sum() for p in model.parameters() if p.dim() > 1]).sum().sqrt())
