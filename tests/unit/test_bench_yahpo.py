"""A surrogate by path: a folder of YAHPO Gym's format, made here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import yahpo
from winnow.objectives.space import Choice, Range

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SPACE = [
    {"name": "task_id", "type": "categorical", "choices": ["3", "12"]},
    {"name": "booster", "type": "categorical", "choices": ["tree", "linear"]},
    {"name": "eta", "type": "uniform_float", "log": True, "lower": 0.001, "upper": 1.0},
    {"name": "max_depth", "type": "uniform_int", "log": False, "lower": 1, "upper": 9},
    {"name": "repl", "type": "uniform_int", "log": False, "lower": 1, "upper": 10},
    {"name": "trainsize", "type": "uniform_float", "log": False, "lower": 0.03, "upper": 1.0},
]
CODES = {"task_id": {"#na#": 0, "12": 1, "3": 2}, "booster": {"#na#": 0, "linear": 1, "tree": 2}}
BENCHMARK = {
    "categorical": ["task_id", "booster"],
    "continuous": ["max_depth", "eta", "trainsize", "repl"],
    "outputs": ["time", "loss"],
    "value": "loss",
    "maximize": False,
    "fidelity": "trainsize",
    "instance": "task_id",
    "fixed": {"repl": 10},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose loss is 100 task code + 10 booster code + depth + 0.1 trainsize + 1000 repl."""
    from onnx import TensorProto, helper

    weights = np.array([[0, 100], [0, 10], [0, 1], [0, 0], [0, 0.1], [0, 1000]], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x_cat"], ["codes"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["codes", "x_cont"], ["all"], axis=1),
            helper.make_node("MatMul", ["all", "weights"], ["output"]),
        ],
        "surrogate",
        [
            helper.make_tensor_value_info("x_cat", TensorProto.INT32, ["batch_size", 2]),
            helper.make_tensor_value_info("x_cont", TensorProto.FLOAT, ["batch_size", 4]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", 2])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    when = [{"child": "max_depth", "parent": "booster", "type": "EQ", "value": "tree"}]
    (tmp_path / "config_space.json").write_text(json.dumps({"hyperparameters": SPACE, "conditions": when}))
    (tmp_path / "encoding.json").write_text(json.dumps(CODES))
    describe(tmp_path)
    return tmp_path


def describe(folder: Path, **changed: Any) -> None:
    (folder / "benchmark.json").write_text(json.dumps(BENCHMARK | changed))


def test_each_instance_is_a_task_over_what_is_searched(folder: Path) -> None:
    first, second = yahpo.tasks(folder)
    assert [first.name, second.name] == [f"{folder.name}-3", f"{folder.name}-12"]
    assert list(first.space) == ["booster", "eta", "max_depth"]
    assert first.space["booster"] == Choice(("tree", "linear"), own=True)
    assert first.space["max_depth"] == Range(1, 9, whole=True, when={"booster": ("tree",)}, own=True)
    assert (first.epochs, first.maximize) == (20, False)


def test_columns_codes_and_what_is_not_drawn_come_where_the_model_has_them(folder: Path) -> None:
    task, _ = yahpo.tasks(folder)
    _, tree, _ = task.train({"booster": "tree", "eta": 0.1, "max_depth": 4}, set())
    _, linear, _ = task.train({"booster": "linear", "eta": 0.1}, set())
    assert tree[19] == pytest.approx(200 + 20 + 4 + 0.1 + 10_000)
    assert linear[9] == pytest.approx(200 + 10 + 0 + 0.05 + 10_000)
    assert task.regret(linear[19], None) == pytest.approx(0)
    assert task.regret(tree[19], None) > 0


def test_whole_fidelities_are_epochs(folder: Path) -> None:
    describe(folder, fidelity="repl", fixed={"trainsize": 1.0}, instances=["12"])
    (task,) = yahpo.tasks(folder)
    _, curve, _ = task.train({"booster": "linear", "eta": 0.1}, set())
    assert [round(curve[epoch]) for epoch in range(task.epochs)] == [110 + 1000 * epoch for epoch in range(1, 11)]


@pytest.mark.parametrize("changed", [{"outputs": ["loss"]}, {"categorical": ["task_id", "repl"]}])
def test_columns_that_the_model_does_not_have_are_refused(folder: Path, changed: dict[str, Any]) -> None:
    describe(folder, **changed)
    with pytest.raises(SystemExit, match=r"the model has \[2, 4, 2\].*codes for task_id, booster"):
        yahpo.tasks(folder)


def test_a_folder_without_a_description_is_told_what_is_missing(folder: Path) -> None:
    (folder / "benchmark.json").unlink()
    with pytest.raises(SystemExit, match=r"benchmark\.json is missing"):
        yahpo.tasks(folder)
