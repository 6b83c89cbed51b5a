"""Each recipe is a spec that is right, and one of its strongest configurations trains."""

from pathlib import Path

import pytest

from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.space import Choice, hyperparameter
from winnow.objectives.training import train
from winnow.search.study import validation

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_is_right_and_all_that_it_may_switch_on_trains(file: Path) -> None:
    spec = validation.read(file)
    assert spec.name == file.stem
    values = dict(spec.fixed)
    for parameter, entry in spec.space.items():
        most = max(entry.choices, key=str) if isinstance(entry, Choice) else entry.nearest(entry.high)
        values[hyperparameter(parameter)] = True if most is False or most is True else most
    data = load(DataSpec("digits", train=40, validation=40))
    config = make_config({**values, "batch_size": 20, "epochs": 1, "lr": 1e-3, "metric": spec.metric})
    assert train(config, data, lambda *_: None).value >= 0


def test_every_recipe_is_described() -> None:
    text = (RECIPES[0].parent / "README.md").read_text()
    assert all(f"]({file.name})" in text for file in RECIPES)
    assert len(RECIPES) == 3
