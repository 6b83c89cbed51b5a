"""The shapes of examples as a network sees them, and the refusal of those that it cannot take."""

from collections.abc import Sequence

from winnow.objectives.errors import ObjectiveError

Shape = tuple[int, ...]
"""Of one example: (channels, height, width), or (features,)."""


def need_images(shape: Shape) -> None:
    """Raise ObjectiveError where examples of `shape` are no images."""
    if len(shape) != 3:
        raise ObjectiveError(f"this model needs images, and this data has {shape[0]} features", 'take model = "mlp"')


def pooled(
    shape: Shape,
    filters: Sequence[int],
    pool_every: int,
    pool_size: int,
    convolution: tuple[int, int, int] | None = None,
    alone: bool = False,
) -> Shape:
    """Return what convolutions and poolings make of an image (channels, height, width).

    `convolution` is kernel, stride and padding; None keeps the size of an image. `alone` says that one image is
    normalised by itself. Raises ObjectiveError where nothing is left, or a single value would be normalised.
    """
    sides = list(shape[1:])
    for number in range(1, len(filters) + 1):
        if convolution:
            kernel, stride, padding = convolution
            sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
        if alone and max(sides) == 1:
            raise nothing_to_normalise("convolutions whose output is one pixel")
        if number % pool_every == 0 and min(sides) > 0:
            sides = [side // pool_size for side in sides]
        if min(sides) < 1:
            raise ObjectiveError(
                f"images of {shape[1]}x{shape[2]} are too small for the convolutions and poolings of this model: "
                f"nothing is left after {number} of {len(filters)}",
                "take fewer or smaller ones, or larger images",
            )
    return (filters[-1], *sides)


def nothing_to_normalise(layers: str) -> ObjectiveError:
    """Return the refusal of batches of one example."""
    return ObjectiveError(
        f"batch_size = 1 gives batch normalisation of {layers} a single value, which has no spread",
        "choose batch_size = 2 or more, or batch_norm = false",
    )
