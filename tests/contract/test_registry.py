"""What docs/contributing.md says of adding one's own, done by its own words: checked, searched and trained."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import optuna
import pytest

from winnow.errors import SpecError
from winnow.objectives import registry
from winnow.objectives.definition import Hyperparameter
from winnow.objectives.errors import HyperparameterError
from winnow.search.study import validation

ROOT = Path(__file__).parents[2]
SPEC = """
name = "own"
extensions = ["mymodule"]
data = { name = "digits", train = 100, validation = 50 }
fixed = { model = "tiny", epochs = 1, batch_size = 50, optimizer = "adagrad", schedule = "linear", solarise = true }
budget = { trials = 2 }
sampler = { name = "nsga2", population_size = 3 }
pruner = { name = "threshold", lower = 0.0, n_warmup_steps = 1 }
[search]
tiny_width = { low = 2, high = 4 }
lr_decay = { low = 0.0, high = 0.1 }
solarise_p = { low = 0.1, high = 0.9 }
"""
IN_A_PROCESS = """
import json, torch
from pathlib import Path
from winnow.objectives.data.loading import load
from winnow.objectives.hyperparameters import DEFINITIONS, config_values, make_config
from winnow.objectives.methods import method_of
from winnow.objectives.training import train
from winnow.search.study import validation
spec = validation.read(Path("own.toml"))
config = make_config({**spec.fixed, "epochs": 2, "flip": True})
snapshots = []
data = load(spec.data_spec)
whole = train(config, data, lambda _, snapshot: snapshots.append(snapshot()))
again = train(config, data, lambda *_: None, snapshots[0])
names = ("solarise", "solarise_p", "tiny_width", "lr_decay", "last_share")
without = train(make_config({**config_values(config), "solarise": False}), data, lambda *_: None)
print(json.dumps({
    "same": all(torch.equal(whole.weights[name], again.weights[name]) for name in whole.weights),
    "differs": any(not torch.equal(whole.weights[name], without.weights[name]) for name in whole.weights),
    "lr": [epoch.lr for epoch in whole.epochs],
    "methods": [method_of(name) for name in names],
    "needs": [{key: list(values) for key, values in DEFINITIONS[name].needs.items()} for name in names],
    "meaning": DEFINITIONS["solarise"].meaning,
}))
"""
SEARCHED = """
import json
from pathlib import Path
from winnow.errors import SpecError
from winnow.search.study import validation
spec = validation.read(Path("own.toml"))
content = spec.model_dump(mode="json")
made = [type(made).__name__ for made in (spec.sampler.build(spec, 1), spec.pruner.build(spec))]
try:
    validation.check({**content, "sampler": {"name": "nsga2", "population_size": 1}}, "s.toml")
except SpecError as error:
    print(json.dumps({"made": made, "kept": content["sampler"], "refused": str(error)}))
"""


def place(folder: Path) -> None:
    text = (ROOT / "docs" / "contributing.md").read_text()
    (folder / "mymodule.py").write_text("\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))
    (folder / "own.toml").write_text(SPEC)


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPTUNA_STORAGE": f"sqlite:///{folder}/winnow.db"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_is_added_in_under_ten_lines() -> None:
    text = (ROOT / "docs" / "contributing.md").read_text()
    examples = re.findall(r"```python\n(@.*?)```", text, re.DOTALL)
    assert len(examples) == 6
    assert all(len(example.splitlines()) < 10 for example in examples)


def test_ones_own_is_trained_and_continued_like_what_is_built_in(tmp_path: Path) -> None:
    place(tmp_path)
    found = json.loads(run(tmp_path, "-c", IN_A_PROCESS))
    assert found["same"]
    assert found["differs"]
    assert found["lr"] == [pytest.approx(1e-3 * share) for share in (0.75, 0.25)]
    assert found["methods"] == ["augmentation", "augmentation", "architecture", "optimiser", "schedule"]
    assert found["needs"][1:] == [
        {"solarise": [True]},
        {"model": ["tiny"]},
        {"optimizer": ["adagrad"]},
        {"schedule": ["linear"]},
    ]
    assert found["meaning"] == "invert bright pixels at random"


def test_a_study_searches_ones_own(tmp_path: Path) -> None:
    place(tmp_path)
    run(tmp_path, "-m", "winnow", "run", "own.toml", "--workers", "1")
    study = optuna.load_study(study_name="own", storage=f"sqlite:///{tmp_path}/winnow.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
    assert set(study.trials[1].params) == {"tiny_width", "lr_decay", "solarise_p"}
    assert study.trials[1].user_attrs["winnow:config"]["solarise"] is True


def test_a_sampler_and_a_pruner_of_ones_own_are_checked_and_made(tmp_path: Path) -> None:
    place(tmp_path)
    found = json.loads(run(tmp_path, "-c", SEARCHED))
    assert found["made"] == ["NSGAIISampler", "ThresholdPruner"]
    assert found["kept"] == {"name": "nsga2", "population_size": 3}
    assert found["refused"].startswith("s.toml: [sampler] population_size: it should be greater than or equal to 2")


@pytest.mark.parametrize(
    ("module", "content", "words"),
    [
        ("nowhere", None, "'nowhere' is not there"),
        ("broken", "import nothing_of_that_name", "broken cannot be imported: ModuleNotFoundError"),
        ("faulty", "1 / 0", "faulty cannot be imported: ZeroDivisionError"),
    ],
)
def test_an_extension_that_cannot_be_imported_is_refused(
    module: str, content: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content:
        (tmp_path / f"{module}.py").write_text(content)
    with pytest.raises(SpecError, match=re.escape(f"extensions: {words}")):
        validation.check({"name": "s", "extensions": [module], "budget": {"trials": 1}}, "s.toml")


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(HyperparameterError, match="the optimiser 'sgd' is there already"):
        registry.optimizer("sgd")(lambda groups, lr: None)

    def clash(images: Any, draws: Any, *, momentum: Annotated[int, Hyperparameter("another")] = 1) -> Any:
        return images

    with pytest.raises(HyperparameterError, match="momentum of 'clash' is already another hyperparameter: momentum"):
        registry.augmentation("clash")(clash)
    assert "clash" not in registry.augmentation
