"""Optimisers that move a whole group of weights by one kernel: torch's own kernels, called without what stands around.

They take the steps of torch's optimisers with `fused=True`, to the bit, and their state has the same names. But a
`torch.optim.Optimizer` imports the compiler when the first is made, a second of each process, and takes more time
around the kernel of a small network than the kernel itself.

A fused kernel walks gradient and weight in memory order and never looks at strides: both must lie alike, or the update
is scrambled without an error. `backward()` lays gradients out as their weights; so go through it, not through
`torch.autograd.grad`.
"""

from typing import Any

import torch
from torch import Tensor

Group = dict[str, Any]
"""Weights that are moved alike (`params`), and by which numbers (`lr`, `weight_decay`, …)."""
State = dict[str, Tensor]


class FusedOptimizer:
    """What they have in common; used as a `torch.optim.Optimizer` is."""

    def __init__(self, groups: list[Group], lr: float, **settings: Any) -> None:
        """`lr` and the `settings` are those of each group that says nothing else."""
        self.param_groups: list[Group] = [{"lr": lr, **settings, **group} for group in groups]
        for group in self.param_groups:
            if any(weight.is_cuda for weight in group["params"]):  # a recorded step reads it where it lies
                group["lr"] = torch.tensor(lr, device=group["params"][0].device)
        self.state: dict[Tensor, State] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights that have a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                states = [self.state.setdefault(weight, {}) for weight in weights]
                self.move(group, weights, [weight.grad for weight in weights], states)

    def move(self, group: Group, weights: list[Tensor], gradients: list[Tensor], states: list[State]) -> None:
        """Move `weights` one step; a weight's state is empty at its first."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each weight by its place in the groups, under `state`."""
        return {"state": {place: self.state[w] for place, w in enumerate(self._weights()) if w in self.state}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a copy of what `state_dict` gave, of another optimiser of its kind."""
        weights = self._weights()
        self.state = {
            weights[place]: {name: value.to(weights[place].device, copy=True) for name, value in kept.items()}
            for place, kept in state_dict["state"].items()
        }

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.param_groups for weight in group["params"]]


class FusedSGD(FusedOptimizer):
    """Stochastic gradient descent; its groups say `momentum` and `nesterov`."""

    def move(self, group: Group, weights: list[Tensor], gradients: list[Tensor], states: list[State]) -> None:
        """Take one step; the first puts the gradient itself into the buffer of the momentum."""
        buffers: list[Tensor] = []
        first = False
        if group["momentum"]:
            for state, gradient in zip(states, gradients, strict=True):
                if not state:
                    state["momentum_buffer"], first = torch.empty_like(gradient), True
            buffers = [state["momentum_buffer"] for state in states]
        torch._fused_sgd_(
            weights,
            gradients,
            buffers,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=first,
        )


class FusedAdam(FusedOptimizer):
    """Adam; its groups say `betas` and `eps`."""

    kernel = staticmethod(torch._fused_adam_)

    def move(self, group: Group, weights: list[Tensor], gradients: list[Tensor], states: list[State]) -> None:
        """Take one step."""
        for state, weight in zip(states, weights, strict=True):
            if not state:
                state["step"] = torch.zeros((), device=weight.device)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        self.kernel(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


class FusedAdamW(FusedAdam):
    """AdamW: its weight decay is not a part of the gradient."""

    kernel = staticmethod(torch._fused_adamw_)
