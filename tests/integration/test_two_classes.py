"""A study of two classes, from its search to the answer whether a threshold repairs its test accuracy."""

from pathlib import Path

import numpy as np
import pytest

from integration.winnow import Place
from winnow.search.analysis import conclusions, questions, study_reader
from winnow.storage import ledger

SPEC = """
name = "moons"
[data]
name = "two_moons"
train = 800
validation = 200
[fixed]
model = "mlp"
widths = [8]
epochs = 4
batch_size = 50
optimizer = "sgd"
momentum = 0.9
[search]
lr = { choices = [0.05, 0.0005] }
[baseline]
lr = 0.0005
[sampler]
name = "grid"
[pruner]
name = "none"
[[question]]
asks = "Does a threshold repair it?"
kind = "threshold"
"""


def test_a_threshold_is_chosen_by_each_repetition_and_judged_on_test_data_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "moons.toml").write_text(SPEC)
    for command in (("run", "moons.toml"), ("confirm", "moons", "--top", "1", "--seeds", "2")):
        done = place.run(*command, "--workers", "1", OMP_NUM_THREADS="1")
        assert done.returncode == 0, done.stderr
    storage = place.storage()
    record = study_reader.load(storage, "moons")
    found = conclusions.load(storage, record)
    (entry,) = ledger.entries(storage.database, "moons")
    storage.database.release()

    confirmed = found.confirmation
    assert confirmed is not None
    by_score = {(row["score"], row["at_threshold"]) for row in entry.models}
    assert {*zip(confirmed.winner_on_test.scores, confirmed.winner_at_threshold.scores, strict=True)} <= by_score
    assert len(entry.models) == 4, "two of the winner, two of the baseline, all in one reading"
    assert confirmed.decision is not None
    assert np.sum(confirmed.decision.confusion(confirmed.decision.curve.chosen)) == 200

    (answer,) = questions.answer(record, found)
    change = np.subtract(confirmed.winner_at_threshold.scores, confirmed.winner_on_test.scores).mean()
    assert answer.sentences[0].startswith(
        f"The threshold that validation chooses changes test accuracy by {change:+.4f}"
    )
    assert f"over 2 trainings of trial {confirmed.winner_number}:" in answer.sentences[0]
    assert [row[0] for row in answer.rows] == ["0.5", "chosen on validation"]
    assert float(answer.rows[1][1].split()[0]) == pytest.approx(np.mean(confirmed.winner_at_threshold.scores), abs=1e-4)
