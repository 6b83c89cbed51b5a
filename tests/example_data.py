"""What tests ask of data."""

import torch

from winnow.objectives.data.loading import Split


def inputs_of(split: Split) -> torch.Tensor:
    """The inputs of a split that lies in memory, as all do but those too large for it."""
    assert isinstance(split.inputs, torch.Tensor)
    return split.inputs
