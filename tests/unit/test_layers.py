import pytest
import torch

from winnow.objectives.models.layers import DropBlock, Dropout, Dropout2d, RandomLayer, use_generator


def seeded(layer: RandomLayer, seed: int = 0) -> RandomLayer:
    use_generator(layer, torch.Generator().manual_seed(seed))
    return layer


def dropout(p: float, seed: int = 0) -> RandomLayer:
    return seeded(Dropout(p), seed)


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


KINDS = [Dropout(0.5), Dropout2d(0.5), DropBlock(0.5, 3)]


@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: type(layer).__name__)
def test_dropout_is_nothing_in_evaluation(layer: RandomLayer) -> None:
    x = torch.randn(2, 3, 8, 8)
    layer.eval()
    assert layer(x) is x
    layer.train()


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.001), Dropout2d(0.0), DropBlock(0.0, 3)])
def test_dropout_is_nothing_at_p_0(layer: RandomLayer) -> None:
    x = torch.randn(2, 3, 8, 8)
    assert layer(x) is x


@pytest.mark.parametrize("layer", KINDS, ids=lambda layer: type(layer).__name__)
def test_dropout_draws_from_the_generator_that_it_was_given(layer: RandomLayer) -> None:
    x = torch.ones(4, 3, 8, 8)
    first, second, other = (seeded(layer, seed)(x) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_dropout2d_drops_whole_channels() -> None:
    dropped = seeded(Dropout2d(0.3))(torch.ones(200, 100, 2, 2)).flatten(2)
    assert torch.equal(dropped.amin(2), dropped.amax(2))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)


def test_dropblock_drops_whole_squares_about_a_share_p_in_all() -> None:
    dropped = seeded(DropBlock(0.1, 3))(torch.ones(50, 20, 16, 16))
    gone = (dropped == 0).float()
    # Squares overlap, so that a little less than p is covered.
    assert 0.08 < float(gone.mean()) < 0.1
    assert float(dropped.mean()) == pytest.approx(1, abs=1e-4)
    # Every value that is gone lies in some 3x3 square that is gone: eroding and growing again changes nothing.
    whole = -torch.nn.functional.max_pool2d(-gone, 3, stride=1)
    padded = torch.nn.functional.pad(whole, (2, 2, 2, 2))
    assert torch.equal(torch.nn.functional.max_pool2d(padded, 3, stride=1), gone)


def dropped_by_the_papers_steps(p: float, size: int, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """What DropBlock drops, by algorithm 1 of Ghiasi et al., step by step; bool, of the shape of `x`."""
    height, width = x.shape[2:]
    valid = (height - size + 1, width - size + 1)
    gamma = p / size**2 * height * width / (valid[0] * valid[1])  # equation 1
    gone = torch.zeros(x.shape, dtype=torch.bool)
    for image, channel, top, left in (torch.rand(*x.shape[:2], *valid, generator=generator) < gamma).nonzero().tolist():
        gone[image, channel, top : top + size, left : left + size] = True
    return gone


def test_dropblock_drops_each_place_as_often_as_the_paper_does() -> None:
    x = torch.ones(400, 16, 9, 11).to(memory_format=torch.channels_last)
    ours = seeded(DropBlock(0.15, 3))(x) == 0
    theirs = dropped_by_the_papers_steps(0.15, 3, x, torch.Generator().manual_seed(1))
    # 6,400 draws of each place, of which up to a sixth are gone: a deviation of the difference is at most 0.0066.
    assert float((ours.float().mean((0, 1)) - theirs.float().mean((0, 1))).abs().max()) < 5 * 0.0066
    # How much of an image's channel is gone varies as much too: 0, 1 or more squares.
    for share in (0.0, 0.05, 0.1, 0.2, 0.3):
        mine, its = ((gone.float().mean((2, 3)) <= share).float().mean() for gone in (ours, theirs))
        assert float(mine) == pytest.approx(float(its), abs=5 * 0.009)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dropblock_keeps_the_layout_and_drops_whole_squares_in_it(layout: torch.memory_format) -> None:
    x = torch.ones(3, 5, 6, 7).to(memory_format=layout)
    dropped = seeded(DropBlock(0.2, 2))(x)
    assert dropped.is_contiguous(memory_format=layout)
    gone = (dropped == 0).float()
    whole = -torch.nn.functional.max_pool2d(-gone, 2, stride=1)
    padded = torch.nn.functional.pad(whole, (1, 1, 1, 1))
    assert 0 < int(gone.sum()) < gone.numel()
    assert torch.equal(torch.nn.functional.max_pool2d(padded, 2, stride=1), gone)


def test_dropblock_takes_an_image_smaller_than_its_square() -> None:
    assert seeded(DropBlock(0.5, 7))(torch.ones(4, 3, 2, 5)).shape == (4, 3, 2, 5)
