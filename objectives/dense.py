"""Dense layers: the whole of an MLP, and the end of every convolutional network."""

from collections.abc import Iterator, Sequence

from torch import nn

from objectives.layers import Dropout


def dense_layers(
    inputs: int, widths: Sequence[int], outputs: int, *, batch_norm: bool, dropout: float
) -> Iterator[nn.Module]:
    """(Linear → [BatchNorm] → ReLU → Dropout) for each width, then a Linear to `outputs`; no bias before BatchNorm."""
    for width in widths:
        yield nn.Linear(inputs, width, bias=not batch_norm)
        if batch_norm:
            yield nn.BatchNorm1d(width)
        yield nn.ReLU()
        yield Dropout(dropout)
        inputs = width
    yield nn.Linear(inputs, outputs)
