"""MNIST and CIFAR files on disk: read as torchvision wrote them, refused by name where they are not whole."""

import gzip
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_files import write_batch, write_idx
from example_data import inputs_of
from winnow.objectives.data import idx, loading, torchvision_files
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import DataError

random = np.random.default_rng(0)


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_become_images_and_labels(tmp_path: Path, name: str, folder: str, suffix: str) -> None:
    images, labels = random.integers(0, 256, (60, 28, 28)), np.arange(60) % 10
    for stem in ("train", "t10k"):
        write_idx(tmp_path / folder / "raw" / f"{stem}-images-idx3-ubyte{suffix}", images)
        write_idx(tmp_path / folder / "raw" / f"{stem}-labels-idx1-ubyte{suffix}", labels)
    spec = DataSpec(name, path=str(tmp_path), train=30, validation=20)
    assert loading.load(spec).train.inputs.shape == (30, 1, 28, 28)
    test = loading.load_test(spec)
    assert torch.equal(inputs_of(test)[:, 0], torch.from_numpy(images))
    assert torch.equal(test.targets, torch.from_numpy(labels))


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_is_read_from_its_five_batches(tmp_path: Path, protocol: int) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    images, labels = random.integers(0, 256, (100, 3, 32, 32), np.uint8), np.arange(100) % 10
    for number in range(5):
        stretch = slice(20 * number, 20 * number + 20)
        write_batch(folder / f"data_batch_{number + 1}", images[stretch], labels[stretch].tolist(), "labels", protocol)
    write_batch(folder / "test_batch", images[:10], labels[:10].tolist(), "labels", protocol)
    read_images, read_labels = torchvision_files.read("cifar10", "train", str(tmp_path))
    assert np.array_equal(read_images, images)
    assert np.array_equal(read_labels, labels)
    assert loading.load(DataSpec("cifar10", path=str(tmp_path), validation=20)).shape == (3, 32, 32)
    assert len(loading.load_test(DataSpec("cifar10", path=str(tmp_path))).targets) == 10


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    images, labels = random.integers(0, 256, (300, 3, 32, 32), np.uint8), [number % 100 for number in range(300)]
    for part in ("train", "test"):
        write_batch(tmp_path / "cifar-100-python" / part, images, labels, "fine_labels")
    cifar = loading.load(DataSpec("cifar100", path=str(tmp_path), validation=100))
    assert cifar.classes == 100
    assert cifar.train.targets.bincount().tolist() == [2] * 100


def test_a_batch_that_could_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "harm",)

    write_batch(tmp_path / "train", random.integers(0, 256, (1, 3072)), Harmful(), "fine_labels")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"train is no batch of CIFAR .* it asks for \w+\.getattr"):
        torchvision_files.read("cifar100", "train", str(tmp_path))
    assert not (tmp_path / "harm").exists()


def test_an_idx_file_that_is_cut_short_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "train-images-idx3-ubyte"
    write_idx(file, np.zeros((4, 28, 28)))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is no whole idx file"):
        idx.read_bytes(file)
    (torn := tmp_path / "labels.gz").write_bytes(gzip.compress(b"abc")[:-2])
    with pytest.raises(DataError, match=r"labels\.gz cannot be read"):
        idx.read_bytes(torn)


def test_a_label_out_of_range_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((40, 28, 28)))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(40) % 11)
    with pytest.raises(DataError, match="a train label of mnist is 10, outside 0 to 9"):
        loading.load(DataSpec("mnist", path=str(tmp_path)))


@pytest.fixture
def no_network() -> Iterator[None]:
    """Send what urllib asks for to a port where nobody listens.

    By an opener of this test's own: urllib keeps for ever the first that it makes, with the proxies of that moment.
    """
    nowhere = urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), "http://127.0.0.1:9"))
    urllib.request.install_opener(urllib.request.build_opener(nowhere))
    yield
    urllib.request.install_opener(urllib.request.build_opener())


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_without_files_and_without_a_network_the_error_says_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name} is not in {tmp_path} and could not be downloaded") as raised:
        loading.load(DataSpec(name, path=str(tmp_path)))
    assert "data.path" in raised.value.remedy
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(not torchvision_files.DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_comes_from_debians_package_where_there_is_one() -> None:
    images, labels = torchvision_files.read("fashion_mnist", "test", None)
    assert images.shape == (10_000, 1, 28, 28)
    assert set(np.bincount(labels)) == {1000}
