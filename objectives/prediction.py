"""Predictions of a trained model on new examples, without the data that it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.objectives import trained_model
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data import image_files
from winnow.objectives.data.catalog import Levels
from winnow.objectives.data.loading import Data, Split
from winnow.objectives.errors import DataError
from winnow.objectives.evaluation import EVALUATION_BATCH, autocast
from winnow.objectives.hyperparameters import make_config


class Model:
    """A trained model that predicts new examples; `winnow.load_model` loads one.

    `network` is the torch module, `config` its hyperparameters, `class_names` its classes (empty in a regression).
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, torch.Tensor],
        inputs: Mapping[str, Any],
        device: str = "cpu",
    ) -> None:
        """`inputs` is what `describe` said of the data that it was trained on."""
        self.config = dict(config)
        self.class_names: Sequence[str] = inputs["class_names"]
        self._data = _without_examples(inputs, device)
        self.inputs = dict(inputs)
        self._levels = Levels(**inputs.get("levels", {}))
        self.network = trained_model.restore(config, weights, self._data).eval()
        self.augmentation = Augmentation(make_config(config), self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example: (C, H, W) or (F,)."""
        return self._data.shape

    def read_images(self, files: Sequence[str | Path]) -> NDArray[np.uint8]:
        """Return image files as `predict` takes them, decoded as an image folder's are; raises DataError.

        Each becomes its middle square, resized; grey where the training images are.
        """
        if len(self.shape) != 3:
            raise DataError("this model takes no images", "call predict with an array of features")
        return image_files.read([Path(file) for file in files], self.shape, self._levels)

    def predict(self, inputs: Any) -> NDArray[Any]:
        """Return the class of each example, int64 (N,); in a regression its value, float32 (N,).

        Images are uint8 (N, C, H, W), (N, H, W, C) or, of one channel, (N, H, W), as an array or a tensor and in the
        size of the training images; features are numbers (N, F). Raises DataError.
        """
        outputs = self._outputs(inputs)
        return (outputs.argmax(1) if self.class_names else outputs[:, 0]).numpy()

    def probabilities(self, inputs: Any) -> NDArray[np.float32]:
        """Return the probability of each class, float32 (N, classes); `inputs` as in `predict`. Raises DataError."""
        if not self.class_names:
            raise DataError("a regression has no probabilities", "call predict")
        return np.asarray(self._outputs(inputs).softmax(1).numpy())

    def _outputs(self, inputs: Any) -> torch.Tensor:
        examples, device = self._checked(inputs), self._data.mean.device
        with torch.inference_mode(), autocast(make_config(self.config).precision, device):
            parts = [
                self.network(self.augmentation.evaluate(part.to(device))).float().cpu()
                for part in torch.split(examples, EVALUATION_BATCH)
            ]
        return torch.cat(parts)

    def _checked(self, inputs: Any) -> torch.Tensor:
        """Return the examples as the training data held them; raises DataError."""
        examples = torch.as_tensor(np.ascontiguousarray(inputs) if isinstance(inputs, np.ndarray) else inputs)
        shape = self._data.shape
        images = len(shape) == 3
        if images and examples.dtype != torch.uint8:
            given = str(examples.dtype).removeprefix("torch.")
            raise DataError(f"the images are {given}, not bytes from 0 to 255", "give uint8")
        if images and examples.dim() == 3 and shape[0] == 1 and examples.shape[1:] == shape[1:]:
            examples = examples.unsqueeze(1)
        if images and examples.shape[1:] != shape and examples.shape[1:] == (*shape[1:], shape[0]):
            examples = examples.movedim(3, 1)
        if examples.dim() != len(shape) + 1 or examples.shape[1:] != shape or not len(examples):
            wanted = ", ".join(map(str, shape))
            raise DataError(f"the examples have the shape {tuple(examples.shape)}", f"this model takes (N, {wanted})")
        return examples if images else examples.float()

    def __repr__(self) -> str:
        predicts = f"{len(self.class_names)} classes" if self.class_names else "a value"
        return f"<Winnow model {self.config['model']}: {tuple(self._data.shape)} to {predicts}>"


def describe(data: Data, class_names: Sequence[str], levels: Levels | None = None) -> dict[str, Any]:
    """Return what a model must know of its training data to predict, as JSON has it."""
    return {
        "levels": asdict(levels or Levels()),
        "task": data.task,
        "shape": list(data.shape),
        "class_names": list(class_names),
        "mean": data.mean.tolist(),
        "std": data.std.tolist(),
    }


def _without_examples(inputs: Mapping[str, Any], device: str) -> Data:
    shape = tuple(inputs["shape"])
    dtype = torch.uint8 if len(shape) == 3 else torch.float32
    empty = Split(torch.empty((0, *shape), dtype=dtype, device=device), torch.empty(0, device=device))
    return Data(
        name="",
        task=inputs["task"],
        train=empty,
        validation=empty,
        classes=len(inputs["class_names"]),
        shape=shape,
        mean=torch.tensor(inputs["mean"], device=device),
        std=torch.tensor(inputs["std"], device=device),
        fingerprint="",
    )
