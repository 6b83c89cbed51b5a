"""Image files of every depth, orientation and format become the bytes that a person would see."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from winnow.objectives.data import image_files, image_folder, loading, sources
from winnow.objectives.data.catalog import DataSpec, Levels
from winnow.objectives.errors import DataError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
ROTATE_270 = 6
"""EXIF's orientation of a picture taken with the camera held upright."""


def data_set(folder: Path, *images: tuple[str, Image.Image], **options: Any) -> Path:
    """Two classes of the same images."""
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        for file, image in images:
            image.save(folder / name / file, **options)
    return folder


BY_DEFAULT = Levels()


def pixels(folder: Path, levels: Levels = BY_DEFAULT, size: int = 8) -> np.ndarray:
    """The first image, uint8 (size, size) of its first channel."""
    listing = image_folder.list_images(folder)
    return image_files.decode(listing, size, skip_broken=False, levels=levels)[0][0, 0]


@pytest.mark.parametrize(
    ("file", "image", "levels"),
    [
        ("a.tif", Image.fromarray((RAMP * 255).astype(np.int32)), Levels(white=255)),
        ("a.tif", Image.fromarray((RAMP * 255_000).astype(np.int32)), Levels(white=255_000)),
        ("a.tif", Image.fromarray(RAMP.astype(np.float32)), Levels(white=1)),
        ("a.tiff", Image.fromarray((RAMP * 2 - 1).astype(np.float32)), Levels(black=-1, white=1)),
        ("a.png", Image.fromarray((RAMP * 65_535).astype(np.uint16)), Levels()),
        ("a.png", Image.fromarray((RAMP * 4_095).astype(np.uint16)), Levels(white=4_095)),
        ("a.pgm", Image.fromarray((RAMP * 65_535).astype(np.uint16)), Levels()),
        ("a.jp2", Image.fromarray((RAMP * 65_535).astype(np.uint16)), Levels()),
        ("a.pfm", Image.fromarray(RAMP.astype(np.float32)), Levels(white=1)),
    ],
)
def test_deep_images_keep_their_shades(tmp_path: Path, file: str, image: Image.Image, levels: Levels) -> None:
    shown = pixels(data_set(tmp_path, (file, image)), levels)
    assert np.abs(shown.astype(float) - RAMP * 255).max() < 1.01


@pytest.mark.parametrize("values", [RAMP * 255, RAMP * 255_000, RAMP * 20 - 10])
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_deep_images_of_unknown_range_are_refused_by_name(tmp_path: Path, values: np.ndarray, kind: type) -> None:
    image = Image.fromarray(values.astype(kind))
    folder = data_set(tmp_path, *((f"{name}.tif", image) for name in "abcd"))
    with pytest.raises(DataError, match=r"one/a\.tif holds .* values, from .* to .*; set data.black and data.white"):
        pixels(folder)
    with pytest.raises(DataError, match=r"one/a\.tif holds"):
        sources.count(DataSpec("image_folder", path=str(folder), validation=2))


def test_values_that_are_no_numbers_are_a_broken_file(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[0, 0] = np.nan
    with pytest.raises(DataError, match=r"a\.tif is no image that can be read .*no numbers"):
        pixels(data_set(tmp_path, ("a.tif", Image.fromarray(values))), Levels(white=1))


def test_fewer_bits_than_sixteen_are_said_with_the_key_to_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "winnow"):
        pixels(data_set(tmp_path, ("a.png", Image.fromarray((RAMP * 4_095).astype(np.uint16)))))
    assert "reach only 4095 of 65535: set data.white = 4095" in caplog.text


@pytest.mark.parametrize("file", ["a.jpg", "a.JPEG", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_stands_as_the_camera_was_held(tmp_path: Path, file: str, mode: str) -> None:
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = ROTATE_270
    held = Image.fromarray(np.rot90(upright)).convert(mode)  # turned back by a quarter to the right
    shown = pixels(data_set(tmp_path, (file, held), exif=exif), size=16)
    assert (shown[:7] > 200).all()
    assert (shown[9:] < 50).all()


def test_a_deep_picture_is_turned_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = ROTATE_270
    held = Image.fromarray((np.rot90(RAMP) * 65_535).astype(np.uint16))
    shown = pixels(data_set(tmp_path, ("a.png", held), exif=exif))
    assert np.abs(shown.astype(float) - RAMP * 255).max() < 1.01


@pytest.mark.parametrize("file", ["a.tga", "a.jfif", "a.jp2", "a.avif", "a.pcx", "a.qoi", "a.dds", "a.sgi", "a.ICO"])
def test_every_format_that_pillow_decodes_counts(tmp_path: Path, file: str) -> None:
    folder = data_set(tmp_path, ("a.png", Image.new("RGB", (8, 8), "red")))
    if file.endswith("jfif"):
        Image.new("RGB", (8, 8), "red").save(folder / "one" / file, format="jpeg")
    else:
        Image.new("RGB", (16, 16), "red").save(folder / "one" / file)
    listing = image_folder.list_images(folder)
    assert len(listing.files) == 3
    images = image_files.decode(listing, 4, skip_broken=False, levels=Levels())[0]
    assert (images[:, 0] > 240).all()
    assert (images[:, 1:] < 15).all()


def test_copies_across_parts_are_said_with_their_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    generator = np.random.default_rng(0)
    for part in ("train", "valid", "test"):
        for name in ("one", "two"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(4):
                noise = generator.integers(0, 256, (9, 9, 3)).astype(np.uint8)
                Image.fromarray(noise).save(tmp_path / part / name / f"{number}.png")
    copied = Image.open(tmp_path / "train" / "two" / "1.png")
    copied.save(tmp_path / "valid" / "two" / "copy.bmp")
    copied.save(tmp_path / "test" / "one" / "copy.tif")
    spec = DataSpec("image_folder", path=str(tmp_path), size=4)
    with caplog.at_level(logging.WARNING, "winnow"):
        loading.load.__wrapped__(spec)
    assert "1 of the 9 validation images are in the train data too" in caplog.text
    assert "train/two/1.png = valid/two/copy.bmp" in caplog.text
    assert "test" not in caplog.text, "a search opens no test image"
    with caplog.at_level(logging.WARNING, "winnow"):
        loading.load_test(spec)
    assert "1 of the 9 test images are in the train data too" in caplog.text
    assert "train/two/1.png = test/one/copy.tif" in caplog.text


def test_copies_within_one_folder_are_said_where_the_split_parts_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    folder = data_set(tmp_path, *((f"{number}.png", Image.fromarray(noise)) for number in range(10)))
    with caplog.at_level(logging.WARNING, "winnow"):
        loading.load.__wrapped__(DataSpec("image_folder", path=str(folder), size=4, validation=4))
    assert "4 of the 4 validation images are in the train data too" in caplog.text
    assert "4 of the 4 test images are in the train data too" in caplog.text
