"""Systems A to E: every ready-made spec fits its data, and those whose data must be downloaded run on small files."""

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from PIL import Image

from data_files import write_batch, write_idx
from integration.winnow import Place
from winnow.objectives.data.catalog import CATALOG
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.space import baseline, suggest
from winnow.objectives.training import check
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study import validation
from winnow.search.study.spec import Spec

STUDIES = Path(__file__).parents[2] / "studies"
EVERY = sorted(file.stem for file in STUDIES.glob("*.toml"))
THROUGHOUT = ("a_regularise_mlp", "b_cifar100_one_million", "c_animals_30", "e_mnist_weight_decay")
"""One spec for each data set, run by the command itself."""
DOWNLOADED = ("cifar10", "cifar100", "mnist", "image_folder")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `data` holds small CIFAR and MNIST files as torchvision keeps them, and a folder of animals."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("systems")
    data = folder / "data"
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        images = random.integers(0, 256, (60, 3, 32, 32), np.uint8)
        write_batch(data / "cifar-10-batches-py" / name, images, (np.arange(60) % 10).tolist(), "labels")
    for name in ("train", "test"):
        images = random.integers(0, 256, (1000, 3, 32, 32), np.uint8)
        write_batch(data / "cifar-100-python" / name, images, (np.arange(1000) % 100).tolist(), "fine_labels")
    for name in ("train", "t10k"):
        write_idx(data / "MNIST" / "raw" / f"{name}-images-idx3-ubyte", random.integers(0, 256, (300, 28, 28)))
        write_idx(data / "MNIST" / "raw" / f"{name}-labels-idx1-ubyte", np.arange(300) % 10)
    for part, count in (("train", 110), ("val", 10)):
        for animal in ("cat", "dog", "wild"):
            (home := data / "animals" / part / animal).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)).save(home / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def here(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the specs of system C find their folder."""
    monkeypatch.chdir(files)


def of_one_epoch(name: str) -> str:
    return re.sub(r"^epochs = \d+$", "epochs = 1", (STUDIES / f"{name}.toml").read_text(), flags=re.MULTILINE)


def objective_of(spec: Spec, files: Path | None = None) -> TrainingObjective:
    """The spec's objective as the service makes it; with `files`, on a few of their examples."""
    data = spec.data_spec
    if files is not None:
        path = data.path if data.name == "image_folder" else str(files / "data")
        few = 500 if data.name == "cifar100" else 30
        data = dataclasses.replace(data, path=path, train=few, validation=few)
    return TrainingObjective(data, spec.space, spec.fixed, max_parameters=spec.limits.max_parameters)


@pytest.mark.parametrize("name", EVERY)
def test_all_that_a_spec_can_draw_fits_its_data(name: str) -> None:
    spec = validation.read(STUDIES / f"{name}.toml")
    known = CATALOG[spec.data_spec.name]
    shape = (3, 32, 32) if known.name == "image_folder" else known.shape
    classes = 3 if known.name == "image_folder" else known.classes
    examples = torch.empty(spec.data_spec.train or known.train, *shape, device="meta")
    split, scale = Split(examples, examples.flatten(1)[:, 0]), torch.ones(shape[0])
    data = Data(known.name, known.task, split, split, classes, shape, scale, scale, "")
    planned = spec.sampler.name == "grid"
    sampler = spec.sampler.build(spec, 0) if planned else optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    check(make_config(baseline(spec.space, spec.fixed, spec.baseline)[1]), data)
    for _ in range(spec.grid_cells + 1 if planned else 30):
        check(make_config(suggest(study.ask(), spec.space, spec.fixed)), data)


@pytest.mark.parametrize("name", THROUGHOUT)
def test_the_command_runs_a_full_spec_on_files_as_torchvision_keeps_them(name: str, files: Path, place: Place) -> None:
    (place.folder / f"{name}.toml").write_text(of_one_epoch(name))
    (place.folder / "data").symlink_to(files / "data")
    done = place.run("run", f"{name}.toml", "--trials", "3", "--workers", "1", WINNOW_CACHE=str(files))
    assert done.returncode == 0, done.stderr
    trials = place.study(name).trials
    assert len(trials) == 3
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert trials[0].state.name == "COMPLETE", "the baseline"
    assert f"winnow confirm {name}" in done.stdout


def _others() -> list[str]:
    data = {name: tomllib.loads((STUDIES / f"{name}.toml").read_text())["data"]["name"] for name in EVERY}
    return [name for name in EVERY if data[name] in DOWNLOADED and name not in THROUGHOUT]


@pytest.mark.parametrize("name", _others())
def test_the_baseline_of_every_other_full_spec_trains(name: str, files: Path) -> None:
    spec = validation.read(STUDIES / f"{name}.toml")
    objective = objective_of(spec, files)
    parameters, values = baseline(spec.space, spec.fixed, spec.baseline)
    values |= {"epochs": 1, "batch_size": min(30, values["batch_size"])}
    study = optuna.create_study(direction=spec.optimises)
    study.enqueue_trial(parameters, user_attrs={"winnow:given": values})
    study.optimize(objective, n_trials=1)
    assert 0 <= study.best_value <= 1
    assert len(study.best_trial.user_attrs["winnow:epochs"]) == 1


def test_resnet18_is_over_the_limit_of_system_b_and_costs_nothing(files: Path) -> None:
    spec = validation.read(STUDIES / "b_cifar100_one_million.toml")
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"model": "resnet18", "batch_size": 128})
    study.optimize(objective_of(spec, files), n_trials=1)
    (trial,) = study.trials
    assert trial.state.name == "PRUNED"
    assert trial.constraints == {"max_parameters": 11_227_812 - 1_000_000}
    assert "winnow:epochs" not in trial.user_attrs


@pytest.mark.parametrize("lr", [100.0, 10.0, 1.0])
def test_the_learning_rates_that_system_e_saw_diverge_end_in_their_first_epoch(lr: float) -> None:
    spec = validation.read(STUDIES / "e_regression_lr.toml")
    study = optuna.create_study(direction="minimize")
    study.enqueue_trial({"lr": lr})
    study.optimize(objective_of(spec), n_trials=1)
    (trial,) = study.trials
    assert trial.state.name == "PRUNED"
    assert "winnow:epochs" not in trial.user_attrs
