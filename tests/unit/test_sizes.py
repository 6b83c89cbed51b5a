"""What a network costs, layer by layer, beside what is counted by hand."""

from click.testing import CliRunner

from winnow.objectives.hyperparameters import make_config
from winnow.objectives.models.sizes import layers
from winnow.search.cli.main import cli


def test_smallnet_costs_what_system_b_says_of_it() -> None:
    found = layers(make_config(model="smallnet"), (3, 32, 32), 100)
    assert sum(layer.parameters for layer in found) == 996_376
    first, *_, last = found
    assert (first.kind, first.output) == ("Conv2d", (32, 32, 32))
    assert first.multiply_adds == 32 * 3 * 9 * 32 * 32
    assert last.multiply_adds == 420 * 100
    assert all(layer.multiply_adds == 0 for layer in found if layer.kind.startswith("BatchNorm"))


def test_a_bottleneck_costs_a_part_of_a_plain_block() -> None:
    shape = {"model": "resnet", "filters": [64], "depth": 4, "pool_every": 4}
    both = (layers(make_config({**shape, "bottleneck": b}), (3, 32, 32), 10) for b in (False, True))
    plain, narrow = ([layer for layer in each if layer.kind == "Conv2d"] for each in both)
    for cost in ("parameters", "multiply_adds"):
        assert sum(getattr(each, cost) for each in narrow) < sum(getattr(each, cost) for each in plain) / 2


def test_the_command_shows_them_and_what_a_change_makes_of_them() -> None:
    told = CliRunner().invoke(cli, ["layers", "d_two_moons", "--with", "widths=[8]", "--with", "depth=2"])
    assert told.exit_code == 0, told.output
    assert told.output.split()[-2:] == [f"{2 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2}", f"{2 * 8 + 8 * 8 + 8 * 2}"]
    wrong = CliRunner().invoke(cli, ["layers", "d_two_moons", "--with", "widths"])
    assert "is no NAME=VALUE" in wrong.output
