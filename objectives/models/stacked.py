"""Networks of one shape as one network: what is small is done for all of them at once.

Dense layers, activations and dropout take all members' examples in one call; layers that gain nothing by that, and
those that nobody taught it, are called member by member. The members' own modules stay what they are: their weights
are views of the stacked ones, so that snapshots, optimisers and evaluation know nothing of a stack.

HFTA (Wang et al., MLSys 2021) trains such stacks on GPUs.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from winnow.objectives.cuda_graphs import side_by_side
from winnow.objectives.models.layers import DRAW_64_BITS, Dropout

Parts = Tensor | list[Tensor]
"""What a layer takes and gives: one tensor (members, batch, …), or one (batch, …) for each member."""
ALIKE = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.Identity)
"""Layers that treat each value by itself: for all members at once where it is the same layer."""


class StackedNetwork:
    """The networks of all members as one."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Take the weights over from the networks, whose own are views of them from now on."""
        self._layers = [layer_of(layers) for layers in zip(*map(_flat, networks), strict=True)]

    def __call__(self, examples: Tensor) -> Tensor:
        """Examples (members, batch, …) in, outputs (members, batch, outputs) out."""
        parts: Parts = examples
        for layer in self._layers:
            parts = layer(parts)
        return parts if isinstance(parts, Tensor) else torch.stack(parts)

    def hand_out_gradients(self) -> None:
        """After a backward pass: add to the gradients of each member's weights."""
        for layer in self._layers:
            if isinstance(layer, _Dense):
                layer.hand_out_gradients()


class StackedLayer:
    """One layer of each member."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers

    def __call__(self, parts: Parts) -> Parts:
        """Call each member's with its part."""
        return self.together(parts) if isinstance(parts, Tensor) else self.apart(parts)

    def together(self, x: Tensor) -> Parts:
        """Call all of them at once, where that can be: x (members, batch, …)."""
        return self.apart(x.unbind(0))

    def apart(self, parts: Sequence[Tensor]) -> Parts:
        """Call one after the other; a view of what others see too is not changed in place."""
        each = zip(self.layers, parts, strict=True)
        return side_by_side([partial(_of_one, layer, part) for layer, part in each])


def _of_one(layer: nn.Module, part: Tensor) -> Tensor:
    changes = getattr(layer, "inplace", False)
    given: Tensor = layer(part.clone() if changes and part._is_view() else part)
    return given


class _Alike(StackedLayer):
    def together(self, x: Tensor) -> Tensor:
        same: Tensor = self.layers[0](x)
        return same


class _Flatten(StackedLayer):
    def together(self, x: Tensor) -> Tensor:
        return x.flatten(2)


class _Dropout(StackedLayer):
    """Each member's own mask, drawn from its own generator at its own p, as alone."""

    layers: Sequence[Dropout]
    _least: Tensor | None = None
    _scale: Tensor

    def together(self, x: Tensor) -> Parts:
        if not self.layers[0].training or not any(layer.p for layer in self.layers):
            return x
        if x.device.type not in DRAW_64_BITS or not x.is_contiguous():
            return super().together(x)
        members, values = len(x), x[0].numel()
        draws = torch.empty(members, -(-values // 8), dtype=torch.int64, device=x.device)
        rows = zip(self.layers, draws.unbind(0), strict=True)
        side_by_side(
            [partial(row.random_, -(2**63), None, generator=layer.generator) for layer, row in rows if layer.p]
        )
        if self._least is None:
            self._least = torch.tensor([[layer.dropped_bytes] for layer in self.layers], dtype=torch.uint8).to(x.device)
            self._scale = torch.tensor([[1 / (1 - layer.p)] for layer in self.layers]).to(x.device)
        kept = draws.view(torch.uint8)[:, :values] >= self._least
        return x * (kept.to(x.dtype) * self._scale.to(x.dtype)).view(x.shape)


class _Dense(StackedLayer):
    layers: Sequence[nn.Linear]

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__(layers)
        weights: list[Tensor] = [layer.weight for layer in layers]
        self.weight, self.bias = _stacked(weights), None
        self._weights = [(self.weight, weights)]
        if layers[0].bias is not None:
            biases: list[Tensor] = [layer.bias for layer in layers]
            self.bias = _stacked(biases)
            self._weights.append((self.bias, biases))

    def __call__(self, parts: Parts) -> Tensor:
        x = parts if isinstance(parts, Tensor) else torch.stack(parts)
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(x.device.type):  # which does not reach a function of one's own
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        product: Tensor = _Product.apply(x.flatten(1, -2), weight, bias)
        return product.view(*x.shape[:-1], -1)

    def hand_out_gradients(self) -> None:
        for stacked, weights in self._weights:
            if stacked.grad is not None:
                for weight, gradient in zip(weights, stacked.grad.unbind(0), strict=True):
                    weight.grad = gradient if weight.grad is None else weight.grad + gradient
                stacked.grad = None


class _Product(torch.autograd.Function):
    """x wᵀ + b of each member, its gradients by the same products as a single dense layer's, to the bit."""

    @staticmethod
    def forward(ctx: "torch.autograd.function.FunctionCtx", x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Multiply x (members, batch, inputs) by weight (members, outputs, inputs), and add bias (members, outputs)."""
        ctx.save_for_backward(x, weight)
        turned = weight.transpose(1, 2)
        return x.bmm(turned) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, turned)

    @staticmethod
    def backward(ctx: "torch.autograd.function.FunctionCtx", *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Lay the gradient of the weight out in memory as the weight is, which fused optimisers rely on."""
        (gradient,) = gradients
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        of_x = gradient.bmm(weight) if ctx.needs_input_grad[0] else None  # type: ignore[attr-defined]
        of_bias = gradient.sum(1) if ctx.needs_input_grad[2] else None  # type: ignore[attr-defined]
        return of_x, gradient.transpose(1, 2).bmm(x), of_bias


def _flat(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a network one after the other; what is no Sequential is one layer."""
    if isinstance(network, nn.Sequential):
        for layer in network:
            yield from _flat(layer)
    else:
        yield network


def layer_of(layers: Sequence[nn.Module]) -> StackedLayer:
    """Return a layer of each member as one."""
    kinds = {type(layer) for layer in layers}
    match layers[0]:
        case _ if len(kinds) > 1:
            return StackedLayer(layers)
        case nn.Linear() if layers[0].out_features > 1 and layers[0].weight.requires_grad:
            return _Dense(layers)  # type: ignore[arg-type]
        case nn.Flatten(start_dim=1):
            return _Flatten(layers)
        case Dropout():
            return _Dropout(layers)
        case first if isinstance(first, ALIKE):
            return _Alike(layers)
    return StackedLayer(layers)


def _stacked(weights: Sequence[Tensor]) -> Tensor:
    """Return the weights of all members as one tensor to be trained, of which each member's becomes a view."""
    stacked = torch.stack([weight.detach() for weight in weights])
    for weight, place in zip(weights, stacked.unbind(0), strict=True):
        weight.data = place
    return stacked.requires_grad_()
