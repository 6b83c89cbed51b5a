"""Metrics: what a classification is reported, pruned, searched and concluded by, and one's own as `module:function`.

By scikit-learn, from the probabilities of a whole split at once; beside it, after each epoch, all that are cheap.
Knows neither torch nor scikit-learn before a call.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives import user_code
from winnow.objectives.errors import ObjectiveError

if TYPE_CHECKING:
    from torch import Tensor

MOST_RANKED = 100_000
"""Of validation examples times classes, so many are put in order after each epoch for the AUROC, and not more."""
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One number about predictions, called with targets (N,) and probabilities (N, classes).

    In a regression both are numbers (N,).
    """

    name: str
    words: str
    compute: Callable[[Any, Any], float]
    maximise: bool = True
    least_classes: int = 2

    def __call__(self, targets: NDArray[Any], outputs: NDArray[Any]) -> float:
        """Compute it; raises ObjectiveError where that gives no number."""
        found = self.compute(targets, outputs)
        try:
            number = float(found)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ObjectiveError(f"metric = {self.name!r} gives {found!r}", "let it return a finite number")
        return number


def _accuracy(targets: Labels, probabilities: Probabilities) -> float:
    return float(np.mean(probabilities.argmax(1) == targets))


def _balanced_accuracy(targets: Labels, probabilities: Probabilities) -> float:
    from sklearn.metrics import recall_score

    # Over the classes that occur, as balanced_accuracy_score, which warns of any other that was predicted.
    present = np.unique(targets)
    return float(recall_score(targets, probabilities.argmax(1), labels=present, average="macro", zero_division=0))


def _macro_f1(targets: Labels, probabilities: Probabilities) -> float:
    from sklearn.metrics import f1_score

    labels = range(probabilities.shape[1])
    return float(f1_score(targets, probabilities.argmax(1), labels=labels, average="macro", zero_division=0))


def _auroc(targets: Labels, probabilities: Probabilities) -> float:
    """Return the mean over the classes that occur of each against the rest."""
    from sklearn.metrics import roc_auc_score

    present = np.unique(targets)
    if len(present) < 2:
        raise ObjectiveError("auroc needs examples of two classes or more", "choose another metric or other data")
    return float(np.mean([roc_auc_score(targets == label, probabilities[:, label]) for label in present]))


def _top5(targets: Labels, probabilities: Probabilities) -> float:
    from sklearn.metrics import top_k_accuracy_score

    return float(top_k_accuracy_score(targets, probabilities, k=5, labels=range(probabilities.shape[1])))


def _log_loss(targets: Labels, probabilities: Probabilities) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(targets, probabilities, labels=range(probabilities.shape[1])))


METRICS = {
    each.name: each
    for each in (
        Metric("accuracy", "accuracy", _accuracy),
        Metric("balanced_accuracy", "balanced accuracy", _balanced_accuracy),
        Metric("macro_f1", "macro F1", _macro_f1),
        Metric("auroc", "AUROC", _auroc),
        Metric("top5", "top-5 accuracy", _top5, least_classes=6),
        Metric("log_loss", "log loss", _log_loss, maximise=False),
    )
}


def cheap(targets: "Tensor", outputs: "Tensor") -> dict[str, float]:
    """Return all metrics that take next to no time, by their names, where they say something of so many classes.

    Of labels int64 (N,) and logits (N, classes), after each epoch; counted on the host by few calls, since a small
    epoch takes no longer than some dozens of kernels.
    """
    logits = outputs.float().cpu()
    labels, scores, (examples, classes) = targets.cpu().numpy(), logits.numpy(), logits.shape
    confused = np.bincount(labels * classes + scores.argmax(1), minlength=classes**2).reshape(classes, classes)
    right, true, said = confused.diagonal(), confused.sum(1), confused.sum(0)
    present = true > 0
    found = {
        "balanced_accuracy": float((right[present] / true[present]).mean()),
        "macro_f1": float((2 * right / np.maximum(true + said, 1)).mean()),
    }
    if classes >= METRICS["top5"].least_classes:
        own = scores[np.arange(examples), labels]
        found["top5"] = float(((scores > own[:, None]).sum(1) < 5).mean())
    if scores.size <= MOST_RANKED and present.sum() > 1:  # Mann and Whitney, 1947
        # In the order of the probabilities, and told apart where these are nearly 1.
        doubled = _doubled_ranks(logits.log_softmax(1).numpy(), labels)
        above = (doubled - true * (true + 1)) / np.maximum(2 * true * (examples - true), 1)
        found["auroc"] = float(above[present].mean())
    return {name: number for name, number in found.items() if math.isfinite(number)}


def _doubled_ranks(scores: NDArray[np.float32], labels: Labels) -> NDArray[Any]:
    """Return twice the sum of the ranks that each class's own examples have by its scores (N, classes), none above 0.

    All classes are sorted at once: without its sign a float orders as its bits do, and its class stands before them.
    """
    examples, classes = scores.shape
    keys = np.abs(scores).view(np.uint32) + (np.arange(classes, dtype=np.uint64) << np.uint64(32))
    own, ordered = keys[np.arange(examples), labels], np.sort(keys, axis=None)
    smaller = ordered.searchsorted(own) + ordered.searchsorted(own, "right") - 2 * examples * labels
    return np.bincount(labels, 2 * examples + 1 - smaller, classes)


def named(name: str) -> Metric:
    """Return the metric of that name, or the function that `module:function` names; raises ObjectiveError.

    One's own is called with targets and probabilities, or with predicted labels where its second parameter is called
    `y_pred`, as scikit-learn has it. More is better unless the function says `higher_is_better = False`.
    """
    if name in METRICS:
        return METRICS[name]
    if ":" not in name:
        raise ObjectiveError(
            f"there is no metric {name!r}", f"choose one of {', '.join(METRICS)}, or your own as module:function"
        )
    function = user_code.load_part(name, "metric")
    parameters = list(inspect.signature(function).parameters.values())
    if len([each for each in parameters if each.kind <= each.POSITIONAL_OR_KEYWORD]) < 2:
        problem = f"{name} takes {inspect.signature(function)}"
        raise ObjectiveError(problem, "let it take the targets and the probabilities")

    def of_labels(targets: NDArray[Any], outputs: NDArray[Any]) -> float:
        return float(function(targets, outputs.argmax(1) if outputs.ndim == 2 else outputs))

    return Metric(
        name,
        name.partition(":")[2].replace("_", " "),
        of_labels if parameters[1].name == "y_pred" else function,
        maximise=getattr(function, "higher_is_better", True) is not False,
    )


def wrongs(name: str, classes: int) -> Iterator[ObjectiveError]:
    """Yield what is wrong with a metric for data of so many classes, 0 in a regression."""
    try:
        metric = named(name)
        if name in METRICS and not classes:
            yield ObjectiveError(f"{name} needs classes, and this data is a regression", "leave metric out")
        elif name in METRICS and classes < metric.least_classes:
            yield ObjectiveError(f"{name} of {classes} classes is always 1", "choose accuracy")
        elif name not in METRICS:
            targets = np.arange(4 * max(classes, 1)) % max(classes, 1)
            shares = np.full((len(targets), classes), 1 / max(classes, 1))
            shares[np.arange(len(targets)), targets] += 0.5 if classes else 0
            metric(targets, shares / shares.sum(1, keepdims=True)) if classes else metric(targets * 1.0, targets * 1.0)
    except ObjectiveError as error:
        yield error
    except Exception as error:
        yield ObjectiveError(
            f"{name} cannot be called with targets and probabilities: {type(error).__name__}: {error}",
            "let it take arrays (N,) and (N, classes) and return a number",
        )
