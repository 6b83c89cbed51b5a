"""Images a second of a model of one's own against the built-in one of the same layers, on one thread.

    OMP_NUM_THREADS=1 python -m bench.own_model

Training as in `bench.training`, without augmentation, and evaluation as in `bench.evaluation`; the built-in is "usual".
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bench import usual
from bench.evaluation import ours as evaluation
from bench.pairing import HEADER, as_in_a_trainer, compare
from bench.training import MLP, SMALLNET, cifar_like, ours, pair
from winnow.objectives.hyperparameters import Config, change


def smallnet(shape: tuple[int, ...], classes: int, share: float = 0.2) -> nn.Module:
    """SmallNet from PyTorch's own layers."""
    return in_place(usual.smallnet(shape[0], shape[1], classes, share))


def mlp(shape: tuple[int, ...], classes: int, share: float = 0.2) -> nn.Module:
    """Two hidden layers of 256 from PyTorch's own layers."""
    return in_place(usual.mlp(torch.Size(shape).numel(), (256, 256), classes, share))


def in_place(network: nn.Module) -> nn.Module:
    """Let its activations overwrite their input, as the built-in networks' do."""
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return network


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread\n{HEADER}")
    networks = (
        ("SmallNet", SMALLNET, "bench.own_model:smallnet", cifar_like(1536, 100)),
        ("MLP 3072-256-256-10", MLP, "bench.own_model:mlp", cifar_like(15_360, 10)),
    )
    for name, built_in, model, data in networks:
        own: Config = change(built_in, model=model)
        print(pair(f"{name}, training", partial(ours, built_in, data), partial(ours, own, data)), flush=True)
        both: list[Callable[[], int]] = [evaluation(config, data) for config in (built_in, own)]
        print(compare(f"{name}, evaluation", *both), flush=True)


if __name__ == "__main__":
    main()
