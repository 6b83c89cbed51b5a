"""Images a second of a model of one's own against the built-in one of the same layers, on one thread.

    OMP_NUM_THREADS=1 python -m bench.own_model

Training as in `bench.training`, without augmentation, evaluation as in `bench.evaluation`; the built-in is "theirs".
"""

from functools import partial

import torch
from torch import nn

from bench import networks
from bench.evaluation import ours as evaluation
from bench.loops import MLP, SMALLNET, cifar_like
from bench.pairing import HEADER, Ratio, as_in_a_trainer, compare, in_turns
from bench.training import IMAGES, ours
from winnow.objectives.hyperparameters import change


def smallnet(shape: tuple[int, ...], classes: int, share: float = 0.2) -> nn.Module:
    """SmallNet from PyTorch's own layers."""
    return in_place(networks.smallnet(shape[0], shape[1], classes, share))


def mlp(shape: tuple[int, ...], classes: int, share: float = 0.2) -> nn.Module:
    """Two hidden layers of 256 from PyTorch's own layers."""
    return in_place(networks.mlp(torch.Size(shape).numel(), (256, 256), classes, share))


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
    for network, model in ((SMALLNET, "bench.own_model:smallnet"), (MLP, "bench.own_model:mlp")):
        data, own = cifar_like(IMAGES[network]), change(network.config, model=model)
        rates = in_turns([partial(ours, config, data) for config in (network.config, own)])
        print(Ratio(f"{network.name}, training", *rates), flush=True)
        theirs, ours_ = (evaluation(config, data) for config in (network.config, own))
        print(compare(f"{network.name}, evaluation", theirs, ours_), flush=True)


if __name__ == "__main__":
    main()
