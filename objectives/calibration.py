"""Which precision trains faster here: measured, never assumed.

bf16 wins where the processor multiplies it in hardware (AMX, a GPU) and loses by a multiple where it does not.
"""

import time
from dataclasses import replace

import torch

from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import Config
from winnow.objectives.training import train

STEPS = 6
ROUNDS = 3
GAIN = 1.1
"""How many times faster bf16 must be to be worth its rounding."""


def calibrate(config: Config, data: Data) -> str:
    """`bf16` where a few steps of `config` are faster with it on this device, else `fp32`.

    A GPU that only emulates it (before compute capability 8) is given `fp32` unmeasured: fp16 would need its losses
    scaled, and Winnow has no such training. Takes a second or so; measure once per study, record the answer, and
    train all its trials alike.
    """
    device = data.train.inputs.device
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp32"
    examples = min(STEPS * config.batch_size, len(data.train.targets))
    few = Split(data.train.inputs[:examples], data.train.targets[:examples])
    data = replace(data, train=few, validation=Split(few.inputs[:1], few.targets[:1]))
    # On a CPU the process's own time: what others take of it meanwhile says nothing of a precision.
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(ROUNDS):
        for precision, measured in seconds.items():
            # Nothing moves at a learning rate of 0, so nothing can diverge; the first epoch warms up.
            still = replace(config, precision=precision, lr=0.0, weight_decay=0.0, epochs=2, patience=0, compile="none")
            still = replace(still, metric="")  # some say nothing of one example
            ends: list[float] = []
            train(still, data, lambda *_, ends=ends: ends.append(clock()))
            measured.append(ends[1] - ends[0])
    return "bf16" if min(seconds["fp32"]) > GAIN * min(seconds["bf16"]) else "fp32"
