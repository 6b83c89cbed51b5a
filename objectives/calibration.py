"""What trains faster here, measured and never assumed: which precision, and how many trainings as one stack.

bf16 wins where the processor multiplies it in hardware (AMX, a GPU) and loses by a multiple where it does not. A stack
wins where a network is so small that its kernels are shorter than what stands around them. What was found is kept in
the cache folder, for machines like this and trainings of the same shape.
"""

import contextlib
import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from winnow.objectives import TRAINING_VERSION
from winnow.objectives.data.decoded import cache_folder, locked
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change, shape_of
from winnow.objectives.platforms import platform_record
from winnow.objectives.stack import Training, train_stack
from winnow.objectives.training import begin

STEPS, GPU_STEPS = 6, 60
ROUNDS = 3
GAIN = 1.1
"""How many times faster must be what has a price: bf16 rounds, and trials in a stack know less of each other."""
STACKS = (4, 8, 16)
"""Sizes of a stack, each tried where the one before has paid."""
LONGEST = 0.25
"""Seconds that `STEPS` steps of one take at most where a stack is tried: the kernels of longer ones leave nothing idle,
and to try one would take longer than what it could bring."""
ROOM = 0.5
"""Of a GPU's memory, what a stack may take: a search has larger trials than its baseline."""
_log = logging.getLogger("winnow")


class StackSize(NamedTuple):
    """How many trainings are best done as one stack."""

    size: int
    """1 where no stack pays."""
    tried: int
    """`size`, or the first that did not pay; 1 where one alone is too large to try any."""
    gain: float
    """Of the `tried` size: its trainings a second over those alone."""


def faster_precision(config: Config, data: Data) -> str:
    """Return `bf16` where a few steps of `config` are faster with it on this device, else `fp32`.

    A GPU that only emulates it (before compute capability 8) is given `fp32` unmeasured: fp16 would need its losses
    scaled, and Winnow has no such training. Takes a second or so; all trials of a study train alike.
    """
    if data.device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp32"
    fp32, bf16 = (replace(config, precision=each) for each in ("fp32", "bf16"))

    def measure() -> str:
        seconds = [(_epoch_seconds([fp32], data), _epoch_seconds([bf16], data)) for _ in range(ROUNDS)]
        return "bf16" if min(each[0] for each in seconds) > GAIN * min(each[1] for each in seconds) else "fp32"

    try:
        return str(_kept("precision", fp32, data, measure))
    except (MemoryError, torch.OutOfMemoryError) as error:  # each trial will find out for itself
        _log.warning("it is not measured which precision is faster: %s", error)
        return "fp32"


def best_stack(config: Config, data: Data, most: int) -> StackSize:
    """Find the largest stack, up to `most`, that trains faster than one after the other, and fits the device."""
    none = StackSize(1, 1, 1.0)
    sizes = [size for size in STACKS if size <= most]

    def measure() -> StackSize:
        if (alone := _epoch_seconds([config], data)) * STEPS > LONGEST * _steps(data):
            return none
        alone = min([alone, *(_epoch_seconds([config], data) for _ in range(1, ROUNDS))])
        best = none
        for size in sizes:
            try:
                seconds = [_epoch_seconds([config] * size, data)]
                if size * alone > best.gain * seconds[0]:  # or the first look has said enough
                    seconds += [_epoch_seconds([config] * size, data) for _ in range(1, ROUNDS)]
                fits = _memory_share(data) < ROOM
            except (MemoryError, RuntimeError) as error:  # torch has no type for it on a CPU
                _log.debug("a stack of %d", size, exc_info=error)
                seconds, fits = [float("inf")], False
            found = StackSize(size, size, size * alone / min(seconds))
            if not fits or found.gain < GAIN * best.gain:
                return best if best.size > 1 else found._replace(size=1)
            best = found
        return best

    question = f"stacks of {sizes} by training {TRAINING_VERSION}"  # which may train them faster, or slower
    try:
        return StackSize(*_kept(question, config, data, measure))
    except (MemoryError, torch.OutOfMemoryError):  # not even one has room
        return none


def _epoch_seconds(configs: Sequence[Config], data: Data) -> float:
    """Time an epoch of some steps of trainings of one shape as a stack: the second, whose first warms what it needs."""
    clock = time.process_time if data.device.type == "cpu" else time.perf_counter  # others take part of a CPU's time
    few = data.first(_steps(data) * configs[0].batch_size)
    ends: list[float] = []
    failures: list[BaseException] = []

    def training(config: Config, seed: int) -> Training:
        # Nothing moves at a learning rate of 0, so nothing can diverge; some metrics say nothing of few examples.
        still = {"lr": 0.0, "weight_decay": 0.0, "epochs": 2, "passes": 1, "patience": 0, "metric": "", "seed": seed}
        return begin(change(config, compile="none", **still), few, lambda *_: ends.append(clock()))

    def end(ended: Any) -> None:
        failures.extend([ended] if isinstance(ended, BaseException) else [])

    train_stack([(training(config, seed), end) for seed, config in enumerate(configs)])
    if failures:
        raise failures[0]
    return ends[-1] - ends[len(configs) - 1]


def _steps(data: Data) -> int:
    return GPU_STEPS if data.device.type == "cuda" else STEPS


def _memory_share(data: Data) -> float:
    """Return the part of a GPU's memory that was taken since it was last asked; of a CPU nothing is said."""
    device = data.device
    if device.type != "cuda":
        return 0.0
    taken = torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return taken


def _kept(question: str, config: Config, data: Data, measure: Callable[[], Any]) -> Any:
    """Return what `measure` finds, from the cache where it was asked for such a training on such a machine before."""
    facts = {
        "question": question,
        "shape": shape_of(config),
        "data": [data.shape, data.classes, str(data.train.inputs.dtype)],
        "machine": [_processor(), platform.system(), platform_record(data.device)],
    }
    known = json.dumps(facts, default=str)
    file = cache_folder() / "measured" / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.json"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # without a folder to write to, every process measures
            file.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(file))
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(file.read_text())
            if kept["facts"] == json.loads(known):
                return kept["found"]
        found = measure()
        with contextlib.suppress(OSError):
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps({"facts": json.loads(known), "found": found}))
            partial.replace(file)
        return found


def _processor() -> str:
    """Return what a machine's processor is called; empty where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
