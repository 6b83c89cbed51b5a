"""`winnow new` and what `winnow check` foresees: a spec that fits the data, and numbers that follow from it."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from winnow.errors import SpecError, StudyError
from winnow.objectives.errors import DataError
from winnow.search.api import first_spec, forecast
from winnow.search.report.terminal import data_overview
from winnow.search.study import validation
from winnow.search.study.spec import SearchEntry

SHAPES = """
name = "s"
[data]
name = "digits"
train = 200
validation = 60
[fixed]
model = "cnn"
epochs = 27
[search]
lr = { low = 1e-3, high = 1e-1, log = true }
flip = { choices = [false, true] }
[pruner]
name = "asha"
min_resource = 3
audit = 0.1
[budget]
trials = 4
"""
AGES = 1e6
"""Minutes: on any machine the best of all plans has time."""


def fill(folder: Path, classes: tuple[str, ...], side: int, grey: bool) -> Path:
    draw = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = draw.integers(0, 255, (side, side + number, 3), np.uint8)
            picture = Image.fromarray(pixels)
            (picture.convert("L") if grey else picture).save(folder / name / f"{number}.png")
    return folder


def test_photographs_get_a_network_of_their_size_and_every_augmentation(tmp_path: Path) -> None:
    folder = fill(tmp_path / "My pets", ("cat", "dog"), 50, grey=False)
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    seen, ahead = first_spec.write(str(folder), tmp_path / "pets.toml", AGES)
    spec = validation.read(tmp_path / "pets.toml")
    assert (spec.name, spec.data_spec.size, spec.fixed["model"]) == ("My-pets", 48, "cnn")
    assert {"crop", "flip", "color_jitter", "batch_norm", "lr"} <= set(spec.search)
    padding = spec.search["crop_padding"]
    assert isinstance(padding, SearchEntry)
    assert padding.high == 6
    assert spec.pruner.audit == 0.1
    assert seen.copies == 1
    text = (tmp_path / "pets.toml").read_text()
    assert "61 colour images of 2 classes (30 to 31 a class), 1 file of them copies of others" in text
    assert ahead is not None
    assert (ahead.shape, ahead.outputs, ahead.train + ahead.validation) == ((3, 48, 48), 2, seen.data.train + 10)
    assert any("10 validation images tell no difference below about 32%" in doubt for doubt in ahead.doubts)
    with pytest.raises(StudyError, match=r"pets\.toml is there already"):
        first_spec.write(str(folder), tmp_path / "pets.toml")


@pytest.mark.parametrize(("kept", "batch"), [(5, 2), (15, 8), (30, 16)])
def test_a_small_folder_gets_batches_that_it_fills(kept: int, batch: int, tmp_path: Path) -> None:
    folder = fill(tmp_path / "few", ("cat", "dog"), 16, grey=True)
    for picture in folder.glob("*/*.png"):
        if int(picture.stem) >= kept:
            picture.unlink()
    first_spec.write(str(folder), tmp_path / "few.toml", AGES)
    assert validation.read(tmp_path / "few.toml").fixed["batch_size"] == batch


def test_characters_are_not_mirrored_and_grey_images_get_no_colours(tmp_path: Path) -> None:
    folder = fill(tmp_path / "letters", ("A", "B", "q"), 20, grey=True)
    first_spec.write(str(folder), tmp_path / "letters.toml", AGES)
    spec = validation.read(tmp_path / "letters.toml")
    assert "crop" in spec.search
    assert not {"flip", "color_jitter"} & set(spec.search)
    assert spec.data_spec.size == 20, "no image is enlarged"


def test_images_without_a_model_are_refused_where_they_are_ones_own_and_doubted_where_not(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pets", ("cat", "dog"), 20, grey=False)
    without = SHAPES.replace('model = "cnn"\n', "batch_size = 16\n")
    digits = 'name = "digits"\ntrain = 200\nvalidation = 60\n'
    own = without.replace(digits, f'name = "image_folder"\npath = "{folder}"\n')
    with pytest.raises(SpecError, match=f"model: no model is named, and .*; winnow new {folder} writes a spec"):
        validation.parse(own, "s.toml")
    validation.parse(own.replace("[fixed]\n", '[fixed]\nmodel = "cnn"\n'), "s.toml")
    validation.check(tomllib.loads(own), "s.toml", stored=True)
    images, labels = np.zeros((90, 16, 16), np.uint8), np.arange(90) % 3
    np.savez(tmp_path / "x.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    npz = without.replace(digits, f'name = "npz"\npath = "{tmp_path / "x.npz"}"\n')
    ahead = forecast.look_ahead(validation.parse(npz, "s.toml"))
    assert ahead is not None
    assert "so it is an MLP" in " ".join(ahead.doubts)


@pytest.mark.parametrize("name", ["digits", "two_moons", "regression_1d"])
def test_a_named_data_set_gets_a_spec_that_can_be_run(name: str, tmp_path: Path) -> None:
    _, ahead = first_spec.write(name, tmp_path / "s.toml", AGES)
    spec = validation.read(tmp_path / "s.toml")
    assert spec.data_spec.name == name
    assert ahead is not None
    assert ahead.seconds is not None
    assert 0 < ahead.seconds[0] < ahead.seconds[1]


def test_data_of_ones_own_gets_a_spec_whatever_its_form_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 12, 12), np.uint8)
    labels = np.arange(60) % 2
    monkeypatch.chdir(tmp_path)
    np.savez(Path("Käfer 😀.npz"), x=images, y=labels)
    Path("images_of_many_sizes.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    return {'train': [(np.zeros((1, 20 + place % 3, 24), np.uint8), place % 2) for place in range(60)]}\n"
    )
    for source, name, called, shape in (
        ("Käfer 😀.npz", "npz", "Kafer", (1, 12, 12)),
        ("images_of_many_sizes:load", "images_of_many_sizes:load", "images_of_many_sizes-load", (1, 64, 64)),
    ):
        _, ahead = first_spec.write(source, file := tmp_path / f"{called}.toml", AGES)
        spec = validation.read(file)
        assert (spec.name, spec.data_spec.name) == (called, name)
        assert spec.data_spec.path == (source if name == "npz" else None)
        assert ahead is not None
        assert ahead.shape == shape
        assert not any("hyperparameter" in sentence for sentence in ahead.sentences), "trials are those of the file"
    with pytest.raises(StudyError, match="name a folder of images, an npz file"):
        first_spec.write("npz", tmp_path / "s.toml")


def test_a_spec_written_for_tiny_images_is_not_doubted_for_what_it_never_draws(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first_spec.write("digits", tmp_path / "s.toml", AGES)
    assert "crop_padding" not in caplog.text


def test_where_time_is_short_trainings_are_made_shorter_and_the_spec_holds_the_search_to_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pets", ("cat", "dog"), 50, grey=False)
    _, plenty = first_spec.write(str(folder), tmp_path / "plenty.toml", AGES)
    _, ahead = first_spec.write(str(folder), tmp_path / "short.toml", 1e-6)
    at_ease, hurried = (validation.read(tmp_path / f"{name}.toml") for name in ("plenty", "short"))
    assert (at_ease.data_spec.size, at_ease.fixed["epochs"], at_ease.storage_budget.trials) == (48, 30, 60)
    assert (hurried.data_spec.size, hurried.fixed["epochs"], hurried.storage_budget.trials) == (32, 10, 20)
    assert plenty is not None
    assert ahead is not None
    hours = hurried.storage_budget.device_hours or 0
    assert ahead.seconds is not None
    assert hours * 3600 >= 1.5 * ahead.workers * ahead.seconds[0], "room for what was not foreseen"
    assert ahead.confirmation_seconds == 40 * ahead.training_seconds / ahead.workers
    assert "winnow confirm after it about" in " ".join(ahead.sentences)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("digit", "did you mean digits"),
        ("flower", "did you mean flowers"),
        ("c_animal_100", r"did you mean the ready study c_animals_100\? It has its spec: winnow run c_animals_100"),
        ("nowhere", "name a folder of images"),
        ("labels.csv", 'labels.csv is no file that Winnow reads by itself; write load.* name it "mydata:load"'),
    ],
)
def test_what_is_neither_a_folder_nor_a_data_set_is_refused(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=says):
        first_spec.write(source, tmp_path / "s.toml")
    assert not (tmp_path / "s.toml").exists()


def test_the_forecast_reckons_with_the_rungs_and_says_what_is_doubtful() -> None:
    asked = '[sampler]\nname = "random"\n[[question]]\nasks = "Flip?"\nkind = "compare"\nof = "flip"\n'
    spec = validation.parse(SHAPES + asked, "s.toml")
    # Rungs after 3 and 9 epochs: all train 3, a third 6 more, a ninth the last 18; a tenth finish all 27.
    assert forecast.trained_share(spec) == pytest.approx(0.1 + 0.9 * (3 + 6 / 3 + 18 / 9) / 27)
    ahead = forecast.look_ahead(spec)
    assert ahead is not None
    assert (ahead.parameters, ahead.train, ahead.validation, ahead.epochs) == (6_090, 200, 60, 27)
    low, high = ahead.seconds or (0, 0)
    assert low / high == pytest.approx(forecast.trained_share(spec))
    told = " ".join(ahead.sentences)
    assert "60 validation images tell no difference below about 13%" in told
    assert "4 trials are few for 2 searched hyperparameters" in told
    assert "flip mirrors the characters of digits" in told
    assert "a [[question]] compares values, which trials that a pruner stopped do not allow" in told


def test_deep_grey_images_get_a_spec_once_it_is_said_what_is_white(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.random((16, 16), np.float32)
            Image.fromarray(pixels).save(tmp_path / "scans" / name / f"{number}.tiff")
    source, file = str(tmp_path / "scans"), tmp_path / "s.toml"
    with pytest.raises(DataError, match="winnow new --black 0 --white "):
        first_spec.write(source, file)
    assert not file.exists()
    first_spec.write(source, file, AGES, white=1.0)
    assert validation.read(file).data_spec.white == 1.0


def test_a_folder_with_a_broken_image_gets_a_spec_once_it_may_be_left_out(tmp_path: Path) -> None:
    folder, file = fill(tmp_path / "pets", ("cat", "dog"), 16, grey=True), tmp_path / "s.toml"
    (folder / "cat" / "0.png").write_bytes(b"torn")
    with pytest.raises(DataError, match="winnow new --broken skip"):
        first_spec.write(str(folder), file, AGES)
    assert not file.exists()
    seen, _ = first_spec.write(str(folder), file, AGES, broken="skip")
    assert seen.images is not None
    assert any("what turns out to be no image is left out" in said for said in data_overview.sentences(seen.images))
    assert validation.read(file).data_spec.broken == "skip"
