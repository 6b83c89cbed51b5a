"""Lion, which moves every weight by the sign of its momentum (Chen et al., 2023)."""

from typing import Any

import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    """Moves by the learning rate, whatever the gradient's size; the weight decay is decoupled."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights."""
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                kept = self.state[weight]
                if "mean" not in kept:
                    kept["mean"] = torch.zeros_like(weight)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(torch.lerp(weight.grad, kept["mean"], first).sign_(), alpha=-group["lr"])
                kept["mean"].lerp_(weight.grad, 1 - second)
