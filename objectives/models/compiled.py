"""Networks compiled by `torch.compile`, on a GPU: fewer and larger kernels."""

import torch
from torch import nn

from winnow.objectives.errors import warn_once
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.layers import RandomLayer


def compile_for(model: nn.Module, config: Config, device: torch.device) -> None:
    """Let `model` be compiled at its first call, as the config says; on a CPU, where that only costs, leave it.

    Its parameters and their names stay, so snapshots fit it and a model that is not compiled alike. What is compiled
    is compiled again for the last, shorter batch of an epoch, and for every training: seconds to a minute each.
    """
    if config.compile == "none":
        return
    if device.type == "cpu":
        warn_once(f"compile = {config.compile!r} is passed over on a CPU, where it takes longer than it saves")
        return
    if config.compile == "default":
        compile_in_place(model)


def compile_in_place(model: nn.Module, backend: str = "inductor") -> None:
    """Compile `model` without another name for anything in it; random layers draw outside of what is compiled."""
    torch.compiler.reset()  # a worker's trainings share this process, and only eight shapes of one function are kept
    for module in model.modules():
        if isinstance(module, RandomLayer):  # a generator is nothing that a graph could hold
            module.forward = torch.compiler.disable(module.forward)  # type: ignore[method-assign, no-untyped-call]
    network = model.network if isinstance(model, ImportedNetwork) else model
    network.compile(backend=backend, dynamic=False)
