"""The main job on real data: search, record, replay, confirm; and the same objective without any service."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import winnow
from integration.winnow import Place, wait_for
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.space import Range
from winnow.objectives.training_objective import TrainingObjective
from winnow.records import METRICS, Outcome
from winnow.storage import Storage, claims, designs, endings, epochs, ledger

SPEC = """
name = "digits"
[data]
name = "digits"
validation = 0.2
[fixed]
model = "mlp"
widths = [32]
epochs = 3
crop_padding = 1
{fixed}
[search]
lr = {{ low = 1e-2, high = 3e-2, log = true }}
dropout = {{ low = 0.1, high = 0.3 }}
crop = {{ choices = [true, false] }}
[pruner]
name = "none"
[budget]
trials = {trials}
"""


def write(place: Place, trials: int, fixed: str = "") -> str:
    (place.folder / "digits.toml").write_text(SPEC.format(trials=trials, fixed=fixed))
    return "digits.toml"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished search of five trials, all of which learn faster than the baseline."""
    place = Place(tmp_path_factory.mktemp("digits"))
    done = place.run("run", write(place, trials=5), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "winnow confirm digits" in done.stdout
    return place


def test_the_baseline_comes_first_and_regularises_nothing(searched: Place) -> None:
    baseline = searched.study("digits").trials[0]
    assert baseline.user_attrs["winnow:baseline"] is True
    assert baseline.params["dropout"] == 0.1, "clamped into its range for Optuna"
    config = baseline.user_attrs["winnow:config"]
    assert (config["dropout"], config["weight_decay"], config["lr"]) == (0.0, 0.0, 1e-3)


def test_a_trial_records_enough_to_repeat_it(searched: Place) -> None:
    trial = searched.study("digits").trials[1]
    assert trial.user_attrs["winnow:config"]["epochs"] == 3
    assert trial.user_attrs["winnow:training"].keys() >= {
        "parameters",
        "data_fingerprint",
        "device",
        "threads",
        "torch",
    }
    assert trial.user_attrs["winnow:run"].keys() >= {
        *("worker", "host", "device", "wall_seconds", "device_seconds", "peak_memory_bytes", "versions", "git_commit")
    }
    storage = searched.storage()
    rows = epochs.read(storage.database, storage.get_study_id_from_name("digits"))[1]
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.value for row in rows] == list(trial.intermediate_values.values())
    assert all(value is not None for row in rows for value in vars(row).values())
    frame = winnow.load_study("digits", storage=storage).to_dataframe("epochs")
    cheap = [f"metric.{name}" for name in ("auroc", "balanced_accuracy", "macro_f1", "top5")]
    assert [*frame.columns[:3], *sorted(frame.columns[3:])] == ["trial", "epoch", "value", *sorted([*METRICS, *cheap])]
    assert len(frame) == 15
    assert list(frame[frame.trial == 1].validation_loss) == [row.validation_loss for row in rows]


def test_replay_is_identical_to_the_bit(searched: Place) -> None:
    for number in (0, 3):
        done = searched.run("replay", "digits", str(number), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["differences"] == []


def test_confirm_reads_test_data_once_and_says_so(searched: Place) -> None:
    def entries() -> list[ledger.Entry]:
        return ledger.entries(searched.storage().database, "digits")

    assert entries() == [], "a search reads no test data"
    command = ("confirm", "digits", "--top", "2", "--seeds", "2", "--json")
    first = searched.run(*command, "--workers", "2", "--export", "winner")
    assert first.returncode == 0, first.stderr
    assert re.search(r"digits-confirm: \d+ trials on 2 workers \(.*\), about \d", first.stderr), "its cost, beforehand"
    numbers = json.loads(first.stdout)
    assert len(numbers["winner_on_test"]["scores"]) == len(numbers["baseline_on_test"]["scores"]) == 2
    seeds = {trial.user_attrs["winnow:config"]["seed"] for trial in searched.study("digits").trials}
    assert not seeds & set(numbers["seeds"]), "fresh seeds"
    assert len(entries()) == 1
    again = searched.run(*command)
    assert json.loads(again.stdout)["winner_on_test"] == numbers["winner_on_test"]
    assert len(entries()) == 1, "the same models are not read twice"

    # The exported folder stands by itself, anywhere and without Winnow: its script prints what its model card says.
    exported = (searched.folder / "winner").rename(searched.folder / "elsewhere")
    alone = f"import runpy, sys; sys.modules['winnow'] = None; runpy.run_path({str(exported / 'evaluate.py')!r})"
    done = subprocess.run([sys.executable, "-c", alone], cwd="/", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    score = f"{numbers['winner']['scores'][0]:.4f}"
    assert done.stdout == f"validation accuracy {score}\n"
    assert f"| this model | validation accuracy | {score} |" in (exported / "README.md").read_text()

    images = load_digits().images[:2]
    for place, image in enumerate(images):
        Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).save(searched.folder / f"{place}.png")
    told = [
        json.loads(searched.run("predict", of, "0.png", "1.png", "--json").stdout) for of in ("digits", "elsewhere")
    ]
    assert told[0] == told[1], "the study and the folder hold the same model"
    assert [list(row["classes"]) for row in told[0]] == [["0"], ["1"]]
    (searched.folder / "torn.png").write_bytes((searched.folder / "0.png").read_bytes()[:60])
    some = searched.run("predict", "elsewhere", "torn.png", "0.png", "1.png", "--json")
    assert (some.returncode, json.loads(some.stdout)) == (1, told[0])
    assert "torn.png is no image that can be read" in some.stderr
    none = searched.run("predict", "elsewhere", "torn.png")
    assert (none.returncode, none.stdout) == (2, "")


def test_one_seed_is_reported_without_an_interval(searched: Place) -> None:
    done = searched.run("confirm", "digits", "--top", "1", "--seeds", "1", "--json")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert numbers["gain"]["interval"] == [None, None]
    assert numbers["verdict"] == "inconclusive", "one seed has no spread"


def test_a_baseline_that_nothing_beats_is_measured_on_test_data(place: Place) -> None:
    spec = write(place, trials=3)
    content = (place.folder / spec).read_text().replace("low = 1e-2, high = 3e-2", "low = 1e-6, high = 2e-6")
    (place.folder / spec).write_text(content)
    assert place.run("run", spec, "--workers", "1").returncode == 0
    done = place.run("confirm", "digits", "--top", "1", "--seeds", "2", "--workers", "1", "--json")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert (numbers["winner_number"], numbers["winner_is_baseline"]) == (0, True)
    assert len(numbers["winner_on_test"]["scores"]) == 2
    low, high = numbers["on_new_data"]["winner"]
    assert low < numbers["winner_on_test"]["scores"][0] < high
    assert "gain" not in numbers["on_new_data"]


def test_ablate_trains_with_and_without_each_method(searched: Place) -> None:
    command = ("ablate", "digits", "--from", "1", "--to", "2", "--seeds", "2", "--looks", "1", "--workers", "2")
    waiting = searched.start(*command, "--method", "all of it=lr,dropout,crop", "--workers", "0")
    _die_at_the_first_trial(searched.storage(), "digits-ablation-1-2")
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=300)
    done = searched.run(*command, "--method", "all of it=lr,dropout,crop", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["complete"]
    assert list(found["methods"]) == ["all of it"]
    assert found["alone"][0]["runs"] == 4
    trials = searched.study("digits-ablation-1-2").trials
    opened = searched.storage()
    rows = designs.read(opened.database, opened.get_study_id_from_name("digits-ablation-1-2"))
    assert [trial.params for trial in trials] == [row.parameters for row in rows]
    assert trials[0].user_attrs["winnow:run"]["attempts"] == 2, "the first died with half of its row written"
    assert "winnow:artifact:weights" not in trials[0].user_attrs, "nobody will ask for its weights"
    with_all = next(trial for trial in trials if trial.params["all of it"])
    assert with_all.user_attrs["winnow:config"]["lr"] == searched.study("digits").trials[2].params["lr"]
    told = searched.run(*command, "--so-far", "--method", "all of it=lr,dropout,crop").stdout
    assert "Add one in: each method alone" in told


def _die_at_the_first_trial(opened: Storage, name: str) -> None:
    """Be a worker that dies while it takes up the first row of a design."""
    wait_for(lambda: name in [study.study_name for study in opened.get_all_studies()])
    study_id = opened.get_study_id_from_name(name)
    first = wait_for(lambda: designs.read(opened.database, study_id))[0].parameters
    lease = wait_for(lambda: claims.claim(opened.database, study_id, "dies"))
    assert lease.number == 0
    with opened.holding(lease):
        method = next(iter(first))
        sides = optuna.distributions.CategoricalDistribution([False, True])
        opened.set_trial_param(lease.trial_id, method, sides.to_internal_repr(first[method]), sides)
        endings.give_back(opened.database, lease, Outcome.TRAINER_DIED)


def test_two_objectives_give_a_front(place: Place) -> None:
    spec = write(place, trials=6)
    content = (place.folder / spec).read_text().replace("crop = {", "widths = { choices = [[8], [64]] }\ncrop = {")
    (place.folder / spec).write_text('against = "parameters"\n' + content.replace("widths = [32]\n", ""))
    done = place.run("run", spec, "--workers", "2")
    assert done.returncode == 0, done.stderr
    study = place.study("digits")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in study.trials:
        assert trial.values == [trial.intermediate_values[3], trial.user_attrs["winnow:training"]["parameters"]]
    points = json.loads(place.run("front", "digits", "--json").stdout)
    assert {point["number"] for point in points} <= {trial.number for trial in study.best_trials}


def test_a_diverging_trial_is_pruned_with_its_reason(place: Place) -> None:
    spec = write(place, trials=2, fixed='optimizer = "sgd"')
    content = (place.folder / spec).read_text().replace("low = 1e-2, high = 3e-2", "low = 1e37, high = 1e38")
    (place.folder / spec).write_text(content)
    done = place.run("run", spec, "--workers", "1")
    assert done.returncode == 0, done.stderr
    baseline, diverged = place.study("digits").trials
    assert baseline.state.name == "COMPLETE"
    assert diverged.state.name == "PRUNED"
    assert diverged.user_attrs["winnow:reason"].startswith("diverged: ")


def test_without_any_service_in_a_plain_study() -> None:
    study = optuna.create_study(direction="maximize")
    fixed = {"model": "mlp", "widths": [16], "epochs": 2}
    study.optimize(TrainingObjective(DataSpec("digits"), {"lr": Range(1e-3, 1e-1, log=True)}, fixed), n_trials=3)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert len(study.trials[0].user_attrs["winnow:epochs"]) == 2


def test_fashion_mnist_from_its_original_files(place: Place) -> None:
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    (place.folder / "fashion.toml").write_text(
        'name = "fashion"\n[data]\nname = "fashion_mnist"\ntrain = 500\nvalidation = 200\n'
        '[fixed]\nmodel = "cnn"\nepochs = 2\n[search]\nlr = { low = 1e-3, high = 1e-2 }\n[budget]\ntrials = 2\n'
    )
    done = place.run("run", "fashion.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    best = place.study("fashion").best_trial
    assert best.value is not None
    assert best.value > 0.4, "far from the 0.1 of guessing"
