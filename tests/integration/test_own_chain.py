"""A model, data and a metric of one's own, from the search to a prediction: what one command leaves the next takes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import winnow
from integration.winnow import Place
from winnow.search.analysis.replay import replay

MODULE = """
import numpy as np
import torch
from torch import nn

def build(shape, classes, width: int = 8, dropout=0.0):
    convolution = nn.Conv2d(shape[0], width, 3, padding=1)
    return nn.Sequential(
        convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(4 * width, classes),
    )

def load(part):
    random = np.random.default_rng(len(part))
    labels = np.arange({"train": 90, "validation": 60, "test": 60}[part]) % 3
    pixels = random.integers(0, 160, (len(labels), 12, 12, 3), np.uint8)
    pixels[np.arange(len(labels)), :, :, labels] += 60
    return pixels, labels

load.class_names = ["red", "green", "blue"]

def worst_class(targets, probabilities):
    return min((probabilities.argmax(1) == targets)[targets == label].mean() for label in set(targets))
"""
SPEC = """
name = "s"
metric = "mine_of_a_chain:worst_class"
[data]
name = "mine_of_a_chain:load"
[fixed]
model = "mine_of_a_chain:build"
epochs = 1
batch_size = 30
[search]
lr = { low = 1e-3, high = 1e-1, log = true }
width = { low = 4, high = 16 }
[sampler]
name = "random"
[budget]
trials = 3
"""


@pytest.fixture
def here(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    (place.folder / "mine_of_a_chain.py").write_text(MODULE)
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("TMPDIR", str(place.folder))
    return place


def test_each_step_takes_what_the_one_before_left(here: Place) -> None:
    study = winnow.create_study(SPEC, here.url)
    study.run(workers=1)
    found = study.confirm(top=2, seeds=2, workers=1)
    assert len(found.winner_on_test.scores) == 2
    assert found.mistakes is not None
    assert {each.name for each in found.mistakes.classes} == {"red", "green", "blue"}
    ablated = study.ablate(seeds=2, looks=1, workers=1)
    assert {effect.method for effect in ablated.alone} >= {"learning rate"}
    assert ablated.failed == 0
    assert replay(study, 1).identical
    report = study.report(here.folder / "report.html").read_text()
    for words in ("Each class, by the winner", "Most wrongly classified" if found.mistakes.wrong else "red"):
        assert words in report
    study.export_model(here.folder / "winner")
    about = json.loads((here.folder / "winner" / "config.json").read_text())
    assert (about["metric"], about["inputs"]["class_names"]) == ("validation worst class", ["red", "green", "blue"])
    predicts(here.folder)


def predicts(folder: Path) -> None:
    """The exported folder and the study predict the same, from an image file."""
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[:, :, 2] = 200
    Image.fromarray(pixels).save(folder / "blue.png")
    exported, loaded = winnow.load_model(folder / "winner"), winnow.load_winner("s", f"sqlite:///{folder}/winnow.db")
    images = exported.read_images([folder / "blue.png"])
    assert images.shape == (1, 3, 12, 12)
    np.testing.assert_allclose(exported.probabilities(images), loaded.probabilities(images), rtol=1e-6)
