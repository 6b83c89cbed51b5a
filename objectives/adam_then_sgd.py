"""The optimiser that begins as Adam and ends as SGD, in the usual optimiser's shape: its state is all it knows."""

from typing import Any

import torch
from torch.optim import Adam


class AdamThenSGD(Adam):
    """Adam for the first `adam_steps` steps, then SGD with `momentum` at `ratio` times the learning rate."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        momentum: float,
        adam_steps: int,
        ratio: float,
    ) -> None:
        super().__init__(groups, lr, betas, eps)
        self._momentum, self._adam_steps, self._ratio = momentum, adam_steps, ratio

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights by one or the other."""
        steps = [self.state[p]["step"] for group in self.param_groups for p in group["params"] if p in self.state]
        if not steps or steps[0] < self._adam_steps:
            super().step()
        else:
            self._descend()

    @torch.no_grad()
    def _descend(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                kept = self.state[weight]
                kept["step"] += 1
                gradient = weight.grad.add(weight, alpha=group["weight_decay"])
                # The momentum takes the place of Adam's mean of gradients, from 0 on, as a new SGD's would.
                if "momentum" in kept:
                    kept["momentum"].mul_(self._momentum).add_(gradient)
                else:
                    kept["momentum"] = gradient
                weight.add_(kept["momentum"], alpha=-group["lr"] * self._ratio)
