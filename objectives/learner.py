"""What learns in a training: model, optimiser, average and generators, at their start or where a snapshot left them."""

import functools
from typing import Any

import torch
from torch import nn

from winnow.objectives import compatibility, registry
from winnow.objectives.augmentation.batches import Augmentation, warn
from winnow.objectives.averaging import average_of
from winnow.objectives.data.loading import Data
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.divergence import guessing_loss
from winnow.objectives.evaluation import class_weights_of
from winnow.objectives.hyperparameters import Config, config_values
from winnow.objectives.metrics import named
from winnow.objectives.models.building import build
from winnow.objectives.models.compiled import compile_for
from winnow.objectives.models.layers import use_generator
from winnow.objectives.optimisation import Descent, numbers_of_groups, restore_state
from winnow.objectives.randomness import Generators
from winnow.objectives.snapshots import Snapshot, check_origin, on_cpu
from winnow.objectives.steps import Member, Tally
from winnow.records import Epoch


class Learner:
    """All that changes from step to step, and the curve so far: what a snapshot holds."""

    def __init__(self, config: Config, data: Data, ranks: Ranks = ALONE) -> None:
        """Draw the initial weights; raises ObjectiveError."""
        self.config = config
        self.data = data
        self.ranks = ranks
        self.curve: list[Epoch] = []
        self.best_weights: dict[str, torch.Tensor] = {}
        """Those of the best epoch so far, where `patience` watches for it."""
        self.generators = Generators.from_seed(config.seed, data.device, registry.augmentation.switched_on(config))
        warn(config, data)
        self.augmentation = Augmentation(config, data)
        self.model = build(config, compatibility.input_shape(config, data.shape), data.classes or 1, data.device)
        self.average = average_of(config, self.model)
        use_generator(self.model, self.generators.dropout)
        compile_for(self.model, config, data.device)
        self.descent = Descent(config, self.model)
        self.optimizer = self.descent.optimizer
        self.schedule = registry.schedule.chosen(config)
        self.metric = named(config.metric) if config.metric else None
        self.guessing = guessing_loss(data, config)
        self.tally = Tally(data.device)
        self.member = Member(
            config,
            data,
            ranks.network(self.model),
            self.augmentation,
            self.generators.augmentation,
            class_weights_of(config, data),
            ranks,
        )

    @property
    def judged(self) -> nn.Module:
        """What is judged and kept: the average of the weights, where there is one."""
        return self.average.network if self.average else self.model

    def snapshot(self) -> Snapshot:
        """Return everything from which this training goes on."""
        return {
            "config": self._values,
            "data": self.data.fingerprint,
            "curve": [dict(vars(epoch)) for epoch in self.curve],
            "model": on_cpu(self.model.state_dict()),
            "best": on_cpu(self.best_weights),
            "optimizer": on_cpu(self.optimizer.state_dict()["state"]),
            "groups": numbers_of_groups(self.optimizer),
            "generators": self.generators.state(),
            **({"average": on_cpu(self.average.state())} if self.average else {}),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot; raises SnapshotError where it is of another training."""
        check_origin(snapshot, self._values, self.data.fingerprint)
        self.curve = [Epoch(**epoch) for epoch in snapshot["curve"]]
        self.model.load_state_dict(snapshot["model"])
        self.best_weights = {name: weight.to(self.data.device) for name, weight in snapshot["best"].items()}
        restore_state(self.optimizer, on_cpu(snapshot["optimizer"]), snapshot.get("groups", ()))
        self.generators.restore(snapshot["generators"])
        if self.average:
            self.average.restore(snapshot["average"])

    @functools.cached_property
    def _values(self) -> dict[str, Any]:
        return config_values(self.config)
