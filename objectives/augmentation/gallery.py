"""Pictures of the data: sixteen images of each class, and what each choice of augmentation does to sixteen of them."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from winnow.objectives import registry
from winnow.objectives.augmentation import color
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data import loading, sources
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data
from winnow.objectives.errors import DataError
from winnow.objectives.hyperparameters import Config, change, make_config
from winnow.objectives.methods import method_of
from winnow.objectives.randomness import Generators
from winnow.objectives.space import Range, Space, hyperparameter

if TYPE_CHECKING:
    from PIL import ImageFont

IMAGES = 16
BUILT_IN = (
    *("crop", "flip", "vertical_flip", "rotation", "affine", "color_jitter", "erasing", "mixup", "cutmix"),
    *("trivial_augment", "rand_augment"),
)

_TILE, _GAP = 64, 4


def strongest(space: Space, fixed: Mapping[str, Any]) -> Config:
    """Return all augmentation that a study searches or fixes, switched on at the most that it may draw."""
    most = {name: value for name, value in fixed.items() if method_of(name) == "augmentation"}
    for parameter, entry in space.items():
        if method_of(name := hyperparameter(parameter)) == "augmentation":
            value = entry.nearest(entry.high) if isinstance(entry, Range) else max(entry.choices)
            most[name] = max(value, most.get(name, value))
    return make_config(most)


def write(spec: DataSpec, path: str | Path, config: Config) -> None:
    """Write a PNG with a row for the images as they are, one for each choice, and one for what `config` trains on.

    Strengths and probabilities are those of `config`; choices whose strength it sets to 0 are shown at a moderate
    one. Raises DataError where the data are no images.
    """
    loaded = _with_images(spec)
    config = change(config, normalisation="standard")
    rows = choices(config, loaded.shape[0])
    _sheet([(label, pixels(Augmentation(choice, loaded), loaded)) for label, choice in rows], path)


def write_classes(spec: DataSpec, path: str | Path) -> None:
    """Write a PNG with a row for each class: its name, how many train and validate, and sixteen of its images.

    Those whose labels were shuffled stand where they are trained. Raises DataError where the data are no images.
    """
    loaded = _with_images(spec)
    train, validation = loaded.train.targets, loaded.validation.targets
    rows = []
    for label, name in enumerate(sources.class_names(spec)):
        images = loaded.train.inputs.index_select(0, (train == label).nonzero().flatten()[:IMAGES])
        counts = f"{int((train == label).sum()):,} train, {int((validation == label).sum()):,} validate"
        rows.append((f"{name}: {counts}", images.cpu().expand(-1, 3, -1, -1)))
    _sheet(rows, path)


def _with_images(spec: DataSpec) -> Data:
    loaded = loading.load(spec)
    if len(loaded.shape) != 3:
        raise DataError(f"{spec.name} has no images to show", "choose a data set of images")
    return loaded


def _sheet(rows: Sequence[tuple[str, torch.Tensor]], path: str | Path) -> None:
    """Write labelled rows of images uint8 (N, 3, H, W) as one PNG."""
    from PIL import Image, ImageDraw

    # Whole multiples of a pixel, so that small images stay sharp.
    largest = [max(picture.shape[axis] for _, picture in rows) for axis in (2, 3)]
    enlarged = max(1, _TILE // max(rows[0][1].shape[2:]))
    height, width = (enlarged * side + _GAP for side in largest)
    font, labels = _lettered([label for label, _ in rows])
    left = 4 * _GAP + int(max(map(font.getlength, labels)))
    sheet = Image.new("RGB", (left + IMAGES * width + _GAP, len(rows) * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, (_, picture)) in enumerate(zip(labels, rows, strict=True)):
        top = _GAP + row * height
        draw.text((2 * _GAP, top + (height - _GAP) // 2), label, "black", font, anchor="lm")
        for column, image in enumerate(picture):
            tile = Image.fromarray(image.permute(1, 2, 0).numpy())
            tile = tile.resize((tile.width * enlarged, tile.height * enlarged), Image.Resampling.NEAREST)
            sheet.paste(tile, (left + column * width, top))
    sheet.save(path, "PNG")


def _lettered(labels: Sequence[str]) -> "tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, list[str]]":
    """Return a font and the labels in letters that it has: Pillow's own knows those of ASCII alone."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype("DejaVuSans.ttf", 13), list(labels)
    except OSError:  # this machine has no such font
        plain = [unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode() for label in labels]
        return ImageFont.load_default(14), plain


def choices(config: Config, channels: int) -> Iterator[tuple[str, Config]]:
    """Yield each choice for images of so many channels: its label, and a configuration with that alone switched on.

    The first has nothing switched on; the last, where `config` switches anything on, is `config`.
    """
    off: dict[str, Any] = dict.fromkeys(registry.augmentation, False)
    plain = change(config, **off)
    still = change(plain, affine=True, translation=0.0, zoom=0.0, shear=0.0)
    pale = change(plain, color_jitter=True, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    translation, zoom, shear = config.translation or 0.1, config.zoom or 0.1, config.shear or 10.0
    brightness, contrast = config.brightness or 0.2, config.contrast or 0.2
    saturation, hue = config.saturation or 0.2, config.hue or 0.05
    yield "as they are", plain
    yield f"crop, padding {config.crop_padding}", change(plain, crop=True)
    yield f"flip, p {config.flip_p:g}", change(plain, flip=True)
    yield f"vertical flip, p {config.vertical_flip_p:g}", change(plain, vertical_flip=True)
    yield f"rotation, {config.rotation_degrees:g} degrees", change(plain, rotation=True)
    yield f"affine: translation, {translation:g}", change(still, translation=translation)
    yield f"affine: zoom, {zoom:g}", change(still, zoom=zoom)
    yield f"affine: shear, {shear:g} degrees", change(still, shear=shear)
    yield f"color jitter: brightness, {brightness:g}", change(pale, brightness=brightness)
    yield f"color jitter: contrast, {contrast:g}", change(pale, contrast=contrast)
    if channels == 3:
        yield f"color jitter: saturation, {saturation:g}", change(pale, saturation=saturation)
        yield f"color jitter: hue, {hue:g} turns", change(pale, hue=hue)
    yield f"erasing, p {config.erasing_p:g}", change(plain, erasing=True)
    yield f"mixup, alpha {config.mixup_alpha:g}", change(plain, mixup=True)
    yield f"cutmix, alpha {config.cutmix_alpha:g}", change(plain, cutmix=True)
    yield "trivial augment", change(plain, trivial_augment=True)
    yield (
        f"rand augment, {config.rand_operations} of magnitude {config.rand_magnitude}",
        change(plain, rand_augment=True),
    )
    for name in registry.augmentation:
        if name not in BUILT_IN:
            yield name, change(plain, **{name: True})
    if registry.augmentation.switched_on(config):
        yield "all that is switched on", config


def pixels(augmentation: Augmentation, loaded: Data) -> torch.Tensor:
    """Return the first images of the training split, augmented; uint8 (16, 3, H, W)."""
    index = torch.arange(min(IMAGES, len(loaded.train.targets)))
    generators = Generators.from_seed(0, torch.device("cpu"), registry.augmentation).augmentation
    batch = augmentation.batch(index, generators)
    if augmentation.mixes:
        batch = augmentation.mix(batch, generators)[0]
    batch = batch * loaded.std.view(-1, 1, 1) + loaded.mean.view(-1, 1, 1)
    return (batch * color.WHITE).round().clamp(0, color.WHITE).to(torch.uint8).expand(-1, 3, -1, -1)
