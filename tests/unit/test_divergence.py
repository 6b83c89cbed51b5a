import math
from typing import Any

import pytest
import torch

from winnow.objectives.data.loading import Data, Split
from winnow.objectives.divergence import chance, check_loss, check_movement, guessing_accuracy, guessing_loss
from winnow.objectives.errors import Diverged
from winnow.objectives.evaluation import class_weights_of, losses
from winnow.objectives.hyperparameters import make_config
from winnow.records import Epoch

LABELS = torch.arange(1000) % 10
STEPS = 100


def epoch(loss: float, train_accuracy: float | None = 0.1, validation_accuracy: float | None = 0.1) -> Epoch:
    return Epoch(1, 0.1, loss, train_accuracy, validation_accuracy=validation_accuracy)


def data(targets: torch.Tensor = LABELS, classes: int = 10) -> Data:
    split = Split(torch.zeros(len(targets), 1), targets)
    return Data("labels", "", split, split, classes, (1,), torch.zeros(1), torch.ones(1), "")


def test_guessing_costs_the_entropy_of_the_classes_or_the_mean_square() -> None:
    assert guessing_loss(data()) == pytest.approx(math.log(10))
    assert guessing_loss(data(torch.tensor([0, 0, 0, 1]), 2)) == pytest.approx(0.5623, abs=1e-4)
    assert guessing_loss(data(torch.tensor([[3.0], [-1.0]]), 0)) == 5


RARE = torch.tensor([0] * 19 + [1])


@pytest.mark.parametrize(
    "values",
    [{}, {"class_weights": "balanced"}, {"class_weights": "sqrt", "label_smoothing": 0.1}, {"label_smoothing": 0.3}],
    ids=str,
)
def test_guessing_is_the_blind_answer_that_the_trainings_own_loss_prefers(values: dict[str, Any]) -> None:
    config, counted = make_config(values), data(RARE, 2)
    weights = class_weights_of(config, counted)
    answers = torch.linspace(-8, 8, 3201)
    own, plain = zip(
        *(
            losses(torch.tensor([[0.0, answer]]).expand(20, 2), RARE, config.label_smoothing, weights)
            for answer in answers.tolist()
        ),
        strict=True,
    )
    assert guessing_loss(counted, config) == pytest.approx(plain[int(torch.stack(own).argmin())].item(), abs=0.01)


def test_guessing_is_even_where_each_class_is_drawn_as_often() -> None:
    for values in ({"balanced_sampling": True}, {"class_weights": "balanced"}, {"focal_gamma": 2.0}):
        assert guessing_loss(data(RARE, 2), make_config(values)) == pytest.approx(math.log(2))
    assert guessing_accuracy(data(RARE, 2)) == 0.95
    assert guessing_accuracy(data(RARE[:, None].float(), 0)) is None


def test_chance_is_the_largest_class_and_three_errors() -> None:
    assert chance(LABELS) == pytest.approx(0.1 + 3 * math.sqrt(0.09 / 1000))
    assert chance(torch.tensor([1, 1, 1, 0])) > 0.75


@pytest.mark.parametrize("loss", [math.nan, math.inf, 47.0])
def test_a_loss_that_is_no_number_or_exploded_is_told(loss: float) -> None:
    with pytest.raises(Diverged, match=f"the training loss is {loss:g} at step 50"):
        check_loss(loss, math.log(10), "training", "at step 50")


def test_a_loss_that_is_merely_high_is_borne() -> None:
    check_loss(45.0, math.log(10), "training", "at step 50")


DEAD = [2.305, 2.31, 2.308, 2.304, 2.309, 2.306]


def test_accuracy_and_loss_that_do_not_move_are_told() -> None:
    with pytest.raises(Diverged, match=r"stayed at chance for 5 epochs \(0.100 .* in epoch 6\) .* at 2\.306"):
        check_movement([epoch(loss) for loss in DEAD], data(), STEPS, math.log(10))


@pytest.mark.parametrize(
    ("curve", "steps"),
    [
        ([epoch(loss) for loss in DEAD[:5]], STEPS),
        ([epoch(2.31 - 0.0001 * number) for number in range(6)], STEPS),
        ([epoch(loss) for loss in (2.310, 2.309, 2.311, 2.308, 2.306, 2.307)], STEPS),
        ([epoch(loss, train_accuracy=0.15) for loss in DEAD], STEPS),
        ([epoch(loss, validation_accuracy=0.15) for loss in DEAD], STEPS),
        ([epoch(loss) for loss in DEAD], 10),
    ],
    ids=[
        "too few epochs to tell",
        "falls a little every epoch",
        "has fallen by a thousandth",
        "training data above chance",
        "validation data above chance",
        "too few steps to tell",
    ],
)
def test_a_run_that_may_yet_learn_is_left_alone(curve: list[Epoch], steps: int) -> None:
    check_movement(curve, data(), steps, math.log(10))


def test_a_rare_class_is_learned_though_accuracy_is_below_that_of_the_other() -> None:
    """As Adam did on one digit against all others with balanced weights: AUROC 0.987."""
    rare, settled = data(RARE.repeat(60), 2), [epoch(loss, 0.943, 0.956) for loss in (0.3, *[0.197, 0.198] * 4)]
    check_movement(settled, rare, STEPS, guessing_loss(rare, make_config({"class_weights": "balanced"})))
    with pytest.raises(Diverged):
        check_movement(settled, rare, STEPS, guessing_loss(rare))


def test_a_regression_has_no_chance() -> None:
    regression = data(LABELS[:, None].float(), 0)
    check_movement([epoch(loss, None, None) for loss in DEAD], regression, 9, 5.0)
