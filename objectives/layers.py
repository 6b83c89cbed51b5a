"""The layers that PyTorch has not as we need them: dropout that draws from the trial's own generator, and fast."""

import torch
from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU}


class Dropout(nn.Module):
    """Dropout (Srivastava et al., 2014) whose mask costs an eighth of the random numbers.

    Each 64-bit draw is read as eight mask bytes, so p is taken to the nearest 1/256. What is kept is scaled by the
    inverse of the share that is truly kept: the expectation is unbiased at the p that was taken.
    In training it needs a `generator`, on the device of its input; see `use_generator`.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = round(p * 256)
        self.generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape in, the same shape out."""
        if not self.training or self.dropped == 0:
            return x
        draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        draws.random_(-(2**63), None, generator=self.generator)
        # The mask lies in memory as x does (channels_last too): each is read once, from front to back.
        mask = draws.view(torch.uint8).as_strided(x.shape, torch.empty_like(x).stride())
        return x * (mask >= self.dropped).to(x.dtype).mul_(256 / (256 - self.dropped))

    def extra_repr(self) -> str:
        """Shown where the model is printed."""
        return f"p={self.dropped / 256:g}"


def use_generator(model: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout layer of `model` draw from `generator`."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
