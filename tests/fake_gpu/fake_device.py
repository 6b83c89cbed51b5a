"""A training on an accelerator that is not there: torch's fake tensors, and a watch over every operation.

Nothing is computed: shapes, types, devices and layouts are. What reads a number is answered with 1 and written down.
Autograd asks CUDA for a card's streams, so no backward pass is walked: gradients appear, laid out as their weights.
"""

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from winnow.objectives import learner, randomness, training
from winnow.objectives.augmentation import mixing, policies
from winnow.objectives.compatibility import Shape
from winnow.objectives.data import streaming
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models import layers
from winnow.objectives.models.building import build

DEVICE = "cuda"
# From this seed on a generator lies on the device: on its way through torch it loses all that we give it but the seed.
ON_DEVICE = 2**40
SHAPE_FROM_VALUES = ("nonzero", "masked_select", "unique")
MATRIX_PRODUCTS = ("aten.convolution.default", "aten.addmm.default", "aten.baddbmm.default", "aten.mm.default")


class DeviceGenerator(torch.Generator):
    """A generator that says that it lies on the accelerator."""

    place = torch.device("cpu")

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place

    def get_state(self) -> torch.Tensor:
        return torch.zeros(16, dtype=torch.uint8, device="cpu")

    def set_state(self, state: torch.Tensor) -> "DeviceGenerator":
        assert state.device.type == "cpu"
        return self


class Watch(TorchDispatchMode):
    """Counts what would make a step wait for the device, and refuses what a device could not do."""

    def __init__(self, draws_64_bits: bool) -> None:
        super().__init__()
        self.draws_64_bits = draws_64_bits
        self.waits: Counter[str] = Counter()
        """Reads of a number, copies between host and device, shapes that depend on values; by the line of ours."""
        self.products: Counter[tuple[str, torch.dtype]] = Counter()
        """Convolutions and matrix products on the device by the type of their result."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = str(func), [leaf for leaf in _pytree.tree_leaves((args, kwargs)) if leaf is not None]
        tensors = [leaf for leaf in given if isinstance(leaf, torch.Tensor)]
        if name == "aten._local_scalar_dense.default":
            self._waited("read", tensors)
            return 1.0 if tensors[0].is_floating_point() else 1
        if name == "aten.bincount.default":
            self._waited("bincount", tensors)
            return torch.empty(10, dtype=torch.int64, device=tensors[0].device)
        if name.startswith("aten._fused_"):
            assert {tensor.device.type for tensor in tensors} == {DEVICE}, f"{name} over {tensors}"
            return None
        result = func(*args, **(kwargs or {}))
        results = [leaf for leaf in _pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        sized = {tensor.device.type for tensor in [*tensors, *results] if tensor.dim()}
        if name.startswith(("aten._to_copy", "aten.copy_")):
            if len({tensor.device.type for tensor in [*tensors, *results]}) > 1:
                self._waited("copy", [*tensors, *results])
        else:
            assert len(sized) <= 1 or "meta" in sized, f"{name} mixes {sized} at {_line()}"
        if any(word in name for word in SHAPE_FROM_VALUES) or (
            name == "aten.index.Tensor" and any(tensor.dtype == torch.bool for tensor in tensors[1:])
        ):
            self._waited("shape", tensors)
        for generator in (leaf for leaf in given if isinstance(leaf, torch.Generator)):
            place = DEVICE if generator.initial_seed() >= ON_DEVICE else "cpu"
            for drawn in results:
                assert place == drawn.device.type, f"{name} draws for another device at {_line()}"
        for made in results:
            if made.device.type == DEVICE:
                assert made.dtype != torch.float64, f"{name} makes float64 at {_line()}"
                assert self.draws_64_bits or made.dtype != torch.int64 or "random_" not in name, "64-bit draw"
                if name in MATRIX_PRODUCTS:
                    self.products[name, made.dtype] += 1
        return result

    def _waited(self, how: str, tensors: list[torch.Tensor]) -> None:
        if any(tensor.device.type == DEVICE for tensor in tensors):
            self.waits[f"{how} at {_line()}"] += 1


def _line() -> str:
    """The line of the training core, or of a test, that asked for the operation."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/objectives/" in file or file.endswith("test_fake_gpu.py"):
            return f"{file.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


@contextlib.contextmanager
def fake(memory: float = 1e12, draws_64_bits: bool = True) -> Iterator[Watch]:
    """Let tensors of a GPU be made and used in this block, with so much free memory; none may be float64."""

    networks: list[nn.Module] = []

    def generator(seed: int, purpose: str, place: torch.device | str = "cpu") -> torch.Generator:
        made = DeviceGenerator()
        made.place = torch.device(place)
        return made.manual_seed(seed % ON_DEVICE + ON_DEVICE * (made.place.type == DEVICE))

    def on_device(config: Config, shape: Shape, outputs: int, place: torch.device | str = "cpu") -> nn.Module:
        """The network as it is built on a CPU, and there what `Module.to` does to tensors that are no fakes."""
        with _disable_current_modes():
            model = build(config, shape, outputs, "meta" if str(place) == "meta" else "cpu")
            fakes = {
                name: mode.from_tensor(tensor.detach()) for name, tensor in model.state_dict(keep_vars=True).items()
            }
        if str(place) == "meta":
            return model
        for name, module in model.named_modules():
            for key, weight in module.named_parameters(recurse=False):
                moved = fakes[f"{name}.{key}".strip(".")].to(place)
                module._parameters[key] = nn.Parameter(moved, weight.requires_grad)
            for key, _ in module.named_buffers(recurse=False):
                module._buffers[key] = fakes[f"{name}.{key}".strip(".")].to(place)
        networks.append(model)
        return model

    def backward(loss: torch.Tensor) -> None:
        for weight in networks[-1].parameters():
            if weight.requires_grad:
                weight.grad = torch.empty_like(weight)

    def tolist(tensor: torch.Tensor) -> Any:
        return [tolist(part) for part in tensor] if tensor.dim() else tensor.item()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(randomness, "generator", generator)
        for module in (training, learner):
            patched.setattr(module, "build", on_device)
        patched.setattr(training, "cheap", lambda *counted_on_the_host: {})
        patched.setattr(streaming, "free_bytes", lambda place: memory)
        patched.setattr(mixing, "_quantiles", lambda alpha, place: torch.zeros(mixing.QUANTILES + 1, device=place))
        patched.setattr(policies, "_on_device", functools.cache(policies._on_device.__wrapped__))  # of this mode alone
        patched.setattr(layers, "DRAW_64_BITS", ("cpu", DEVICE) if draws_64_bits else ("cpu",))
        patched.setattr(torch.Tensor, "tolist", tolist)
        patched.setattr(torch.Tensor, "backward", backward)
        patched.setattr(FakeTensor, "__deepcopy__", lambda tensor, memo: tensor.clone(), raising=False)
        # Autocast asks for a card, and is silently off where there is none.
        patched.setattr(torch.cuda, "is_bf16_supported", lambda *args, **options: True)
        patched.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        watch, mode = Watch(draws_64_bits), FakeTensorMode()
        with mode, watch:
            yield watch


def data(count: int, shape: tuple[int, ...] = (3, 16, 16), classes: int = 10) -> Data:
    """Examples on the device, of which nothing is known but what they look like."""
    kind = torch.uint8 if len(shape) == 3 else torch.float32
    inputs = torch.zeros(count, *shape, dtype=kind, device=DEVICE)
    labels = torch.zeros(count, dtype=torch.int64, device=DEVICE)
    split = Split(inputs, labels if classes else torch.zeros(count, 1, device=DEVICE))
    validation = Split(torch.zeros_like(inputs[:20]), torch.zeros_like(split.targets[:20]))
    statistics = torch.ones(shape[0], device=DEVICE)
    task = "classification" if classes else "regression"
    return Data("fake", task, split, validation, classes, shape, statistics, statistics, "")
