"""The public API: what it exports, which specs it takes, what it shows in a notebook, and what a model predicts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import winnow
from example_data import inputs_of
from example_spec import SPEC
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.errors import DataError
from winnow.objectives.hyperparameters import config_values, make_config
from winnow.objectives.models.building import build
from winnow.objectives.prediction import describe
from winnow.search.analysis.answers import Answer
from winnow.search.api import notebook
from winnow.search.report.chapters import Chapter, Table

DICT = {
    "name": "s",
    "data": {"name": "digits"},
    "search": {"lr": {"low": 1e-4, "high": 1e-1, "log": True}},
    "budget": {"trials": 4},
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/api.db"


def test_the_exported_names_are_these() -> None:
    assert winnow.__all__ == [
        "Ablation",
        "Confirmation",
        "LightningCallback",
        "Model",
        "Study",
        "TransformersCallback",
        "WinnowError",
        "create_study",
        "load_model",
        "load_study",
        "load_winner",
        "open_storage",
    ]
    assert dir(winnow) == winnow.__all__
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for name in winnow.__all__:
        # A callback imports the library that it is for, which takes seconds.
        assert name.endswith("Callback") or getattr(winnow, name).__doc__, name
        assert f"`{name}" in page or f"winnow.{name}" in page, f"docs/api.md says nothing of {name}"
    for name in vars(winnow.Study):
        if not name.startswith("_") and name not in ("of", "confirmed"):
            assert f"study.{name}" in page, f"docs/api.md says nothing of study.{name}"
    with pytest.raises(AttributeError, match="no attribute 'crate_study'"):
        winnow.crate_study  # noqa: B018


def test_import_winnow_imports_nothing_heavy() -> None:
    code = (
        "import sys, winnow\n"
        "heavy = {'torch', 'optuna', 'plotly', 'sqlalchemy', 'numpy', 'pandas', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_spec_is_a_path_a_text_or_a_dict(url: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SPEC)
    made = [winnow.create_study(spec, url) for spec in (tmp_path / "s.toml", str(tmp_path / "s.toml"), SPEC, DICT)]
    assert len({study.study_id for study in made}) == 1, "the same study"
    assert all(study.spec == made[0].spec for study in made)
    larger = winnow.create_study(DICT, made[0].storage, trials=9)
    assert larger.status().spent.budget.trials == 9
    assert winnow.load_study("s", url).spec.budget.trials == 9


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("none.toml", "none.toml: there is no such file"),
        ("name = \n", "the spec: this is not TOML"),
        ({**DICT, "serach": {}}, "the spec: serach: there is no such key; did you mean 'search'?"),
        ({**DICT, "data": {"name": "imagenot"}}, "there is no data set 'imagenot'"),
        ({}, "the spec: name: it is missing"),
        (len, "a study is made of a spec, and this is a builtin_function_or_method; give the path of a TOML file"),
    ],
)
def test_a_bad_spec_is_a_winnow_error(url: str, spec: Any, says: str) -> None:
    with pytest.raises(winnow.WinnowError, match=says.replace("?", r"\?")):
        winnow.create_study(spec, url)
    with pytest.raises(winnow.WinnowError):
        winnow.load_study("s", url)


def test_a_study_that_has_not_begun(url: str) -> None:
    study = winnow.create_study(DICT, url)
    assert study.best is None
    assert study.baseline is not None
    assert [trial.state for trial in study.trials] == ["WAITING"]
    assert list(study.to_dataframe().number) == [0]
    assert len(study.to_dataframe("epochs")) == len(study.to_dataframe("ablation")) == 0
    assert study.optuna.study_name == "s"
    with pytest.raises(AttributeError, match=r"no attribute 'best_params'; .* has it: study\.optuna\.best_params"):
        study.best_params  # noqa: B018
    assert "No trial has finished yet" in study._repr_html_()
    assert all(figure.layout.title.text for figure in study.figures().values())
    with pytest.raises(winnow.WinnowError, match="winnow confirm s"):
        winnow.load_winner("s", url)
    with pytest.raises(winnow.WinnowError, match="winnow confirm s"):
        study.export_model("folder")
    with pytest.raises(winnow.WinnowError, match="winnow confirm s"):
        winnow.load_model(study)


def test_what_a_notebook_shows_is_escaped() -> None:
    table = Table("<b>", ["<i>"], [["<script>alert(1)</script>"]])
    shown = notebook.document(Chapter("<study>", ["a < b & c"], answers=[Answer("<?>", ("<b>",))], tables=[table]))
    assert "<script>" not in shown
    assert "<h4>&lt;study&gt;</h4>" in shown
    assert "a &lt; b &amp; c" in shown


@pytest.fixture
def model() -> winnow.Model:
    data = loading.load(DataSpec("digits"))
    config = make_config({"model": "mlp", "widths": [8], "seed": 0})
    network = build(config, data.shape, data.classes, torch.device("cpu"))
    return winnow.Model(config_values(config), network.state_dict(), describe(data, [str(i) for i in range(10)]))


def test_a_model_predicts_images_of_every_layout(model: winnow.Model) -> None:
    images = inputs_of(loading.load(DataSpec("digits")).validation)[:5]
    expected = model.predict(images)
    assert expected.shape == (5,)
    assert expected.dtype == np.int64
    for other in (images.numpy(), images[:, 0], images.numpy()[:, 0], images.movedim(1, 3), images.numpy()[::1]):
        assert list(model.predict(other)) == list(expected)
    probabilities = model.probabilities(images)
    assert probabilities.shape == (5, 10)
    assert np.allclose(probabilities.sum(1), 1)
    assert list(probabilities.argmax(1)) == list(expected)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (np.zeros((2, 8, 8)), "are float64, not bytes"),
        (np.zeros((2, 9, 9), np.uint8), r"takes \(N, 1, 8, 8\)"),
        (np.zeros((8, 8), np.uint8), r"takes \(N, 1, 8, 8\)"),
        (np.zeros((0, 8, 8), np.uint8), r"takes \(N, 1, 8, 8\)"),
    ],
)
def test_a_model_refuses_what_it_was_not_trained_on(model: winnow.Model, inputs: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        model.predict(inputs)


def test_a_model_reads_image_files_as_its_training_images(model: winnow.Model, tmp_path: Path) -> None:
    images = inputs_of(loading.load(DataSpec("digits")).validation)[:3]
    files = [tmp_path / f"{place}.png" for place in range(3)]
    for file, image in zip(files, images.numpy(), strict=True):
        Image.fromarray(image[0]).convert("RGB" if file == files[0] else "L").save(file)
    assert np.array_equal(model.read_images(files), images.numpy()), "grey, from colour too"
    (tmp_path / "torn.png").write_bytes(files[1].read_bytes()[:60])
    with pytest.raises(DataError, match=r"torn\.png is no image that can be read"):
        model.read_images([tmp_path / "torn.png"])


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(winnow.WinnowError, match="holds no model"):
        winnow.load_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(winnow.WinnowError, match="holds no model"):
        winnow.load_model(tmp_path)
