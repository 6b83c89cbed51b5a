"""Hyperparameters grouped into the methods that people name: what an ablation switches on and off as one."""

from collections.abc import Mapping, Sequence

from winnow.objectives.errors import HyperparameterError
from winnow.objectives.hyperparameters import definition

METHODS: Mapping[str, tuple[str, ...]] = {
    "architecture": (
        *("model", "widths", "filters", "depth", "hidden", "kernel", "stride", "padding"),
        *("pool_every", "pooling", "pool_size", "bottleneck"),
    ),
    "activation": ("activation",),
    "batch normalisation": ("batch_norm",),
    "initialisation": ("initialisation",),
    "trained weights": ("weights", "weights_sha256", "frozen"),
    "optimiser": ("optimizer", "momentum", "nesterov", "alpha", "beta1", "beta2", "eps"),
    "learning rate": ("lr",),
    "schedule": ("schedule", "schedule_factor", "schedule_epochs", "warmup"),
    "batch size": ("batch_size",),
    "epochs": ("epochs",),
    "gradient clipping": ("clip_norm",),
    "precision": ("precision",),
    "compilation": ("compile",),
    "weight decay": ("weight_decay", "decay_norms_and_biases"),
    "L1 penalty": ("l1",),
    "L2 penalty": ("l2",),
    "dropout": ("dropout", "dropouts", "dropout_position"),
    "convolutional dropout": ("conv_dropout", "conv_dropout_kind", "block_size"),
    "label smoothing": ("label_smoothing",),
    "early stopping": ("patience",),
    "augmentation": (
        *("crop", "crop_padding", "crop_size", "flip", "flip_p", "vertical_flip", "vertical_flip_p"),
        *("rotation", "rotation_degrees", "affine", "translation", "zoom", "shear"),
        *("color_jitter", "brightness", "contrast", "saturation", "hue", "erasing", "erasing_p", "erasing_area"),
    ),
}


def method_of(name: str, regrouped: Mapping[str, Sequence[str]] | None = None) -> str:
    """The method that hyperparameter `name` belongs to: of `regrouped` where it is named there, else of METHODS.

    A hyperparameter that no method holds is one of its own.
    """
    for groups in (regrouped or {}, METHODS):
        for method, members in groups.items():
            if name in members:
                return method
    return name


def check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """Raise HyperparameterError where a name is unknown, or stands in two groups."""
    seen: dict[str, str] = {}
    for method, members in groups.items():
        if not method or method == "seed":
            raise HyperparameterError(f"{method!r} is no name for a method", "give it another")
        for name in members:
            definition(name)
            if name in seen:
                raise HyperparameterError(f"{name} is in {seen[name]!r} and in {method!r}", "keep one of the two")
            seen[name] = method
