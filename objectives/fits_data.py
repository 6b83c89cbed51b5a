"""Whether a configuration fits its data: arithmetic without torch, so that `winnow check` knows before any trial."""

from winnow.objectives.errors import HyperparameterError, ObjectiveError
from winnow.objectives.hyperparameters import Config

Shape = tuple[int, ...]
"""Of one example: (channels, height, width), or (features,)."""

DECIDING = (
    *("model", "widths", "filters", "depth", "hidden", "kernel", "stride", "padding", "pool_every", "pool_size"),
    *("dropout", "dropouts", "label_smoothing", "batch_size", "batch_norm", "crop", "crop_padding", "crop_size"),
)
"""The hyperparameters that `check` looks at."""


def check(config: Config, name: str, shape: Shape, classes: int, examples: int) -> None:
    """Raise ObjectiveError where `config` cannot be trained on so many examples of the data set `name`.

    `shape` is that of an example as it is read; `classes` is 0 for a regression.
    """
    if config.batch_size > examples:
        raise ObjectiveError(
            f"batch_size = {config.batch_size} is more than the {examples} training examples of {name!r}",
            f"choose at most {examples}",
        )
    if config.label_smoothing and not classes:
        raise ObjectiveError(
            f"label_smoothing = {config.label_smoothing} needs classes, and {name!r} is a regression",
            "leave label_smoothing at 0",
        )
    check_architecture(config, input_shape(config, shape))


def input_shape(config: Config, shape: Shape) -> Shape:
    """The shape of one input of the model; raises HyperparameterError on a crop that cannot be."""
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


def check_architecture(config: Config, shape: Shape) -> None:
    """Raise ObjectiveError where the config's model does not take inputs of `shape`, or does not go with itself."""
    if config.model != "mlp" and len(shape) != 3:
        raise ObjectiveError(
            f"model = {config.model!r} needs images, and this data has {shape[0]} features", 'take model = "mlp"'
        )
    if config.model == "resnet18" and shape[0] not in (1, 3):
        raise ObjectiveError(
            f"model = 'resnet18' takes images of 1 or 3 channels, and these have {shape[0]}", "take another model"
        )
    if config.model == "resnet" and config.kernel % 2 == 0:
        raise ObjectiveError(
            f"kernel = {config.kernel} cannot keep the size of an image, which a shortcut needs",
            "choose an odd kernel",
        )
    if config.model in ("cnn", "resnet", "smallnet"):
        feature_shape(config, shape)
    hidden = repeated(config, config.widths) if config.model == "mlp" else config.hidden
    free = config.model in ("mlp", "cnn", "resnet")  # the others' dense layers are what they are
    if free and hidden and config.batch_norm and config.batch_size == 1:
        raise _nothing_to_normalise("dense layers")
    if free and config.dropouts and (config.dropout or len(config.dropouts) != len(hidden)):
        raise ObjectiveError(
            f"dropouts = {list(config.dropouts)} does not go with {len(hidden)} hidden dense layers and "
            f"dropout = {config.dropout:g}",
            "give one p for each of these layers and leave dropout at 0",
        )


def feature_shape(config: Config, shape: Shape) -> Shape:
    """What the convolutions and poolings of a cnn, resnet or SmallNet make of an image (channels, height, width).

    Raises ObjectiveError where they leave nothing of it.
    """
    sides = list(shape[1:])
    if config.model == "smallnet":
        filters, pool_every, pool_size = list(SMALLNET_FILTERS), 1, 2
    else:
        filters, pool_every, pool_size = repeated(config, config.filters), config.pool_every, config.pool_size
    for number in range(1, len(filters) + 1):
        if config.model == "cnn":  # the others' convolutions keep the size of an image
            sides = [(side + 2 * config.padding - config.kernel) // config.stride + 1 for side in sides]
        if config.batch_size == 1 and max(sides) == 1 and (config.batch_norm or config.model != "cnn"):
            raise _nothing_to_normalise("convolutions whose output is one pixel")
        if number % pool_every == 0 and min(sides) > 0:
            sides = [side // pool_size for side in sides]
        if min(sides) < 1:
            raise ObjectiveError(
                f"images of {shape[1]}x{shape[2]} are too small for the convolutions and poolings of "
                f"model = {config.model!r}: nothing is left after {number} of {len(filters)}",
                "take fewer or smaller ones, or larger images",
            )
    return (filters[-1], *sides)


def _nothing_to_normalise(layers: str) -> ObjectiveError:
    return ObjectiveError(
        f"batch_size = 1 gives batch normalisation of {layers} a single value, which has no spread",
        "choose batch_size = 2 or more, or batch_norm = false",
    )


SMALLNET_FILTERS = (32, 64, 128)


def repeated(config: Config, widths: tuple[int, ...]) -> list[int]:
    """Each width `depth` times, one after the other."""
    return [width for width in widths for _ in range(config.depth)]
