"""The configuration of one training: what `train` takes.

The hyperparameters of all trainings are fields here; those of an augmentation, a model, an optimiser or a schedule
are the thing's own (winnow.objectives.registry). From their annotations come the spec's check, the documentation and
the methods of an ablation. The defaults are the baseline: nothing regularised, nothing augmented.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from winnow.objectives.definition import Definition, Hyperparameter, Value, definitions_of
from winnow.objectives.errors import HyperparameterError
from winnow.objectives.registry import DEFINITIONS as DEFINITIONS
from winnow.objectives.registry import model, resolve


@dataclass(frozen=True)
class Config:
    """One training, said in full. Made by `make_config`; every hyperparameter is an attribute."""

    # --- what is chosen of what is registered
    model: str = "mlp"
    optimizer: str = "adam"
    schedule: str = "constant"
    own: Mapping[str, Value] = dataclasses.field(default_factory=dict, hash=False)
    """The hyperparameters of models, optimisers, schedules and augmentations, chosen or not."""

    # --- model
    initialisation: Annotated[
        str,
        Hyperparameter(
            "initial weights: PyTorch's own, He's for ReLU, Glorot's for tanh, or orthogonal",
            choices=("pytorch", "he", "glorot", "orthogonal"),
            stacks=True,
        ),
    ] = "pytorch"

    # --- inputs
    normalisation: Annotated[
        str,
        Hyperparameter(
            "of inputs: to mean 0 and deviation 1 of the training data, by 2x - 1 (images: -1 to 1), or none (0 to 1)",
            choices=("standard", "symmetric", "none"),
        ),
    ] = "standard"

    # --- optimisation
    lr: Annotated[
        float, Hyperparameter("learning rate; of one_cycle its peak", low=0, method="learning rate", stacks=True)
    ] = 1e-3
    batch_size: Annotated[
        int, Hyperparameter("examples a step", unit="examples", low=1, method="batch size", decides_fit=True)
    ] = 128
    accumulate: Annotated[
        int,
        Hyperparameter(
            "batches whose gradients are averaged for one step",
            unit="batches",
            low=1,
            method="gradient accumulation",
            stacks=True,
        ),
    ] = 1
    warmup_epochs: Annotated[
        float,
        Hyperparameter(
            "epochs over which the learning rate rises to where its schedule begins",
            unit="epochs",
            low=0,
            method="warm-up",
            stacks=True,
        ),
    ] = 0.0
    layer_decay: Annotated[
        float,
        Hyperparameter(
            "learning rate of each part of the network as a multiple of that of the next, the last at the full one",
            low=0,
            high=1,
            method="layer-wise learning rate",
            stacks=True,
        ),
    ] = 1.0
    epochs: Annotated[
        int, Hyperparameter("epochs at most, each `passes` passes over the training data", low=1, stacks=True)
    ] = 10
    passes: Annotated[
        int,
        Hyperparameter("passes over the training data in an epoch: many where it is a handful", low=1, method="epochs"),
    ] = 1
    clip_norm: Annotated[
        float,
        Hyperparameter(
            "longest gradient that is not shortened; 0: any", low=0, method="gradient clipping", stacks=True
        ),
    ] = 0.0
    precision: Annotated[
        str,
        Hyperparameter("numbers of the forward pass; bf16 is faster on some devices only", choices=("fp32", "bf16")),
    ] = "fp32"
    compile: Annotated[
        str,
        Hyperparameter(
            "torch.compile of the network, or an imported one's steps as CUDA graphs; passed over on a CPU",
            choices=("none", "default", "graphs"),
            method="compilation",
        ),
    ] = "none"

    # --- regularisation
    weight_decay: Annotated[
        float,
        Hyperparameter(
            "weight decay (added to the gradient, decoupled in AdamW)", low=0, method="weight decay", stacks=True
        ),
    ] = 0.0
    decay_norms_and_biases: Annotated[
        bool,
        Hyperparameter("weight decay of norms and biases, not of weights alone", method="weight decay", stacks=True),
    ] = True
    l1: Annotated[
        float,
        Hyperparameter("penalty on the weights' absolute values, l1 Σ|w|", low=0, method="L1 penalty", stacks=True),
    ] = 0.0
    l2: Annotated[
        float, Hyperparameter("penalty on the weights' squares, l2 Σw²", low=0, method="L2 penalty", stacks=True)
    ] = 0.0
    label_smoothing: Annotated[
        float, Hyperparameter("label smoothing", low=0, high=1, method="label smoothing", decides_fit=True, stacks=True)
    ] = 0.0
    class_weights: Annotated[
        str,
        Hyperparameter(
            "weight of a class in the loss: all alike, or the inverse of its share of the training data, or its root",
            choices=("none", "balanced", "sqrt"),
            method="class balance",
            decides_fit=True,
            stacks=True,
        ),
    ] = "none"
    balanced_sampling: Annotated[
        bool,
        Hyperparameter(
            "an epoch draws its examples with replacement, each class as often",
            method="class balance",
            decides_fit=True,
            stacks=True,
        ),
    ] = False
    focal_gamma: Annotated[
        float,
        Hyperparameter(
            "focal loss: examples weigh (1 - p)^this, p the probability of their label",
            low=0,
            method="focal loss",
            decides_fit=True,
            stacks=True,
        ),
    ] = 0.0
    ema_decay: Annotated[
        float,
        Hyperparameter(
            "exponential moving average of the weights, which is what is judged: share of the old at a step; 0: none",
            low=0,
            high=1,
            method="weight averaging",
            stacks=True,
        ),
    ] = 0.0
    swa_from: Annotated[
        float,
        Hyperparameter(
            "stochastic weight averaging: share of the epochs after which each one's weights are averaged; 1: never",
            low=0,
            high=1,
            method="weight averaging",
            decides_fit=True,
            stacks=True,
        ),
    ] = 1.0
    patience: Annotated[
        int,
        Hyperparameter(
            "epochs without a better validation score before training stops and the best weights return; 0: never",
            unit="epochs",
            low=0,
            method="early stopping",
            stacks=True,
        ),
    ] = 0

    # --- what it is judged by
    metric: Annotated[
        str,
        Hyperparameter(
            "what the validation data is judged by, set by `metric` of the spec; empty: accuracy or the loss"
        ),
    ] = ""

    # --- the trial's own randomness
    seed: Annotated[
        int, Hyperparameter("seed of initialisation, data order, augmentation and dropout", low=0, stacks=True)
    ] = 0

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("own", ()):
            return self.own[name]
        if name in DEFINITIONS:
            return DEFINITIONS[name].default
        raise AttributeError(name)


_CORE = {field.name for field in dataclasses.fields(Config)}
DEFINITIONS.update({each.name: each for each in definitions_of(Config)})


def shape_of(config: Config) -> tuple[Value, ...]:
    """Return all that configurations must have alike to be trained as one stack."""
    return tuple(getattr(config, name) for name, each in DEFINITIONS.items() if not each.stacks)


def definition(name: str) -> Definition:
    """Return the definition of one hyperparameter; raises HyperparameterError, naming the nearest, without one."""
    if name not in DEFINITIONS:
        near = difflib.get_close_matches(name, DEFINITIONS, n=1)
        raise HyperparameterError(
            f"there is no hyperparameter {name!r}",
            f"did you mean {near[0]!r}?" if near else "docs/hyperparameters.md lists all",
        )
    return DEFINITIONS[name]


def make_config(values: Mapping[str, Any] = {}, /, **more: Any) -> Config:
    """Make a checked Config of plain values (lists for tuples, as in TOML and JSON); raises HyperparameterError."""
    given = {**values, **more}
    resolve(given)
    checked: dict[str, Any] = {name: definition(name).check(value) for name, value in given.items()}
    chosen = checked.get("model", Config.model)
    defaults = model.defaults(chosen)
    own = {
        name: checked.pop(name, defaults.get(name, each.default))
        for name, each in DEFINITIONS.items()
        if name not in _CORE and (name in given or not model.is_anothers(name, chosen))
    }
    return Config(**checked, own=own)


def change(config: Config, **values: Any) -> Config:
    """Make the Config that differs from `config` in `values`; raises HyperparameterError."""
    return make_config({**config_values(config), **values})


def config_values(config: Config) -> dict[str, Any]:
    """Return the config as JSON has it: lists for tuples. `make_config` takes it back."""
    values = {name: getattr(config, name) for name in DEFINITIONS if name in _CORE or name in config.own}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
