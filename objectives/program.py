"""A trained model as a program that needs no Winnow: by torch.export, and as ONNX where its packages are installed."""

import importlib.util
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from winnow.objectives.prediction import Model

TORCH = "model.pt2"
ONNX = "model.onnx"
_log = logging.getLogger("winnow")


class Program(nn.Module):
    """Raw examples in, class probabilities (N, classes) out; of a regression its values (N,). In single precision."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network
        self._model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """`inputs` are uint8 (N, C, H, W) or float32 (N, F), as the training data hold them."""
        outputs: torch.Tensor = self.network(self._model.augmentation.evaluate(inputs)).float()
        return outputs.softmax(1) if self._model.class_names else outputs[:, 0]


def write(model: Model, folder: Path) -> list[str]:
    """Write the program for batches of any size to `folder`; return the names of the files that could be written.

    A network of somebody else's may do what torch cannot export; the log says what.
    """
    examples = torch.zeros((2, *model.shape), dtype=torch.uint8 if len(model.shape) == 3 else torch.float32)
    program, batch = Program(model).eval(), {0: torch.export.Dim("batch")}

    def export() -> None:
        exported = torch.export.export(program, (examples,), dynamic_shapes=(batch,))
        torch.export.save(exported, folder / TORCH)

    def export_onnx() -> None:
        torch.onnx.export(
            program,
            (examples,),
            folder / ONNX,
            input_names=["inputs"],
            output_names=["outputs"],
            dynamic_shapes=(batch,),
            external_data=False,
            dynamo=True,
            verbose=False,
        )

    ways: dict[str, Callable[[], None]] = {TORCH: export}
    if all(importlib.util.find_spec(package) for package in ("onnx", "onnxscript")):
        ways[ONNX] = export_onnx
    return [name for name, way in ways.items() if _done(folder / name, way)]


def _done(file: Path, way: Callable[[], None]) -> bool:
    try:
        with warnings.catch_warnings():  # of torch's own next versions
            warnings.simplefilter("ignore")
            way()
    except Exception as error:  # whatever a network of somebody else's leads the exporters to
        _log.warning("%s was not written: %s: %s", file.name, type(error).__name__, str(error).partition("\n")[0])
        file.unlink(missing_ok=True)  # what a full disk took of it
        return False
    return True
