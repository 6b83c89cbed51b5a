"""Data of one's own trains in the built-in loop: functions, data sets saved on disk, npz, idx, and more than memory."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from winnow.errors import SpecError
from winnow.objectives import held_out
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data import own_parts, sources
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, load, load_test
from winnow.objectives.data.streaming import Streamed, fits
from winnow.objectives.errors import DataError
from winnow.objectives.evaluation import evaluate
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build
from winnow.objectives.training import train
from winnow.search.study import validation

MODULE = """
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

def images(count, seed, side=10):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = random.integers(0, 100, (count, side, side, 3), np.uint8)
    pixels[np.arange(count), :, :, labels] += 100
    return pixels, labels

def by_part(part):
    return images({"train": 120, "validation": 30, "test": 40}[part], len(part))

def all_of():
    return {"train": images(120, 5), "val": images(30, 10)}

class Pictures(Dataset):
    def __init__(self, count, kind):
        self.pixels, self.labels = images(count, count, 12)
        self.kind = kind

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, place):
        pixels = self.pixels[place]
        if self.kind == "tensor":
            return torch.from_numpy(pixels).permute(2, 0, 1) / 255, torch.tensor(self.labels[place])
        return Image.fromarray(pixels if self.kind == "image" else pixels[: 6 + place % 3]), int(self.labels[place])

def pictures(part):
    return Pictures({"train": 120, "validation": 30, "test": 40}[part], "image")

def tensors(part):
    return Pictures({"train": 120, "validation": 30, "test": 40}[part], "tensor")

def of_all_sizes(part):
    return Pictures(120, "sizes") if part == "train" else None

def features(part):
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 4))
    return (x, x.sum(1)) if part == "train" else None

pictures.class_names = ["red", "green", "blue"]

def strange(part):
    return "no data"

def failing(part):
    raise OSError("the disk is away")

def unlike(part):
    return images(30, 1, 10 if part == "train" else 8)

def unknown_label(part):
    pixels, labels = images(30, 1)
    return pixels, labels + (part == "validation")

def bright(part):
    pixels, labels = images(30, 1)
    return pixels * 10.0, labels

def unequal(part):
    pixels, labels = images(30, 1)
    return pixels, labels[:-1]

def leaving(part):
    raise SystemExit(3)

def odd(change):
    # As it should be, but for what `change` makes of inputs and labels.
    random = np.random.default_rng(0)
    x, y = random.random((120, 4), np.float32), np.arange(120) % 3
    return lambda part: change(x, y) if part == "train" else None

half = odd(lambda x, y: (torch.tensor(x).bfloat16().requires_grad_(), torch.tensor(y)))
sparse = odd(lambda x, y: (torch.tensor(x).to_sparse(), y))
two_bands = odd(lambda x, y: (np.repeat(x, 32).reshape(120, 8, 8, 2), y))
from_one = odd(lambda x, y: (x, y + 1))
identities = odd(lambda x, y: (x, y + 10**12))
alike = odd(lambda x, y: (x, y * 0))
with_gaps = odd(lambda x, y: (np.where(x > 0.9, np.nan, x), y))
too_large = odd(lambda x, y: (x.astype(float) * 1e300, y))
of_two_parts = odd(lambda x, y: (x + 1j, y))
words = odd(lambda x, y: (x.astype(str).astype(object) + "?", y))
ragged = odd(lambda x, y: ([[1.0], [1.0, 2.0]], [0, 1]))
dictionaries = odd(lambda x, y: [{"image": a, "label": b} for a, b in zip(x, y)])
triples = odd(lambda x, y: [(a, b, 0) for a, b in zip(x, y)])
one_hot = odd(lambda x, y: list(zip(x, np.eye(3)[y])))
objective = lambda trial: 1.0
in_words = odd(lambda x, y: (x, np.array(["cat", "dog", "cow"])[y]))
by_path = odd(lambda x, y: [("7.png", int(b)) for b in y])
of_several_labels = odd(lambda x, y: (x, np.eye(3)[y]))
torn = odd(lambda x, y: Torn(x, y))
empty_validation = lambda part: half("train") if part == "train" else (np.zeros((0, 4)), np.zeros(0, int))
other_targets = lambda part: half("train") if part == "train" else (np.zeros((9, 4)), np.zeros(9))

class Torn(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place], 1 // (place - 77) if place > 70 else self.y[place]
"""
M = "mydata_of_a_test:"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mydata_of_a_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINNOW_CACHE", str(tmp_path / "cache"))
    for kept in (load, own_parts.read, own_parts.describe, own_parts.has_test):
        kept.cache_clear()


def trained(data: Data, **values: Any) -> Any:
    config = make_config({"batch_size": 30, "epochs": 2, "lr": 0.01, **values})
    return train(config, data, lambda *_: None)


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_a_functions_arrays_are_trained_on_validated_on_and_held_out() -> None:
    spec = DataSpec(M + "by_part")
    data = load(spec)
    assert (data.shape, data.classes, data.task) == ((3, 10, 10), 3, "classification")
    assert [len(part.targets) for part in (data.train, data.validation, load_test(spec))] == [120, 30, 40]
    assert sources.count(spec) == (120, 30)
    assert trained(data).value > 0.5


def test_test_images_are_known_by_their_pixels_in_whatever_they_come(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 9), np.uint8)
    labels = np.arange(40) % 2
    for part, chosen in (("train", slice(0, 30)), ("test", slice(30, 40))):
        for place, image in enumerate(pixels[chosen]):
            folder = tmp_path / "images" / part / "ba"[labels[chosen][place]]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{place}.png")
    parts: dict[str, Any] = {
        "x_train": pixels[:30],
        "y_train": labels[:30],
        "x_test": pixels[30:],
        "y_test": labels[30:],
    }
    np.savez(tmp_path / "bytes.npz", **parts)
    np.savez(
        tmp_path / "shares.npz", **{**parts, "x_train": pixels[:30] / 255, "x_test": pixels[30:, :, :, None] / 255}
    )
    specs = [DataSpec("image_folder", path=f"{tmp_path}/images", size=size) for size in (8, 16)]
    specs += [DataSpec("npz", path=f"{tmp_path}/{name}.npz", seed=len(name)) for name in ("bytes", "shares")]
    first, *others = (held_out.examples(spec) for spec in specs)
    assert len(set(first)) == 10
    assert others == [first] * 3
    assert set(first).isdisjoint(held_out.examples(DataSpec(M + "by_part")))


def test_a_mapping_without_test_data_has_some_cut_off() -> None:
    spec = DataSpec(M + "all_of")
    assert sources.count(spec) == (96, 30)
    assert len(load(spec).train.targets) == 96
    assert len(load_test(spec).targets) == 24


def test_map_style_data_sets_give_the_same_images_whatever_they_hold() -> None:
    images, tensors = load(DataSpec(M + "pictures")), load(DataSpec(M + "tensors"))
    assert sources.class_names(DataSpec(M + "pictures")) == ("red", "green", "blue")
    assert isinstance(images.train.inputs, torch.Tensor)
    assert isinstance(tensors.train.inputs, torch.Tensor)
    assert torch.equal(images.train.inputs, tensors.train.inputs)
    assert images.fingerprint == tensors.fingerprint


@pytest.mark.parametrize(("name", "shape"), [("half", (4,)), ("sparse", (4,)), ("two_bands", (2, 8, 8))])
def test_tensors_of_any_kind_and_images_of_other_bands_are_read(name: str, shape: tuple[int, ...]) -> None:
    data = load(DataSpec(M + name))
    assert data.shape == shape
    assert data.classes == 3


@pytest.mark.parametrize("how", ["crop", "stretch", "pad"])
def test_images_of_all_sizes_become_one(how: str) -> None:
    data = load(DataSpec(M + "of_all_sizes", size=6, resize=how))
    assert data.shape == (3, 6, 6)
    assert isinstance(data.train.inputs, torch.Tensor)
    black = (data.train.inputs[:, :, 0] == 0).all()
    assert bool(black) is (how == "pad")


def test_a_regression_is_known_by_its_targets() -> None:
    data = load(DataSpec(M + "features"))
    assert (data.shape, data.classes, data.task) == ((4,), 0, "regression")
    assert trained(data).value > 0


def test_npz_files_are_read_by_the_usual_names(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    train = random.integers(0, 255, (60, 8, 8), np.uint8), (np.arange(60) % 3)[:, None].astype(np.uint8)
    np.savez(
        tmp_path / "medical.npz",
        train_images=train[0],
        train_labels=train[1],
        val_images=train[0][:9],
        val_labels=train[1][:9],
        test_images=train[0][9:20],
        test_labels=train[1][9:20],
    )
    np.savez(tmp_path / "keras.npz", X_train=train[0], y_train=train[1], x_test=train[0][:9], y_test=train[1][:9])
    data = load(DataSpec("npz", path="medical.npz"))
    assert (data.shape, data.classes, len(data.validation.targets)) == ((1, 8, 8), 3, 9)
    assert len(load_test(DataSpec("npz", path="medical.npz")).targets) == 11
    assert len(load(DataSpec("npz", path="keras.npz")).train.targets) == 54
    np.savez(tmp_path / "other.npz", pictures=train[0])
    with pytest.raises(DataError, match="holds pictures; name its arrays train_images"):
        sources.count(DataSpec("npz", path="other.npz"))
    (tmp_path / "torn.npz").write_bytes(b"PK no more")
    with pytest.raises(DataError, match="is no npz of plain arrays"):
        sources.count(DataSpec("npz", path="torn.npz"))


def test_idx_files_are_read_from_their_folder(tmp_path: Path) -> None:
    pixels, labels = np.arange(60 * 16, dtype=np.uint8).reshape(60, 4, 4), (np.arange(60) % 5).astype(np.uint8)
    for part, count in (("train", 60), ("t10k", 10)):
        for kind, array in (("images-idx3", pixels[:count]), ("labels-idx1", labels[:count])):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(int(extent).to_bytes(4, "big") for extent in array.shape)
            (tmp_path / f"letters-{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    spec = DataSpec("idx", path=str(tmp_path))
    assert (load(spec).classes, load(spec).shape, len(load_test(spec).targets)) == (5, (1, 4, 4), 10)


def test_a_hugging_face_data_set_on_disk_is_read_by_its_columns(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"picture": datasets.Image(), "animal": datasets.ClassLabel(names=["cat", "dog"])})

    def rows(count: int) -> dict[str, Any]:
        random = np.random.default_rng(count)
        pictures = [Image.fromarray(random.integers(0, 255, (9, 7, 3), np.uint8)) for _ in range(count)]
        return {"picture": pictures, "animal": [place % 2 for place in range(count)]}

    parts = {"train": rows(40), "test": rows(10)}
    saved = datasets.DatasetDict({name: datasets.Dataset.from_dict(part, features) for name, part in parts.items()})
    saved.save_to_disk(str(tmp_path / "animals"))
    spec = DataSpec("hugging_face", path="animals", image="picture", label="animal", size=8)
    assert (load(spec).shape, load(spec).classes, len(load_test(spec).targets)) == ((3, 8, 8), 2, 10)
    assert sources.class_names(spec) == ("cat", "dog")
    with pytest.raises(DataError, match="has no column 'image'"):
        sources.count(DataSpec("hugging_face", path="animals"))
    with pytest.raises(DataError, match="is no data set that datasets saved to disk"):
        sources.count(DataSpec("hugging_face", path="nowhere"))


AUGMENTED: dict[str, dict[str, Any]] = {
    "plain": {},
    "crop, flip": {"crop": True, "crop_padding": 1, "flip": True},
    "affine, erasing": {"affine": True, "erasing": True, "vertical_flip": True},
}


@pytest.mark.parametrize("values", AUGMENTED.values(), ids=AUGMENTED)
def test_streamed_images_train_to_the_bits_of_those_in_memory(values: dict[str, Any]) -> None:
    whole, streamed = load(DataSpec(M + "pictures")), load(DataSpec(M + "pictures", stream=True))
    assert isinstance(streamed.train.inputs, Streamed)
    assert streamed.fingerprint == whole.fingerprint
    assert same(trained(whole, **values), trained(streamed, **values))
    model = build(make_config(), whole.shape, 3)
    config = make_config()
    first, second = (
        evaluate(model, data.validation, Augmentation(config, data), batch_size=7) for data in (whole, streamed)
    )
    assert first == second


def test_what_was_not_foreseen_is_selected_all_the_same() -> None:
    inputs = load(DataSpec(M + "pictures", stream=True)).train.inputs
    whole = load(DataSpec(M + "pictures")).train.inputs
    assert isinstance(inputs, Streamed)
    assert isinstance(whole, torch.Tensor)
    batches = [torch.arange(10), torch.arange(20, 30), torch.arange(5)]
    inputs.expect(batches)
    for index in (batches[0], torch.tensor([3, 1]), batches[1], batches[2], torch.tensor([7])):
        assert torch.equal(inputs.index_select(0, index), whole.index_select(0, index))
    assert torch.equal(inputs[:7].index_select(0, torch.arange(7)), whole[:7])


MORE_THAN_MEMORY = """
import resource, sys
import numpy as np
from winnow.objectives.augmentation import batches
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.training import train

pixels = np.memmap("pixels.bin", np.uint8, "w+", shape=(COUNT, 3, 224, 224))
for place in range(COUNT):
    pixels[place] = place % 2 * 100
import psutil
held = psutil.Process().memory_info().data
resource.setrlimit(resource.RLIMIT_DATA, (held + pixels.nbytes // 3,) * 2)
data = load(DataSpec("mylarge_of_a_test:load", validation=20))
assert type(data.train.inputs).__name__ == "Streamed"
try:
    np.ones(pixels.nbytes)
except MemoryError:
    print("no more memory than a third")
config = make_config(model="cnn", filters=[4], stride=4, padding=0, pool_size=8, batch_size=20, epochs=1, lr=0.01)
print(train(config, data, lambda *_: None).epochs[0].train_loss)
"""
LARGE = """
import numpy as np
def load(part):
    if part != "train":
        return None
    pixels = np.memmap("pixels.bin", np.uint8, "r").reshape(-1, 3, 224, 224)
    return pixels, np.arange(len(pixels)) % 2
"""


def test_three_times_the_memory_that_is_allowed_trains(tmp_path: Path) -> None:
    (tmp_path / "mylarge_of_a_test.py").write_text(LARGE)
    program = MORE_THAN_MEMORY.replace("COUNT", str(4000))  # 602 MB, of which a third is more than a step needs
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, loss = done.stdout.split("\n")[:2]
    assert said == "no more memory than a third"
    assert 0 < float(loss) < 1


def test_what_fills_the_device_does_not_fit() -> None:
    assert fits(1000, torch.device("cpu"))
    assert not fits(2**50, torch.device("cpu"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": M + "nothing"}, "has no function 'nothing'"),
        ({"name": "nowhere_at_all:load"}, "no module 'nowhere_at_all'"),
        ({"name": M + "strange"}, "is a str; give a pair of arrays (inputs, targets), or a map-style data set"),
        ({"name": M + "failing"}, "fails: OSError: the disk is away"),
        ({"name": M + "unlike"}, "the validation examples of mydata_of_a_test:unlike have the shape (3, 8, 8)"),
        ({"name": M + "unknown_label"}, "a validation label of mydata_of_a_test:unknown_label is 3"),
        ({"name": M + "bright"}, "give bytes from 0 to 255, or numbers from 0 to 1"),
        ({"name": M + "unequal"}, "has 30 inputs and 29 targets"),
        ({"name": M + "of_all_sizes"}, "set data.size to have all of one size"),
        ({"name": M + "leaving"}, "leaving('train') fails: SystemExit: 3"),
        ({"name": M + "from_one"}, "has the label 0, and labels go up to 3; number the classes from 0 on"),
        ({"name": M + "identities"}, "has the label 0, and labels go up to 1000000000002"),
        ({"name": M + "alike"}, "all training examples of mydata_of_a_test:alike have the label 0"),
        ({"name": M + "with_gaps"}, "has features that are missing or infinite"),
        ({"name": M + "too_large"}, "has features that are missing or infinite"),
        ({"name": M + "of_two_parts"}, "has features that are no real numbers: they are complex"),
        ({"name": M + "words"}, "has features that are no real numbers: could not convert string"),
        ({"name": M + "ragged"}, "has what is no array"),
        ({"name": M + "dictionaries"}, "example 0 of the train data of mydata_of_a_test:dictionaries is a dict"),
        ({"name": M + "triples"}, "is 3 things; let each be a pair (image, label)"),
        ({"name": M + "one_hot"}, "example 0 of the train data of mydata_of_a_test:one_hot has 3 targets"),
        ({"name": M + "objective"}, "takes a trial: it is an objective, and gives no data; a study is a TOML file"),
        ({"name": M + "in_words"}, "has the target 'cat'; number the classes from 0 on; load.class_names names"),
        ({"name": M + "by_path"}, "has '7.png' for an image; open it: PIL.Image.open(path)"),
        ({"name": M + "of_several_labels"}, "has targets of the shape (120, 3); give one number an example"),
        ({"name": M + "torn"}, "example 77 of the train data of mydata_of_a_test:torn cannot be read: ZeroDivision"),
        ({"name": M + "empty_validation"}, "has no validation examples; let it give some, or None"),
        ({"name": M + "other_targets"}, "those to train on are int64, the others float32"),
        ({"name": M + "features"}, 'is a regression; write "regression", or give its targets as whole numbers'),
        ({"name": M + "by_part", "resize": "squash"}, "data.resize = 'squash' is not known"),
        ({"name": M + "by_part", "path": "x"}, "data.path has no meaning"),
        ({"name": M + "by_part", "stream": 1}, "data.stream = 1 is not true or false"),
        ({"name": "npz"}, "npz needs data.path"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused_before_a_study_exists(data: dict[str, Any], words: str) -> None:
    content = {"name": "s", "data": data, "fixed": {"batch_size": 10}, "budget": {"trials": 2}}
    with pytest.raises(SpecError, match=re.escape(words)):
        validation.check(content, "s.toml")


def test_a_spec_knows_the_module_of_its_data() -> None:
    content = {"name": "s", "data": {"name": M + "by_part"}, "fixed": {"batch_size": 10}, "budget": {"trials": 2}}
    assert validation.check(content, "s.toml").imports == (M + "by_part",)
