"""The random layers of a network: dropout in three kinds, drawing from the trial's own generator, and fast."""

import math

import torch
from torch import nn

# The devices whose `random_` fills 64 bits; MPS has 32.
DRAW_64_BITS = ("cpu", "cuda")


class RandomModule(nn.Module):
    """What draws in training from its `generator`, on the device of its input; see `use_generator`."""

    generator: torch.Generator | None = None


class RandomLayer(RandomModule):
    """A layer that drops a share p of its input in training, and in evaluation returns it as it is."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape that the layer takes in, the same shape out."""
        return self.drop(x) if self.training and self.p else x

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        """Return what training does to `x`."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Shown where the model is printed."""
        return f"p={self.p:g}"


class Dropout(RandomLayer):
    """Dropout (Srivastava et al., 2014) of single values, whose mask costs an eighth of the random numbers.

    Each 64-bit draw is read as eight mask bytes, so p is taken to the nearest 1/256. What is kept is scaled by the
    inverse of the share that is truly kept: the expectation is unbiased at the p that was taken.
    """

    def __init__(self, p: float) -> None:
        self.dropped_bytes = round(p * 256)
        super().__init__(self.dropped_bytes / 256)

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        """Drop single values, of any shape."""
        draws = whole_numbers(x.numel(), torch.uint8, x.device, self.generator)
        # The mask lies in memory as x does (channels_last too): each is read once, from front to back.
        mask = draws.as_strided(x.shape, torch.empty_like(x).stride())
        # 1 where a byte is at least dropped_bytes, else 0: in bytes, which is twice as fast as a comparison.
        mask.clamp_(self.dropped_bytes - 1, self.dropped_bytes).sub_(self.dropped_bytes - 1)
        return x * mask.to(x.dtype).mul_(1 / (1 - self.p))


class DropPath(RandomLayer):
    """Stochastic depth (Huang et al., 2016): whole examples of what is added to a shortcut are dropped."""

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        """Drop whole examples of (batch, ...)."""
        draws = torch.rand(len(x), *(1,) * (x.dim() - 1), device=x.device, generator=self.generator)
        return x * (draws >= self.p).to(x.dtype).div_(1 - self.p)


class Dropout2d(RandomLayer):
    """Dropout of whole channels of an image (Tompson et al., 2015)."""

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        """Drop whole channels of (batch, channels, height, width)."""
        draws = torch.rand(*x.shape[:2], 1, 1, device=x.device, generator=self.generator)
        return x * (draws >= self.p).to(x.dtype).div_(1 - self.p)


class DropBlock(RandomLayer):
    """DropBlock (Ghiasi et al., 2018, algorithm 1): dropout of squares, in each channel of each image its own.

    The squares lie whole inside the image; one that is larger than the image is cut to it. What is kept is scaled
    by the inverse of the share that was kept in the batch. Each 64-bit draw is read as four places, so the chance
    that a square begins at a place is taken to the nearest 1/65536.
    """

    def __init__(self, p: float, size: int) -> None:
        super().__init__(p)
        self.size = size

    def drop(self, x: torch.Tensor) -> torch.Tensor:
        """Drop squares of (batch, channels, height, width)."""
        height, width = x.shape[2:]
        tall, wide = min(self.size, height), min(self.size, width)
        rows, columns = height - tall + 1, width - wide + 1
        # Each place starts a square with such a chance that about a share p of the image is covered (equation 1).
        chance = self.p * height * width / (tall * wide * rows * columns)
        # Masks lie in memory as x does, channels last where its are, and `down` and `across` are their axes.
        last = x.is_contiguous(memory_format=torch.channels_last)
        down, across = (1, 2) if last else (2, 3)
        starts = self._places((len(x), rows, columns, x.shape[1]) if last else (*x.shape[:2], rows, columns), chance, x)
        gone = _spread(_spread(starts, across, wide), down, tall)
        kept = gone.logical_not_().to(x.dtype)
        scale = kept.numel() / kept.sum(dtype=torch.float32).clamp_(min=1)
        kept = kept.mul_(scale)
        return x * (kept.permute(0, 3, 1, 2) if last else kept)

    def _places(self, shape: tuple[int, ...], chance: float, x: torch.Tensor) -> torch.Tensor:
        """Return bools of `shape`, on the device of `x`, each true with `chance`."""
        draws = whole_numbers(math.prod(shape), torch.int16, x.device, self.generator)
        of_65536 = min(max(round(chance * 65536), 1), 65536)
        return (draws <= of_65536 - 32769).view(shape)


def whole_numbers(
    count: int, dtype: torch.dtype, device: torch.device, generator: torch.Generator | None
) -> torch.Tensor:
    """Draw whole numbers of `dtype` (`count`,), each value alike: eight bytes a draw where the device draws 64 bits."""
    info = torch.iinfo(dtype)
    if device.type not in DRAW_64_BITS:
        draws = torch.rand(count, device=device, generator=generator).mul_(2**info.bits).floor_().add_(info.min)
        return draws.to(torch.int32).to(dtype)
    draws = torch.empty(-(-count * info.bits // 64), dtype=torch.int64, device=device)
    return draws.random_(-(2**63), None, generator=generator).view(dtype)[:count]


def _spread(places: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Return a mask that is True from each true place on for `size` places along `axis`, which grows by `size` - 1."""
    shape = list(places.shape)
    shape[axis] += size - 1
    spread = torch.zeros(shape, dtype=torch.bool, device=places.device)
    for shift in range(size):
        spread.narrow(axis, shift, places.shape[axis]).bitwise_or_(places)
    return spread


def generators_of(model: nn.Module) -> set[torch.Generator]:
    """Return what `model` draws from."""
    return {module.generator for module in model.modules() if isinstance(module, RandomModule) and module.generator}


def use_generator(model: nn.Module, generator: torch.Generator) -> None:
    """Let whatever is random in `model` draw from `generator`; its own parts are its own matter."""
    if isinstance(model, RandomModule):
        model.generator = generator
        return
    for part in model.children():
        use_generator(part, generator)
