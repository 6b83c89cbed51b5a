"""What trainings are judged by: each metric against scikit-learn's, through `train` and the spec."""

import math
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as reference
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import WeightedRandomSampler

from example_data import inputs_of
from winnow.errors import SpecError
from winnow.objectives import metrics, trained_model
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.evaluation import class_weights_of, losses
from winnow.objectives.hyperparameters import config_values, make_config
from winnow.objectives.training import order_of, train
from winnow.search.study import validation

MODULE = """
def worst_class(targets, probabilities):
    return min((probabilities.argmax(1) == targets)[targets == label].mean() for label in set(targets))

def mistakes(y_true, y_pred):
    return (y_true != y_pred).sum()
mistakes.higher_is_better = False

def largest(targets, predictions):
    return abs(targets - predictions).max()

def nothing(targets, probabilities):
    return None

def alone(targets):
    return 1.0

def faulty(targets, probabilities):
    return 1 / 0
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mymetrics_of_a_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec("digits", train=240, validation=120))


def imbalanced(data: Data) -> Data:
    """The digits with few of the first classes."""
    kept = (data.train.targets > 3) | (torch.arange(len(data.train.targets)) < 60)
    return replace(data, train=Split(inputs_of(data.train)[kept], data.train.targets[kept]))


def predictions(classes: int = 7, examples: int = 400) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    targets = random.choice(classes, examples, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    logits = random.normal(size=(examples, classes))
    logits[np.arange(examples), targets] += 1
    return targets, torch.from_numpy(logits).softmax(1).numpy()


def test_each_metric_is_that_of_scikit_learn() -> None:
    targets, shares = predictions()
    labels = shares.argmax(1)
    expected = {
        "accuracy": reference.accuracy_score(targets, labels),
        "balanced_accuracy": reference.balanced_accuracy_score(targets, labels),
        "macro_f1": reference.f1_score(targets, labels, average="macro"),
        "auroc": reference.roc_auc_score(targets, shares, multi_class="ovr"),
        "top5": reference.top_k_accuracy_score(targets, shares, k=5),
        "log_loss": reference.log_loss(targets, shares),
    }
    assert expected.keys() == metrics.METRICS.keys()
    for name, value in expected.items():
        assert metrics.named(name)(targets, shares) == pytest.approx(value), name


def test_a_class_that_the_data_lacks_changes_nothing_and_warns_of_nothing() -> None:
    targets, shares = predictions()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in metrics.METRICS:
            assert math.isfinite(metrics.named(name)(np.minimum(targets, 5), shares))


@pytest.mark.parametrize("name", [*metrics.METRICS, "mymetrics_of_a_test:worst_class", "mymetrics_of_a_test:mistakes"])
def test_a_training_is_judged_by_it_and_so_is_its_model_on_other_data(name: str, digits: Data) -> None:
    config = make_config(metric=name, epochs=3, batch_size=60, lr=0.01, patience=2)
    result = train(config, digits, lambda *_: None)
    values = [epoch.value for epoch in result.epochs]
    best = max(values) if metrics.named(name).maximise else min(values)
    assert result.value == best
    model = trained_model.restore(config_values(config), result.weights, digits)
    found = trained_model.judge(model, config_values(config), digits, digits.validation)
    assert found.score == pytest.approx(best)
    if found.each is not None:
        assert name in ("accuracy", "log_loss", "top5")
        assert found.each.mean() == pytest.approx(best)
    else:
        assert len(found.resampled) == trained_model.RESAMPLES
        assert min(found.resampled) < best < max(found.resampled), "over draws of the same examples"
    assert result.epochs[0].extra.keys() == {"balanced_accuracy", "macro_f1", "top5", "auroc"}
    assert result.epochs[0].extra.get(name, values[0]) == pytest.approx(values[0])
    if name == "accuracy":
        assert values == [epoch.validation_accuracy for epoch in result.epochs]
    if name == "log_loss":
        assert values == pytest.approx([epoch.validation_loss for epoch in result.epochs])


@pytest.mark.parametrize(("classes", "names"), [(2, 3), (7, 4)])
def test_what_each_epoch_records_is_scikit_learns(classes: int, names: int) -> None:
    targets, shares = predictions(classes)
    shares = shares[np.arange(len(shares)) // 2]  # with ties
    logits = torch.from_numpy(np.log(shares)).float()
    found = metrics.cheap(torch.from_numpy(targets), logits)
    assert len(found) == names
    for name, value in found.items():
        if name != "top5":  # whose ties scikit-learn breaks by the class's number
            assert value == pytest.approx(metrics.named(name)(targets, logits.double().softmax(1).numpy())), name


def test_what_would_take_long_after_each_epoch_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_RANKED", 7 * 400 - 1)
    targets, shares = predictions()
    assert "auroc" not in metrics.cheap(torch.from_numpy(targets), torch.from_numpy(shares).log())
    alone = metrics.cheap(torch.zeros(8, dtype=torch.int64), torch.randn(8, 2))
    assert alone.keys() == {"balanced_accuracy", "macro_f1"}


def test_a_regression_is_judged_by_ones_own() -> None:
    data = load(DataSpec("regression_100d", train=100, validation=50))
    result = train(make_config(metric="mymetrics_of_a_test:largest", epochs=1, batch_size=50), data, lambda *_: None)
    assert result.value > math.sqrt(result.epochs[0].validation_loss or 0)


def test_class_weights_are_those_of_scikit_learn_and_torch(digits: Data) -> None:
    data = imbalanced(digits)
    found = class_weights_of(make_config(class_weights="balanced"), data)
    assert found is not None
    targets = data.train.targets.numpy()
    assert found.numpy() == pytest.approx(compute_class_weight("balanced", classes=np.unique(targets), y=targets))
    logits, labels = torch.randn(30, 10, generator=torch.Generator().manual_seed(0)), data.train.targets[:30]
    weighted, plain = losses(logits, labels, 0.1, found)
    assert weighted.item() == pytest.approx(F.cross_entropy(logits, labels, weight=found, label_smoothing=0.1).item())
    assert losses(logits, labels, 0.0, found)[0].item() == pytest.approx(
        F.cross_entropy(logits, labels, weight=found).item()
    )
    assert plain.item() == pytest.approx(F.cross_entropy(logits, labels).item())


def test_the_focal_loss_is_that_of_its_paper() -> None:
    logits, labels = torch.randn(30, 10, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 10
    p = logits.softmax(1)[torch.arange(30), labels]
    assert losses(logits, labels, 0.0, None, 2.0)[0].item() == pytest.approx((-((1 - p) ** 2) * p.log()).mean().item())
    certain = torch.eye(10)[labels].mul(1e4).requires_grad_()
    losses(certain, labels, 0.0, None, 0.5)[0].backward()
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def test_balanced_sampling_draws_as_torchs_sampler_does(digits: Data) -> None:
    data = imbalanced(digits)
    counts = torch.bincount(data.train.targets)
    weights = counts.double().reciprocal()[data.train.targets].tolist()
    sampler = WeightedRandomSampler(weights, len(weights), generator=torch.Generator().manual_seed(1))
    order = order_of(make_config(balanced_sampling=True), data, torch.Generator().manual_seed(1))
    assert order.tolist() == list(sampler)
    drawn = torch.bincount(data.train.targets[order], minlength=10)
    assert drawn[:4].sum() > counts[:4].sum()


def spec(**changed: Any) -> dict[str, Any]:
    data = {"name": "digits", "train": 240, "validation": 120}
    return {"name": "s", "data": data, "budget": {"trials": 2}, **changed}


def test_a_metric_says_the_direction_and_the_name_of_the_values() -> None:
    least = validation.check(spec(metric="log_loss"), "s.toml")
    assert least.optimises == "minimize"
    assert least.metric_names == ["validation log loss"]
    own = validation.check(spec(metric="mymetrics_of_a_test:mistakes"), "s.toml")
    assert own.optimises == "minimize"
    assert own.imports == ("mymetrics_of_a_test:mistakes",)
    assert validation.check(spec(metric="macro_f1"), "s.toml").optimises == "maximize"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"metric": "f1"}, "metric: there is no metric 'f1'; choose one of accuracy, balanced_accuracy"),
        ({"metric": "mymetrics_of_a_test:none"}, "the metric 'mymetrics_of_a_test:none' is not there"),
        ({"metric": "mymetrics_of_a_test:nothing"}, "gives None; let it return a finite number"),
        ({"metric": "mymetrics_of_a_test:alone"}, "let it take the targets and the probabilities"),
        ({"metric": "mymetrics_of_a_test:faulty"}, "ZeroDivisionError"),
        ({"metric": "log_loss", "direction": "maximize"}, "direction: log_loss says the direction itself"),
        ({"metric": "auroc", "objective": "regression", "data": {"name": "regression_1d"}}, "auroc needs classes"),
        ({"metric": "top5", "data": {"name": "two_moons"}}, "top5 of 2 classes is always 1"),
        ({"search": {"metric": {"choices": ["auroc"]}}}, "a metric is not searched"),
        ({"fixed": {"metric": "acuracy"}}, "a metric is not a hyperparameter; write metric = "),
        ({"objective": "m:f", "metric": "auroc", "data": None}, "returns what it is judged by"),
    ],
)
def test_a_metric_that_cannot_judge_is_refused_before_a_study_exists(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)):
        validation.check(spec(**changed), "s.toml")


def test_what_balances_classes_needs_them() -> None:
    data = load(DataSpec("regression_1d", train=100, validation=50))
    for values in ({"class_weights": "balanced"}, {"balanced_sampling": True}, {"focal_gamma": 1.0}):
        with pytest.raises(ObjectiveError, match="needs classes"):
            train(make_config(values, batch_size=50), data, lambda *_: None)
