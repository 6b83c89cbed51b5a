"""Muon for the weights of hidden layers, as torch has it, and AdamW for all others, in one optimiser."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz
from torch.optim.adamw import adamw

COEFFICIENTS, EPS, STEPS = (3.4445, -4.775, 2.0315), 1e-7, 5
"""Of the Newton-Schulz iteration, torch's defaults."""


class Muon(Optimizer):
    """Moves matrices by their momentum made orthogonal (Jordan, 2024), at a length that AdamW's learning rate suits.

    Weights of convolutions are matrices of (outputs, inputs x height x width). The last layer, biases and norms are
    AdamW's, as is usual.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, momentum: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": 0.0})
        matrices = [weight for group in self.param_groups for weight in group["params"] if weight.dim() > 1]
        self._hidden = set(matrices[:-1])

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights."""
        for group in self.param_groups:
            moved = [weight for weight in group["params"] if weight.grad is not None]
            for weight in moved:
                if weight in self._hidden:
                    self._orthogonal(weight, group)
            self._adamw([weight for weight in moved if weight not in self._hidden], group)

    def _orthogonal(self, weight: Tensor, group: dict[str, Any]) -> None:
        assert weight.grad is not None
        kept = self.state[weight]
        if "mean" not in kept:
            kept["mean"] = torch.zeros_like(weight)
        kept["mean"].lerp_(weight.grad, 1 - group["momentum"])
        update = weight.grad.lerp(kept["mean"], group["momentum"])  # Nesterov's
        matrix = _zeropower_via_newtonschulz(update.flatten(1), COEFFICIENTS, STEPS, EPS)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        lr = _adjust_lr(group["lr"], "match_rms_adamw", matrix.shape)
        weight.add_(matrix.view(weight.shape), alpha=-lr)

    def _adamw(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        for weight in weights:
            if not self.state[weight]:
                zeros = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                self.state[weight].update(step=torch.zeros(()), **zeros)
        kept = [self.state[weight] for weight in weights]
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [each["exp_avg"] for each in kept],
            [each["exp_avg_sq"] for each in kept],
            [],
            [each["step"] for each in kept],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
