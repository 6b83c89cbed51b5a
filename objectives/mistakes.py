"""What a classifier gets wrong: the scores of each class, what it is called instead, and the worst single examples.

All of it on validation data. Knows torch only while it measures: what it found is plain numbers and small pictures.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from winnow.objectives.data.loading import Split

MOST_CLASSES = 30
"""Of more classes, only so many are kept, those with the lowest F1."""
MOST_CONFUSED = 20
"""Of more classes, no confusion matrix is kept."""
MOST_EXAMPLES = 12
_SMALL, _LARGEST = 32, 64
"""Pixels a side up to which a picture is kept as it is, and to which a larger one is shrunk."""


@dataclass(frozen=True)
class ClassScores:
    """How one class fares."""

    name: str
    examples: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Wrong:
    """An example that was called another class than it is."""

    place: int
    """In the validation data, from 0."""
    true: str
    called: str
    share: float
    """The probability of what it was called."""
    picture: str = field(repr=False)
    """As a data URI; empty where the example is no image."""


@dataclass(frozen=True)
class Mistakes:
    """What one model does on the validation data."""

    examples: int
    wrong: int
    classes: Sequence[ClassScores]
    """The lowest F1 first."""
    names: Sequence[str]
    """Of the rows and columns of `confusion`."""
    confusion: Sequence[Sequence[int]]
    """A row for each true class, a column for what it is called; empty of very many classes."""
    worst: Sequence[Wrong]
    """The examples that it is surest of and wrong about, the surest first."""


def measure(names: Sequence[str], validation: "Split", outputs: "Tensor") -> Mistakes:
    """Return what a model gets wrong on validation data, of which it gave `outputs` (examples, classes)."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    shares, called = outputs.softmax(1).max(1)
    targets = validation.targets.cpu()
    labels = range(len(names))
    each = precision_recall_fscore_support(targets, called, labels=labels, zero_division=0)
    scores = [
        ClassScores(name, int(examples), float(precision), float(recall), float(f1))
        for name, precision, recall, f1, examples in zip(names, *each, strict=True)
    ]
    wrong = (called != targets).nonzero()[:, 0]
    surest = wrong[shares[wrong].argsort(descending=True, stable=True)[:MOST_EXAMPLES]]
    pictures = [_picture(image) for image in validation.inputs.index_select(0, surest)] if len(surest) else []
    few = len(names) <= MOST_CONFUSED
    return Mistakes(
        examples=len(targets),
        wrong=len(wrong),
        classes=sorted(scores, key=lambda each: each.f1)[:MOST_CLASSES],
        names=list(names) if few else [],
        confusion=confusion_matrix(targets, called, labels=labels).tolist() if few else [],
        worst=[
            Wrong(place, names[int(targets[place])], names[int(called[place])], float(shares[place]), picture)
            for place, picture in zip(surest.tolist(), pictures, strict=True)
        ],
    )


def recorded(content: Mapping[str, Any]) -> Mistakes:
    """Return what JSON holds of it."""
    parts = {"classes": [ClassScores(**each) for each in content["classes"]]}
    return Mistakes(**{**content, **parts, "worst": [Wrong(**each) for each in content["worst"]]})


def _picture(example: "Tensor") -> str:
    """Return uint8 (C, H, W) as a data URI of a few kilobytes; what is no image as an empty text."""
    if example.dim() != 3 or example.shape[0] not in (1, 3):
        return ""
    from PIL import Image

    pixels = example.permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    kind = "png" if max(image.size) <= _SMALL else "jpeg"
    image.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
