"""An exported program predicts what its model does, by torch and by ONNX Runtime, without Winnow."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import winnow
from example_data import inputs_of
from winnow.objectives import program
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.hyperparameters import config_values, make_config
from winnow.objectives.models.building import build
from winnow.objectives.prediction import describe


@pytest.mark.parametrize("name", ["mlp", "smallnet", "cnn", "resnet"])
def test_an_exported_program_predicts_the_same_without_winnow(name: str, tmp_path: Path) -> None:
    data = loading.load(DataSpec("digits"))
    config = make_config({"model": name, "seed": 3})
    network = build(config, data.shape, data.classes, torch.device("cpu"))
    model = winnow.Model(config_values(config), network.state_dict(), describe(data, [str(i) for i in range(10)]))
    onnx = importlib.util.find_spec("onnx") is not None
    assert program.write(model, tmp_path) == ["model.pt2", *(["model.onnx"] if onnx else [])]
    images = inputs_of(data.validation)[:7]
    expected = model.probabilities(images)
    exported = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 7):
        assert torch.allclose(exported(images[:count]), torch.from_numpy(expected[:count]), atol=1e-6)
    if onnx:
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        (outputs,) = session.run(None, {"inputs": images.numpy()})
        assert np.allclose(outputs, expected, atol=1e-5)
