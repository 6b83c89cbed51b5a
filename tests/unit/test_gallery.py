"""The picture of what augmentation does: one row a choice, sixteen images a row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from example_data import inputs_of
from winnow.objectives.augmentation import gallery
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import DataError
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.space import Choice, Range, Space


def test_the_picture_has_a_row_a_choice_and_begins_with_the_images_as_they_are(tmp_path: Path) -> None:
    gallery.write(DataSpec("digits"), tmp_path / "digits.png", make_config())
    sheet = np.asarray(Image.open(tmp_path / "digits.png").convert("L"))
    tile, gap = 64, 4
    left, top = sheet.shape[1] - 16 * (tile + gap) - gap, gap
    assert sheet.shape[0] == (tile + gap) * len(list(gallery.choices(make_config(), 1))) + gap
    assert (sheet[:, left - gap : left] == 255).all(), "no label reaches into the images"
    first = inputs_of(loading.load(DataSpec("digits")).train)[:16, 0].numpy()
    for column in range(16):
        shown = sheet[top : top + tile : 8, left + column * (tile + gap) :][:, :tile:8]
        assert np.array_equal(shown, first[column])


def test_each_class_has_a_row_of_its_images(tmp_path: Path) -> None:
    data = DataSpec("digits", train=200, validation=100)
    gallery.write_classes(data, tmp_path / "classes.png")
    sheet = np.asarray(Image.open(tmp_path / "classes.png").convert("L"))
    tile, gap = 64, 4
    assert sheet.shape[0] == 10 * (tile + gap) + gap
    train = loading.load(data).train
    left = sheet.shape[1] - 16 * (tile + gap) - gap
    for label in (0, 9):
        images = inputs_of(train)[train.targets == label][:16, 0].numpy()
        top = gap + label * (tile + gap)
        for column in (0, 15):
            shown = sheet[top : top + tile : 8, left + column * (tile + gap) :][:, :tile:8]
            assert np.array_equal(shown, images[column])


def test_every_choice_changes_the_images_and_the_last_is_the_configuration() -> None:
    config = make_config(crop=True, flip=True)
    labels = [label for label, _ in gallery.choices(config, 3)]
    assert len(labels) == len(set(labels)) == 18
    assert list(gallery.choices(config, 3))[-1][1] == config
    digits = loading.load(DataSpec("digits"))
    plain, *others = (gallery.pixels(Augmentation(choice, digits), digits) for _, choice in gallery.choices(config, 1))
    assert all(not np.array_equal(plain, other) for other in others)


def test_a_study_is_shown_at_the_most_that_it_draws() -> None:
    space: Space = {
        "crop": Choice((False, True)),
        "crop_padding": Range(1, 2, whole=True, when={"crop": (True,)}),
        "rotation_degrees": Choice((30.0, 10.0)),
        "lr": Range(1e-4, 1e-1, log=True),
    }
    found = gallery.strongest(space, {"rotation": True, "epochs": 10})
    assert found == make_config(crop=True, crop_padding=2, rotation=True, rotation_degrees=30.0)


def test_data_without_images_have_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two_moons has no images to show"):
        gallery.write(DataSpec("two_moons"), tmp_path / "moons.png", make_config())
