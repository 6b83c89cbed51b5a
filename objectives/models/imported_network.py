"""The network of an imported model: built in the trial's own randomness, tried once, filled from a file, frozen."""

import copy
import pickle
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from winnow.objectives.cuda_graphs import is_recording
from winnow.objectives.errors import ObjectiveError, warn_once
from winnow.objectives.models.initialisation import initialise_layer
from winnow.objectives.models.layers import Dropout, RandomModule
from winnow.objectives.models.weights_file import refuse_another
from winnow.objectives.randomness import drawing_elsewhere_from, drawing_from, seeded_elsewhere


class ImportedNetwork(RandomModule):
    """A network that somebody else wrote; whatever it draws while it trains comes from the trial's generator.

    So its parts have none of their own: torch's global one is the trial's meanwhile. Its parameters and buffers keep
    their names. Parts that are frozen keep their weights, and their BatchNorm the statistics that it has.
    """

    inplace = True
    """It may change what it is given: a stack gives it a copy."""
    draws_elsewhere = False
    """Whether it draws from Python's or NumPy's global generators too while it trains."""
    counts = ""
    """The number that a pass in training changes and no checkpoint keeps; empty where there is none."""

    def __init__(self, network: nn.Module, channels: int, layout: torch.memory_format, frozen: tuple[str, ...]) -> None:
        """`channels` are those that images are repeated to; 0 leaves them as they are."""
        super().__init__()
        self.network = network
        self._channels, self._layout, self._frozen = channels, layout, frozen
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and not name.startswith(frozen))

    def around(self, network: nn.Module) -> "ImportedNetwork":
        """Return the same, with `network` inside, for evaluation."""
        other = copy.copy(self)
        other._modules = {"network": network}
        return other

    def train(self, mode: bool = True) -> "ImportedNetwork":
        """Behave as every module's, but what is frozen stays as in evaluation."""
        super().train(mode)
        for name, module in self.network.named_modules():
            if name and f"{name}.".startswith(self._frozen):
                module.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) in, (batch, outputs) out."""
        if x.dim() == 4:
            x = (x.expand(-1, self._channels, -1, -1) if self._channels else x).contiguous(memory_format=self._layout)
        if self.generator is None or not self.training or is_recording():  # which draws from it when it is replayed
            return self.network(x)  # type: ignore[no-any-return]
        # Before torch's own draws: what they leave the generator at is kept.
        elsewhere = drawing_elsewhere_from(self.generator) if self.draws_elsewhere else nullcontext()
        with elsewhere, drawing_from(self.generator):
            return self.network(x)  # type: ignore[no-any-return]


def build(
    name: str,
    make: Callable[[], Any],
    shape: tuple[int, ...],
    outputs: int,
    generator: torch.Generator,
    *,
    weights: str,
    weights_sha256: str,
    frozen_prefixes: str,
    initialisation: str,
    channels: int,
) -> ImportedNetwork:
    """Build on the CPU what `make` makes, its weights from its own initialisation or Winnow's, then from a file.

    Raises ObjectiveError where it is no network, or takes or gives other shapes than (batch, *shape) and (batch,
    outputs), where nothing begins with a frozen prefix, and where the file does not fit.
    """
    with drawing_from(generator), seeded_elsewhere(generator.initial_seed()):
        try:
            network = make()
        except ObjectiveError:
            raise
        except Exception as error:
            raise ObjectiveError(
                f"{name} cannot be built for examples of {tuple(shape)} and {outputs} outputs: "
                f"{type(error).__name__}: {_first_line(error)}",
                "let it take (shape, classes) and its own keyword parameters",
            ) from error
    if not isinstance(network, nn.Module):
        raise ObjectiveError(f"{name} gives a {type(network).__name__}", "let it return a torch.nn.Module")
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in network.parameters()):
        _outputs(name, network.eval(), shape, generator)  # lazy layers take their size from their first input
    if complex_ := next((weight for weight, each in network.named_parameters() if each.is_complex()), None):
        raise ObjectiveError(
            f"{name} has complex weights, {complex_} for one, which the optimisers do not take",
            "let it keep them as real ones (torch.view_as_real), and see them by torch.view_as_complex",
        )
    if initialisation != "pytorch":
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    initialise_layer(module.weight, module.bias, initialisation, generator)
    for place, module in list(network.named_modules()):
        # The same, but for p to the nearest 1/256, from an eighth of the draws.
        if type(module) is nn.Dropout and place and round(256 * module.p) < 256:
            network.set_submodule(place, Dropout(module.p))
    prefixes = tuple(part.strip() for part in frozen_prefixes.split(",") if part.strip())
    for prefix in prefixes:
        if not any(parameter.startswith(prefix) for parameter, _ in network.named_parameters()):
            first = ", ".join(dict.fromkeys(each.partition(".")[0] for each, _ in network.named_parameters()))
            raise ObjectiveError(f"no parameter of {name} begins with {prefix!r}", f"its parts are {first}")
    if weights:
        refuse_another(weights, weights_sha256)
        fill(name, network, weights)
    return _tried(name, network, channels, prefixes, shape, outputs, generator)


def _tried(
    name: str,
    network: nn.Module,
    channels: int,
    frozen: tuple[str, ...],
    shape: tuple[int, ...],
    outputs: int,
    generator: torch.Generator,
) -> ImportedNetwork:
    """Return the network in the layout that it takes: channels last is faster, and some code cannot `view` it."""
    convolves = any(isinstance(module, nn.Conv2d) for module in network.modules())
    layouts = (torch.channels_last, torch.contiguous_format)[not convolves :]  # nothing else gains by the first
    for layout in layouts:
        wrapped = ImportedNetwork(network.to(memory_format=layout), channels, layout, frozen).eval()
        try:
            given = _outputs(name, wrapped, shape, generator)
            break
        except ObjectiveError:
            if layout == layouts[-1]:
                raise
    if not isinstance(given, torch.Tensor) or given.shape != (2, outputs):
        raise ObjectiveError(
            f"{name} makes {_kind(given)} of two examples, not (2, {outputs})",
            "let its forward return one number for each class, and these alone",
        )
    wrapped.draws_elsewhere, wrapped.counts, otherwise = _in_training(wrapped, shape, outputs)
    if otherwise:
        raise ObjectiveError(f"{name} {otherwise}", "let it do in training as in evaluation")
    if wrapped.counts:
        warn_once(
            f"{name} changes {wrapped.counts} as it trains, which no checkpoint keeps: a trial that goes on after a "
            "pause or a kill begins it anew; make it a buffer (register_buffer), or let get_extra_state and "
            "set_extra_state keep it"
        )
    return wrapped.train()


def _in_training(network: ImportedNetwork, shape: tuple[int, ...], outputs: int) -> tuple[bool, str, str]:
    """Try what a pass in training does otherwise: whether it draws elsewhere, which number counts, and what cannot be.

    Nothing is known of a network that cannot be copied, or takes no two examples.
    """
    with seeded_elsewhere(0), suppress(Exception), torch.no_grad(), drawing_from(torch.Generator()):
        tried = copy.deepcopy(network).train()
        numbers, sizes, generators = _numbers(tried), _sizes(tried), _global_states()
        given = tried(torch.zeros(2, *shape))
        draws, after, otherwise = _global_states() != generators, _numbers(tried), ""
        if not isinstance(given, torch.Tensor) or given.shape != (2, outputs):
            otherwise = f"makes {_kind(given)} of two examples in training, not (2, {outputs})"
        elif resized := next((name for name, size in _sizes(tried).items() if sizes.get(name) != size), ""):
            otherwise = (
                f"gives its buffer {resized} another size as it trains, which no checkpoint can be put back into"
            )
        return draws, next((name for name, count in numbers.items() if after.get(name) != count), ""), otherwise
    return False, "", ""


def _kind(given: Any) -> str:
    return str(tuple(given.shape)) if isinstance(given, torch.Tensor) else f"a {type(given).__name__}"


def _sizes(network: ImportedNetwork) -> dict[str, torch.Size]:
    """Return the sizes of what a checkpoint holds, by the names in the user's own network."""
    held = network.network.state_dict().items()
    return {name: each.shape for name, each in held if isinstance(each, torch.Tensor)}


def _global_states() -> tuple[object, bytes]:
    """Return where Python's and NumPy's global generators stand."""
    return random.getstate(), pickle.dumps(np.random.get_state())


def _numbers(network: nn.Module) -> dict[str, int | float]:
    """Return the numbers in a network's modules that are no buffers, by their names."""
    return {
        f"{place}.{name}".removeprefix("network."): number
        for place, module in network.named_modules()
        if type(module).get_extra_state is nn.Module.get_extra_state
        for name, number in vars(module).items()
        if type(number) in (int, float)
    }


def _outputs(name: str, network: nn.Module, shape: tuple[int, ...], generator: torch.Generator) -> Any:
    """Return what the network, in evaluation, makes of two black examples; raises ObjectiveError."""
    try:
        with torch.no_grad(), drawing_from(generator):
            return network(torch.zeros(2, *shape))
    except Exception as error:
        raise ObjectiveError(
            f"{name} does not take examples of {tuple(shape)}: {type(error).__name__}: {_first_line(error)}",
            "let its forward take a batch of these alone, in float32, or give data of another size",
        ) from error


def fill(name: str, network: nn.Module, weights: str) -> None:
    """Fill all but the last layer, and a stem of another kernel, from a state_dict; raises ObjectiveError.

    Nothing but tensors is read: no code in the file is run.
    """
    path = Path(weights).expanduser()
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        wanted = network.state_dict()
        fresh = _fresh(network)
        odd = [
            key
            for key in wanted
            if not key.startswith(fresh) and (key not in state or state[key].shape != wanted[key].shape)
        ]
        if odd:
            raise KeyError(f"{odd[0]} is not in it, or has another shape")
        network.load_state_dict({key: wanted[key] if key.startswith(fresh) else state[key] for key in wanted})
    except Exception as error:  # torch.load meets a torn file with whatever the part that was torn leads to
        raise ObjectiveError(
            f"weights = {weights!r} cannot be read as {name}: {_first_line(error)}",
            "give a state_dict of that network, saved by torch.save or as safetensors",
        ) from error


def _fresh(network: nn.Module) -> tuple[str, ...]:
    """Return what begins anew whatever a file holds: the last layer, and what is marked as changed."""
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    changed = [name for name, module in layers if getattr(module, "winnow_fresh", False)]
    return tuple(f"{name}." for name in [*changed, layers[-1][0]]) if layers else ()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
