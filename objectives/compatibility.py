"""Whether a configuration fits its data: arithmetic without torch, so that `winnow check` knows before any trial."""

from winnow.objectives import registry
from winnow.objectives.errors import HyperparameterError, ObjectiveError
from winnow.objectives.hyperparameters import Config

Shape = tuple[int, ...]
"""Of one example: (channels, height, width), or (features,)."""


def check(config: Config, name: str, shape: Shape, classes: int, examples: int, devices: int = 1) -> None:
    """Raise ObjectiveError where `config` cannot be trained on so many examples of the data set `name`.

    `shape` is that of an example as it is read; `classes` is 0 for a regression; so many `devices` share each batch.
    """
    if config.batch_size > examples:
        raise ObjectiveError(
            f"batch_size = {config.batch_size} is more than the {examples} training examples of {name!r}",
            f"set batch_size = {examples} or less",
        )
    if devices > 1 and config.batch_size < 2 * devices:  # BatchNorm cannot take a single example
        raise ObjectiveError(
            f"batch_size = {config.batch_size} leaves less than two examples to each of {devices} devices",
            f"choose {2 * devices} or more",
        )
    for key in ("label_smoothing", "class_weights", "balanced_sampling", "focal_gamma"):
        if (value := getattr(config, key)) not in (0.0, "none") and not classes:
            raise ObjectiveError(
                f"{key} = {str(value).lower()} needs classes, and {name!r} is a regression", f"leave {key} out"
            )
    if config.focal_gamma and (config.mixup or config.cutmix):
        raise ObjectiveError("focal_gamma goes by one label, and mixup and cutmix give two", "keep one of them")
    if config.ema_decay and config.swa_from < 1:
        raise ObjectiveError(
            f"ema_decay = {config.ema_decay:g} and swa_from = {config.swa_from:g} are two averages", "keep one of them"
        )
    check_model(config, input_shape(config, shape), classes or 1)


def check_model(config: Config, shape: Shape, outputs: int) -> None:
    """Raise ObjectiveError where the config's model does not take inputs of `shape`, or does not go with itself."""
    architecture = registry.model.chosen(config)
    if hasattr(architecture, "try_on"):
        architecture.try_on(shape, outputs)
    elif hasattr(architecture, "check"):
        architecture.check(shape, config.batch_size)


def input_shape(config: Config, shape: Shape) -> Shape:
    """Return the shape of one input of the model; raises HyperparameterError on a crop that cannot be."""
    if len(shape) != 3 or not (config.crop and config.crop_size):
        return shape
    largest = min(shape[1:]) + 2 * config.crop_padding
    if config.crop_size > largest:
        raise HyperparameterError(
            f"crop_size = {config.crop_size} is more than the {largest} pixels that crop_padding = "
            f"{config.crop_padding} makes of images of {shape[1]} x {shape[2]}",
            "lower crop_size or raise crop_padding",
        )
    return (shape[0], config.crop_size, config.crop_size)
