"""torchvision's ResNet-18 with a new last layer, its first parts frozen, its weights from a file."""

import logging
from typing import Any

import torch
from torch import nn

from winnow.objectives.models.imported_network import fill
from winnow.objectives.models.weights_file import refuse_another

log = logging.getLogger("winnow")


class PretrainedResNet18(nn.Module):
    """ResNet-18 (He et al., 2016) for images of 3 channels, or of 1, which is repeated.

    The first `frozen` of its five parts keep their weights, and their BatchNorm the statistics that it has.
    """

    def __init__(self, outputs: int, frozen: int) -> None:
        super().__init__()
        from torchvision.models import resnet18

        self.network: nn.Module = resnet18(num_classes=outputs)
        network: Any = self.network
        stem = nn.Sequential(network.conv1, network.bn1)
        parts = (stem, network.layer1, network.layer2, network.layer3, network.layer4)
        self._frozen = parts[:frozen]  # a tuple: registered a second time they would be saved twice
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainedResNet18":
        """Behave as every module's, but what is frozen stays as in evaluation."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 3 or 1, height, width) in, (batch, outputs) out."""
        return self.network(x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]


def load_weights(model: nn.Module, weights: str, sha256: str) -> None:
    """Fill all but the last layer from the file `weights`, a state_dict as torchvision saves it, or as safetensors.

    Without a file the initial weights stay, and a warning says so. Raises ObjectiveError where the file cannot be
    read, is of another network or has another SHA-256 than the one that is known.
    """
    if not weights:
        log.warning("ResNet-18 starts from random weights: no file is named by `weights`")
        return
    refuse_another(weights, sha256)
    assert isinstance(model, PretrainedResNet18)
    fill("ResNet-18", model.network, weights)
