"""What a winner gets wrong: by class as scikit-learn counts it, the worst examples, and how they are drawn."""

import base64
import io
import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from example_conclusions import confirmed
from example_data import inputs_of
from winnow.objectives import mistakes, snapshots
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import config_values, make_config
from winnow.objectives.prediction import Model, describe
from winnow.objectives.trained_model import examine
from winnow.objectives.training import train
from winnow.search.report import confirmation

SPEC = DataSpec("digits", train=120, validation=200)


@pytest.fixture(scope="module")
def trained() -> tuple[dict[str, Any], Any]:
    config = make_config(epochs=2, batch_size=60, lr=0.01)
    return config_values(config), train(config, load(SPEC), lambda *_: None).weights


def test_each_class_and_the_surest_mistakes_are_what_the_model_predicts(trained: tuple[dict[str, Any], Any]) -> None:
    from sklearn.metrics import classification_report, confusion_matrix

    _, found = examine(SPEC, trained[0], snapshots.to_bytes(trained[1]))
    data = load(SPEC)
    model = Model(*trained, describe(data, [str(label) for label in range(10)]))
    targets, shares = data.validation.targets.numpy(), model.probabilities(data.validation.inputs)
    called = shares.argmax(1)
    assert found is not None
    assert found.confusion == confusion_matrix(targets, called).tolist()
    assert (found.examples, found.wrong) == (200, (called != targets).sum())
    report = classification_report(targets, called, output_dict=True, zero_division=0)
    for named in found.classes:
        expected = report[named.name]
        scores = (named.examples, named.precision, named.recall, named.f1)
        assert scores == pytest.approx([expected[name] for name in ("support", "precision", "recall", "f1-score")])
    assert [each.f1 for each in found.classes] == sorted(each.f1 for each in found.classes)
    wrong = np.flatnonzero(called != targets)
    surest = sorted(wrong, key=lambda place: -shares[place].max())[: mistakes.MOST_EXAMPLES]
    assert [each.place for each in found.worst] == surest
    for each in found.worst:
        assert (int(each.true), int(each.called)) == (targets[each.place], called[each.place])
        pixels = Image.open(io.BytesIO(base64.b64decode(each.picture.partition(",")[2])))
        assert np.array_equal(np.array(pixels), inputs_of(data.validation)[each.place, 0])
    text = json.dumps(asdict(found))
    assert mistakes.recorded(json.loads(text)) == found
    assert len(text) < 65_535  # what one attribute may take in every database


def test_they_are_drawn_and_tabled_whatever_a_class_is_called(trained: tuple[dict[str, Any], Any]) -> None:
    _, found = examine(SPEC, trained[0], snapshots.to_bytes(trained[1]))
    assert found is not None
    worst = [replace(each, true="<b>odd</b>") for each in found.worst]
    chapter = confirmation.chapter(replace(confirmed(), mistakes=replace(found, worst=worst)))
    drawn = {picture.name: picture for picture in chapter.pictures}
    sheet = drawn["mistakes"].figure
    assert sheet is not None
    assert [image.source for image in sheet.layout.images] == [each.picture for each in worst]
    assert all(words.text.startswith("&lt;b&gt;odd") for words in sheet.layout.annotations)
    assert chapter.tables[-1].headings == ["class", "examples", "precision", "recall", "F1"]
    assert len(chapter.tables[-1].rows) == 10


def test_a_regression_and_points_have_no_pictures_of_mistakes() -> None:
    for name, expected in (("regression_1d", None), ("two_moons", "")):
        spec = DataSpec(name, train=40, validation=400)
        config = make_config(epochs=1, batch_size=20, lr=1e-4)
        weights = snapshots.to_bytes(train(config, load(spec), lambda *_: None).weights)
        _, found = examine(spec, config_values(config), weights)
        assert (found and {each.picture for each in found.worst}) == (expected if expected is None else {expected})
    chapter = confirmation.chapter(replace(confirmed(), mistakes=found))
    assert "mistakes" not in {picture.name for picture in chapter.pictures}
