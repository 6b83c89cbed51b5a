"""Evaluated images a second: `evaluate` against the usual loop over a DataLoader and a competent one, on one thread.

    OMP_NUM_THREADS=1 python -m bench.evaluation

Random images in the shape of CIFAR; the time is this process's on the CPU, all ways in turns.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch.utils.data import DataLoader

from bench import usual
from bench.gpu_figures import operations_of
from bench.loops import MEAN, MLP, SMALLNET, STD, Network, cifar_like, competent_evaluation
from bench.pairing import HEADER, Ratio, as_in_a_trainer, in_turns, rate
from bench.training import BATCH, of_peak
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.calibration import faster_precision
from winnow.objectives.data.loading import Data
from winnow.objectives.evaluation import evaluate
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.building import build

USUAL_IMAGES = 1_536
IMAGES = {MLP: 20_480, SMALLNET: 5_120}


def ours(config: Config, data: Data) -> Callable[[], int]:
    """One evaluation of all of `data`."""
    model, augmentation = build(config, data.shape, data.classes), Augmentation(config, data)

    def evaluation() -> int:
        evaluate(model, data.train, augmentation, config.precision)
        return len(data.train.targets)

    return evaluation


def usual_way(network: Network, data: Data) -> Callable[[], int]:
    """One evaluation of the first of `data`."""
    inputs, targets = data.train.inputs[:USUAL_IMAGES], data.train.targets[:USUAL_IMAGES]
    assert isinstance(inputs, torch.Tensor)
    batches: usual.Batches = DataLoader(usual.Images(inputs, targets, (), MEAN, STD), BATCH)
    model = network.plain()

    def evaluation() -> int:
        usual.evaluate(model, batches)
        return USUAL_IMAGES

    return evaluation


def main() -> None:
    as_in_a_trainer()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread\n{HEADER}")
    for network, images in IMAGES.items():
        data = cifar_like(images)
        slow, chosen = usual_way(network, data), faster_precision(network.config, data)
        for precision in ("fp32", "bf16"):
            able = competent_evaluation(network, data, 2 * BATCH, bf16=precision == "bf16")
            ways = [slow, able, ours(replace(network.config, precision=precision), data)]
            rates = in_turns([partial(rate, way) for way in ways])
            calibrated = " (calibrated)" if chosen == precision else ""
            for opponent, theirs in zip(("the usual loop", "a competent one"), rates, strict=False):
                print(Ratio(f"{network.name}, {precision}{calibrated}, {opponent}", theirs, rates[-1]), flush=True)
            print(of_peak(rates[-1], operations_of(network, training=False), precision), flush=True)


if __name__ == "__main__":
    main()
