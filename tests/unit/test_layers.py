import pytest
import torch

from objectives.layers import Dropout, use_generator


def dropout(p: float, seed: int = 0) -> Dropout:
    layer = Dropout(p)
    use_generator(layer, torch.Generator().manual_seed(seed))
    return layer


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.95])
def test_dropout_drops_a_share_p_and_keeps_the_mean(p: float) -> None:
    x = torch.ones(1000, 1001)
    dropped = dropout(p)(x)
    taken = round(p * 256) / 256
    assert float((dropped == 0).float().mean()) == pytest.approx(taken, abs=0.002)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    assert dropped.max().item() == pytest.approx(1 / (1 - taken))


def test_each_of_the_eight_bytes_of_a_draw_is_independent() -> None:
    kept = (dropout(0.5)(torch.ones(100_000, 8)) > 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(8, dtype=torch.double)
    assert float(correlation.abs().max()) < 0.02


def test_dropout_does_the_same_to_the_gradient() -> None:
    x = torch.randn(5, 7, requires_grad=True)
    y = dropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x, y)


def test_dropout_takes_images_in_either_memory_layout() -> None:
    x = torch.ones(4, 3, 5, 6).to(memory_format=torch.channels_last)
    dropped = dropout(0.5)(x)
    assert dropped.is_contiguous(memory_format=torch.channels_last)
    assert 0 < int((dropped == 0).sum()) < x.numel()


def test_dropout_is_nothing_in_evaluation_and_at_p_0() -> None:
    x = torch.randn(3, 3)
    assert dropout(0.5).eval()(x) is x
    assert dropout(0.0)(x) is x
    assert dropout(0.001)(x) is x


def test_dropout_draws_from_the_generator_that_it_was_given() -> None:
    x = torch.ones(10, 10)
    assert torch.equal(dropout(0.5, seed=1)(x), dropout(0.5, seed=1)(x))
    assert not torch.equal(dropout(0.5, seed=1)(x), dropout(0.5, seed=2)(x))
