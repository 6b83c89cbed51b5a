"""Images in folders: whatever their size, colours and format, and in one sentence what is wrong with them."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from example_data import inputs_of
from winnow.objectives.data import image_files, image_folder, loading, overview, sources, splits
from winnow.objectives.data.catalog import DataSpec, Levels
from winnow.objectives.errors import DataError

SHADES = {"cat": 40, "dog": 120, "wild": 200}


def fill(folder: Path, count: int = 10) -> Path:
    """Three classes of flat images, each class its own shade, in formats and sizes of all kinds."""
    kinds: list[Callable[[int], Image.Image]] = [
        lambda shade: Image.new("RGB", (9, 7), (shade, shade, shade)),
        lambda shade: Image.new("L", (4, 4), shade),
        lambda shade: Image.new("RGBA", (5, 11), (shade, shade, shade, 255)),
        lambda shade: Image.fromarray(np.full((6, 6), shade * 257, np.uint16)),
        lambda shade: Image.new("RGB", (8, 8), (shade, shade, shade)).quantize(4),
    ]
    for name, shade in SHADES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            kinds[number % len(kinds)](shade).save(folder / name / f"{number:03}.png")
    return folder


def spec(folder: Path, **changes: object) -> DataSpec:
    return DataSpec("image_folder", path=str(folder), size=6, **changes)  # type: ignore[arg-type]


def test_images_of_all_kinds_become_rgb_squares(tmp_path: Path) -> None:
    animals = loading.load(spec(fill(tmp_path), validation=3))
    assert (animals.classes, animals.shape) == (3, (3, 6, 6))
    for split, each in ((animals.train, 7), (animals.validation, 1)):
        assert split.targets.bincount().tolist() == [each] * 3
        shades = torch.tensor(list(SHADES.values()))[split.targets].view(-1, 1, 1, 1)
        assert torch.equal(inputs_of(split), shades.to(torch.uint8).expand_as(inputs_of(split)))


def test_the_middle_square_is_kept_and_transparent_pixels_are_black(tmp_path: Path) -> None:
    wide = np.zeros((4, 8, 4), np.uint8)
    wide[:, 2:6] = [255, 0, 0, 255]
    wide[0, :] = [0, 255, 0, 0]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.fromarray(wide).save(tmp_path / name / "image.png")
    images, labels, _, _ = image_files.decode(image_folder.list_images(tmp_path), 4, skip_broken=False, levels=Levels())
    assert labels.tolist() == [0, 1]
    assert (images[:, 0, 1:] == 255).all()
    assert not images[:, 1:].any()
    assert not images[:, :, 0].any()


def test_subfolders_train_val_and_test_are_used_as_they_stand(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("val", 2), ("test", 3)):
        fill(tmp_path / part, count)
    animals = loading.load(spec(tmp_path))
    assert [len(animals.train.targets), len(animals.validation.targets)] == [18, 6]
    assert len(loading.load_test(spec(tmp_path)).targets) == 9
    assert len(loading.load(spec(tmp_path, train=12)).train.targets) == 12


def test_without_a_test_folder_a_fifth_is_held_out_by_no_seed_of_the_spec(tmp_path: Path) -> None:
    fill(tmp_path)
    first, second = (loading.load_test(spec(tmp_path, seed=seed, validation=3)) for seed in (0, 1))
    assert len(first.targets) == 6
    assert torch.equal(inputs_of(first), inputs_of(second))


def test_a_changed_folder_is_decoded_again(tmp_path: Path) -> None:
    before = loading.load.__wrapped__(spec(fill(tmp_path), validation=3))
    for number in range(5):
        Image.new("RGB", (6, 6), "white").save(tmp_path / "cat" / f"more{number}.png")
    after = loading.load.__wrapped__(spec(tmp_path, validation=3))
    assert before.fingerprint != after.fingerprint


def test_a_broken_file_is_refused_or_skipped_with_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torn = fill(tmp_path) / "dog" / "003.png"
    torn.write_bytes(torn.read_bytes()[:40])
    with pytest.raises(DataError, match=r"dog/003\.png is no image that can be read") as raised:
        loading.load(spec(tmp_path, validation=3))
    assert raised.value.remedy.startswith('delete it or set data.broken = "skip" (')
    with caplog.at_level(logging.WARNING, "winnow"):
        animals = loading.load(spec(tmp_path, broken="skip", validation=3))
    assert "dog/003.png" in caplog.text
    assert len(animals.train.targets) + 3 == 29 - 6


def make_class(folder: Path, name: str, files: dict[str, bytes]) -> None:
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / file).write_bytes(content)


def test_folders_that_cannot_be_learned_from_are_refused_before_any_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no subfolder"):
        sources.count(spec(tmp_path))
    make_class(tmp_path, "cat", {"a.png": b"", "b.jpg": b""})
    with pytest.raises(DataError, match="has only one class, cat"):
        sources.count(spec(tmp_path))
    make_class(tmp_path, "dog", {"notes.txt": b"", ".hidden.png": b""})
    with pytest.raises(
        DataError, match=r"the class dog in .* has no image; notes\.txt in it is no image by its name"
    ) as no:
        sources.count(spec(tmp_path))
    assert 'name it "mydata:load" instead' in str(no.value)
    make_class(tmp_path / "cells", "images", {"1.png": b""})
    make_class(tmp_path / "cells", "masks", {"1.png": b""})
    with pytest.raises(DataError, match="holds images and masks, as for a segmentation"):
        sources.count(spec(tmp_path / "cells"))


def test_parts_with_other_classes_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    make_class(tmp_path / "test", "cat", {"a.png": b""})
    make_class(tmp_path / "test", "cow", {"a.png": b""})
    with pytest.raises(DataError, match="test has the classes cat, cow, not cat, dog, wild"):
        sources.count(spec(tmp_path))


def test_a_folder_without_a_readable_image_says_so(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        make_class(tmp_path, name, {f"{number}.png": b"no image" for number in range(20)})
    with pytest.raises(DataError, match=r"the class cat in .* has no image that can be read"):
        loading.load(spec(tmp_path, broken="skip"))


@pytest.mark.parametrize(
    "names", [("Train", "valid", "Test"), ("training", "validation", "testing"), ("TRAIN", "dev", "TEST")]
)
def test_parts_are_known_by_their_usual_names(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, count in zip(names, (6, 2, 3), strict=True):
        fill(tmp_path / name, count)
    animals = loading.load.__wrapped__(spec(tmp_path))
    assert [len(animals.train.targets), len(animals.validation.targets)] == [18, 6]
    assert len(loading.load_test(spec(tmp_path)).targets) == 9


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    for part in ("train", "val", "valid"):
        fill(tmp_path / part, 6)
    with pytest.raises(DataError, match="has both val and valid for validation data"):
        sources.count(spec(tmp_path))


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    for name in ("train", "bus", "test"):
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.new("RGB", (4, 4), "red").save(tmp_path / name / f"{number}.png")
    assert image_folder.list_images(tmp_path).classes == ("bus", "test", "train")
    assert image_folder.parts(tmp_path) == {"train": tmp_path}


def test_each_file_counts_once_whatever_links_lead_to_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "animals")
    elsewhere = fill(tmp_path / "more", 2)
    (folder / "cat" / "self").symlink_to(folder / "cat")
    (folder / "dog" / "up").symlink_to(tmp_path)
    (folder / "dog" / "cats").symlink_to(folder / "cat")
    (folder / "wild" / "again.png").symlink_to(folder / "wild" / "000.png")
    (folder / "wild" / "cat.png").symlink_to(folder / "cat" / "000.png")
    assert len(image_folder.list_images(folder).files) == 30
    (folder / "wild" / "linked").symlink_to(elsewhere / "wild")
    (folder / "wild" / "linked again").symlink_to(elsewhere / "wild")
    (folder / "fox").symlink_to(elsewhere / "dog")
    listing = image_folder.list_images(folder)
    assert listing.classes == ("cat", "dog", "fox", "wild")
    assert len(listing.files) == 34
    assert {path.name for path, why in listing.skipped if why == "a link into the data itself"} >= {
        "self",
        "up",
        "cats",
    }


def test_links_across_train_and_test_count_where_they_lead(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    (tmp_path / "train" / "cat" / "all").symlink_to(tmp_path / "test" / "cat")
    assert len(image_folder.list_part(tmp_path, "train").files) == 30


def test_a_link_to_nowhere_is_named_before_a_study_exists_or_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (fill(tmp_path) / "dog" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"dog/lost\.png is no image that can be read \(a link that leads nowhere\)"):
        sources.count(spec(tmp_path))
    seen = overview.of_folder(spec(tmp_path, broken="skip", validation=3))
    assert seen.train + seen.validation + seen.test == 30
    assert seen.skipped == ((tmp_path / "dog" / "lost.png", "a link that leads nowhere"),)
    with caplog.at_level(logging.WARNING, "winnow"):
        loading.load.__wrapped__(spec(tmp_path, broken="skip", validation=3))
    assert "skipped" in caplog.text
    assert "lost.png" in caplog.text


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX", ".git/objects", "deep/.thumbnails"])
def test_what_a_tool_left_in_a_class_is_not_counted(tmp_path: Path, hidden: str) -> None:
    folder = fill(tmp_path)
    (folder / "cat" / hidden).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "cat" / hidden / "x.png")
    Image.new("RGB", (4, 4)).save(folder / "cat" / "._000.png")
    assert len(image_folder.list_images(folder).files) == 30


def test_a_class_without_a_training_example_is_refused_by_name(tmp_path: Path) -> None:
    for name, count in (("a", 20), ("b", 20), ("z", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{number}.png")
    without_z = [seed for seed in range(12) if 2 not in _trained(tmp_path, seed)]
    assert 0 < len(without_z) < 12
    for seed in without_z:
        with pytest.raises(DataError, match="no example of the class z is left to train on"):
            sources.count(spec(tmp_path, seed=seed, validation=6))
        with pytest.raises(DataError, match="no example of the class z is left to train on"):
            loading.load.__wrapped__(spec(tmp_path, seed=seed, validation=6))
    with_z = next(seed for seed in range(12) if seed not in without_z)
    assert loading.load.__wrapped__(spec(tmp_path, seed=with_z, validation=6)).classes == 3


def _trained(folder: Path, seed: int) -> set[int]:
    """The labels that a split leaves to train on."""
    labels = np.array(image_folder.list_images(folder).labels)
    search, _ = splits.held_out(labels)
    chosen, _ = splits.train_and_validation(labels[search], seed, len(search) - 6, 6)
    return set(labels[search][chosen].tolist())


def test_an_overview_tells_classes_sizes_and_what_was_left_aside(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    (folder / "dog" / "notes.txt").write_text("woof")
    found = overview.of_folder(spec(folder, validation=3))
    assert [(each.name, each.train, each.validation, each.test) for each in found.classes] == [
        ("cat", 7, 1, 2),
        ("dog", 7, 1, 2),
        ("wild", 7, 1, 2),
    ]
    assert (found.smallest, found.largest) == ((4, 4), (9, 7))
    assert found.skipped == ((folder / "dog" / "notes.txt", "no image by its name (.txt)"),)
    loaded = loading.load.__wrapped__(spec(folder, validation=3))
    assert (len(loaded.train.targets), len(loaded.validation.targets)) == (found.train, found.validation)
