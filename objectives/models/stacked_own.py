"""Imported networks of one shape as one network: their code is run once, for the examples of all members as one batch.

Layers with weights, norms and dropout are each member's own, as in every stack. What stands between them is code that
nobody here has read, and the long batch changes nothing where it treats each example by itself and asks no value which
way to go. That is tried: `torch.func.vmap` runs the network example by example, and two members together are compared
with each alone. (To run members under `vmap` itself was hardly faster than one by one on a CPU: bench/README.md.)
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.layers import Dropout
from winnow.objectives.models.stacked import StackedLayer, StackedNetwork, layer_of
from winnow.objectives.randomness import drawing_from

MEMBERS_OWN = (nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, Dropout)
"""Layers that are done for each member by its own; all others are to have no weights, and do not know of members."""


class StackedOwn(StackedNetwork):
    """The networks of all members as one, which `apart_because` says nothing against."""

    def __init__(self, networks: Sequence[Any]) -> None:
        """Take the weights over from the networks, whose own are views of them from now on."""
        self._layers: list[StackedLayer] = []
        self._members = len(networks)
        self._generators = [network.generator for network in networks]
        self._network = self._woven(networks)
        self._network.generator = None  # what draws has its member's

    def __call__(self, examples: Tensor) -> Tensor:
        """Examples (members, batch, …) in, outputs (members, batch, outputs) out."""
        outputs: Tensor = self._network(examples.flatten(0, 1))
        return outputs.reshape(self._members, -1, *outputs.shape[1:])

    def _woven(self, modules: Sequence[Any]) -> Any:
        """Return the first of these modules, one of each member, with the layers of all of them in it."""
        if type(modules[0]) in MEMBERS_OWN:
            return self._of_all(modules)
        woven = copy.copy(modules[0])
        woven._modules = {name: self._woven([each._modules[name] for each in modules]) for name in woven._modules}
        return woven

    def _of_all(self, layers: Sequence[Any]) -> nn.Module:
        if isinstance(layers[0], Dropout):
            layers = [copy.copy(each) for each in layers]
            for each, generator in zip(layers, self._generators, strict=True):
                each.generator = generator
        layer = layer_of(layers)
        self._layers.append(layer)
        return _OfAll(layer, self._members)


class _OfAll(nn.Module):
    """A layer of each member, in the place of one, for a batch of all members' examples."""

    def __init__(self, layer: StackedLayer, members: int) -> None:
        """`layer` takes (members, batch, …)."""
        super().__init__()
        self._layer, self._members = layer, members

    def forward(self, x: Tensor) -> Tensor:
        """(members · batch, …) in and out."""
        given = self._layer(x.reshape(self._members, -1, *x.shape[1:]))
        return given.flatten(0, 1) if isinstance(given, Tensor) else torch.cat(given)


def apart_because(network: ImportedNetwork, shape: tuple[int, ...]) -> str:
    """Return why a stack calls networks like this one after the other; empty where it has them as one.

    `shape` is that of an example.
    """
    own = network.network
    if getattr(own, "_compiled_call_impl", None) is not None:
        return "it is compiled"
    for name, module in own.named_modules(prefix="it", remove_duplicate=False):
        kept = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        keeps_more = type(module).get_extra_state is not nn.Module.get_extra_state
        if (kept or keeps_more) and type(module) not in MEMBERS_OWN:
            return f"{name} is a {type(module).__name__} with weights or state, which stacks do not do at once"
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
        if any(hooks) or "forward" in vars(module):
            return f"{name} has hooks"
    weights = [weight for _, weight in own.named_parameters(remove_duplicate=False)]
    if len(set(map(id, weights))) < len(weights):
        return "two of its layers share weights"
    if any(weight._backward_hooks or weight._post_accumulate_grad_hooks for weight in weights):
        return "its weights have hooks"
    if network.draws_elsewhere:
        return "it draws random numbers of Python or NumPy"
    if network.counts:
        return f"it counts in {network.counts}"
    try:
        return _tried(network, shape)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _tried(network: ImportedNetwork, shape: tuple[int, ...]) -> str:
    weight = next(network.parameters())
    first = torch.Generator(weight.device).manual_seed(0)
    examples = torch.randn(2, 4, *shape, device=weight.device, generator=first)
    begin, end = first.get_state(), first.clone_state()

    def members() -> list[ImportedNetwork]:
        copies = [copy.deepcopy(network) for _ in examples]
        for seed, each in enumerate(copies):
            each.generator = torch.Generator(weight.device).manual_seed(seed)
            for own in each.parameters():
                own.data *= 1 + seed / 8  # who takes another member's weights is found out
        return copies

    with torch.no_grad():
        judged = copy.deepcopy(network).eval()
        by_example = vmap(lambda example: judged(example[None])[0])(examples[0])
        alike = torch.allclose(by_example, judged(examples[0]), rtol=1e-4, atol=1e-5)
    one, other = members(), members()
    stack = StackedOwn(one)
    with drawing_from(end):
        together = stack(examples)
    if not torch.equal(begin, end.get_state()):
        return "it draws random numbers by other means than torch.nn.Dropout"
    apart = torch.stack([each(batch) for each, batch in zip(other, examples, strict=True)])
    if not (alike and torch.allclose(together, apart, rtol=1e-4, atol=1e-5)):
        return "what it makes of an example depends on the others of its batch"
    for outputs in (together, apart):
        (outputs**2).sum().backward()  # type: ignore[no-untyped-call]
    stack.hand_out_gradients()
    pairs = zip(_gradients(one), _gradients(other), strict=True)
    if any(torch.dist(ours, its) > 0.01 * its.norm() + 1e-6 for ours, its in pairs):  # a GPU may round to 10 bits
        return "its gradients are others where several are trained at once"
    return ""


def _gradients(networks: Sequence[nn.Module]) -> list[Tensor]:
    weights = [weight for network in networks for weight in network.parameters()]
    return [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
