import pytest
import torch
import torch.nn.functional as F

from example_data import inputs_of
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Split, load
from winnow.objectives.evaluation import evaluate, losses, weight_norm
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.building import build


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_label_smoothing_is_pytorchs(smoothing: float) -> None:
    outputs, targets = torch.randn(20, 7, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 7
    minimised, plain = losses(outputs, targets, smoothing)
    assert float(minimised) == pytest.approx(float(F.cross_entropy(outputs, targets, label_smoothing=smoothing)))
    assert float(plain) == pytest.approx(float(F.cross_entropy(outputs, targets)))


def test_a_regressions_loss_is_the_mean_square() -> None:
    minimised, plain = losses(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]]), 0.0)
    assert float(minimised) == float(plain) == 5


@pytest.mark.parametrize("batch_size", [7, 256])
def test_evaluation_is_that_of_all_examples_at_once(batch_size: int) -> None:
    config = make_config({"model": "smallnet", "dropout": 0.5, "conv_dropout": 0.5})
    data = load(DataSpec("digits", train=100, validation=60))
    model = build(config, data.shape, 10)
    augmentation = Augmentation(config, data)
    loss, accuracy = evaluate(model, data.validation, augmentation, batch_size=batch_size)
    with torch.inference_mode():
        outputs = model.eval()(augmentation.evaluate(inputs_of(data.validation)))
    assert loss == pytest.approx(float(F.cross_entropy(outputs, data.validation.targets)), rel=1e-5)
    assert accuracy == float((outputs.argmax(1) == data.validation.targets).double().mean())


def test_bf16_is_close_to_fp32() -> None:
    data = load(DataSpec("digits", train=100, validation=60))
    model, augmentation = build(make_config(), data.shape, 10), Augmentation(make_config(), data)
    exact, rounded = (evaluate(model, data.validation, augmentation, p)[0] for p in ("fp32", "bf16"))
    assert exact != rounded
    assert rounded == pytest.approx(exact, rel=0.01)


def test_a_regression_has_no_accuracy() -> None:
    data = load(DataSpec("digits", train=100, validation=60))
    split = Split(data.validation.inputs, data.validation.targets[:, None].float())
    loss, accuracy = evaluate(build(make_config(), data.shape, 1), split, Augmentation(make_config(), data))
    assert loss > 0
    assert accuracy is None


def test_the_weight_norm_leaves_out_biases_and_norms() -> None:
    model = build(make_config({"widths": [4], "batch_norm": True}), (3,), 2)
    matrices = [p.detach() for name, p in model.named_parameters() if name in ("1.weight", "5.weight")]
    assert weight_norm(model) == pytest.approx(float(torch.cat([m.flatten() for m in matrices]).norm()))
