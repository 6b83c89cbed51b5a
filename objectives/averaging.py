"""Averages of the weights along a training, by torch: what is judged and kept in place of the weights themselves."""

import math

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from winnow.objectives.hyperparameters import Config


class Average:
    """An exponential moving average at each step, or the plain mean of epochs (Izmailov et al., 2018).

    The statistics of norms are averaged like the weights.
    """

    def __init__(self, config: Config, model: nn.Module) -> None:
        """`model` is new and draws from no generator yet: it is copied."""
        self._begins = math.floor(config.swa_from * config.epochs) if not config.ema_decay else 0
        self._each_step = config.ema_decay > 0
        average = get_ema_multi_avg_fn(config.ema_decay) if self._each_step else None  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self._model = model

    def after_step(self) -> None:
        """Take in the weights as they are."""
        if self._each_step:
            self._averaged.update_parameters(self._model)

    def after_epoch(self, number: int) -> None:
        """Take in the weights of epoch `number`, counted from 1."""
        if not self._each_step and number > self._begins:
            self._averaged.update_parameters(self._model)

    @property
    def network(self) -> nn.Module:
        """What is judged and kept: the average, once there is one."""
        return self._averaged.module if self._averaged.n_averaged else self._model

    def state(self) -> dict[str, torch.Tensor]:
        """Return what it holds."""
        return self._averaged.state_dict()

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Take what `state` gave."""
        self._averaged.load_state_dict(state)


def average_of(config: Config, model: nn.Module) -> Average | None:
    """Return the average that `config` asks for, if any."""
    return Average(config, model) if config.ema_decay or config.swa_from < 1 else None
