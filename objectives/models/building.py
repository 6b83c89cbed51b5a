"""A network from a configuration and the shape of its data, with its initial weights."""

import torch
from torch import nn

from winnow.objectives import registry
from winnow.objectives.compatibility import Shape, check_model
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.imported_models import ImportedModel
from winnow.objectives.models.initialisation import initialise
from winnow.objectives.randomness import generator


def build(config: Config, shape: Shape, outputs: int, device: torch.device | str = "cpu") -> nn.Module:
    """Build the model for examples of `shape`; its initial weights are drawn from the config's seed, or read.

    It takes (batch, *shape) and returns (batch, outputs): logits, or the predicted number. On device "meta" nothing
    is allocated or drawn. Raises ObjectiveError where the architecture does not fit the shape.
    """
    architecture = registry.model.chosen(config)
    if isinstance(architecture, ImportedModel):  # tried as it is built
        draws = generator(config.seed, "initialisation")
        return architecture.build(shape, outputs, config.initialisation, draws).to(device)
    check_model(config, shape, outputs)
    with torch.device("meta"):
        model: nn.Module = architecture(shape, outputs)
    if torch.device(device).type == "meta":
        return model
    # On the CPU: the same seed gives the same weights on every device. As `to_empty`, which would import sympy.
    empty = {name: torch.empty(part.shape, dtype=part.dtype) for name, part in model.state_dict().items()}
    model.load_state_dict(empty, assign=True)
    initialise(model, config.initialisation, generator(config.seed, "initialisation"))
    if hasattr(architecture, "load_weights"):
        architecture.load_weights(model)
    return model.to(device).to(memory_format=torch.channels_last)
