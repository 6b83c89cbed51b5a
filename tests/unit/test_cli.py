"""The command line where no process need be started: what it imports, prints and takes from the environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from example_spec import SPEC
from winnow.search.cli.main import COMMANDS, cli


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "s.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return "s.toml"


def test_the_help_lists_every_command_by_its_own_first_words() -> None:
    told = CliRunner().invoke(cli, ["--help"], terminal_width=120).output
    context = click.Context(cli)
    for name, (_, _, line) in COMMANDS.items():
        assert f"{name}  " in told
        assert line in " ".join(told.split())
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_a_command_that_is_not_there_is_refused() -> None:
    told = CliRunner().invoke(cli, ["serach"])
    assert told.exit_code == 2
    assert "No such command 'serach'" in told.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, winnow.search.cli.main\n"
        "winnow.search.cli.main.cli(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'optuna', 'plotly', 'sqlalchemy', 'numpy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_check_says_what_would_be_searched(spec: str) -> None:
    told = CliRunner().invoke(cli, ["check", spec])
    assert told.exit_code == 0
    assert "s.toml is valid: s searches lr with sampler tpe and pruner asha, 4 trials." in told.output
    whole = "without [pruner] audit nobody sees how often the pruner errs; audit = 0.1 lets a tenth finish.\n"
    assert whole in told.output, "in a pipe no line is broken"
    assert json.loads(CliRunner().invoke(cli, ["check", spec, "--json"]).output)["search"]["lr"]["high"] == 0.1


@pytest.mark.parametrize("command", ["check", "create", "run"])
def test_what_is_wrong_with_ones_own_objective_is_said_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def train(trial):\n    return None\n")
    (tmp_path / "s.toml").write_text('name = "hunt"\nobjective = "mine:train"\nbudget = { trials = 2 }\n')
    told = CliRunner().invoke(cli, [command, "s.toml"])
    assert told.exit_code == 2
    assert told.output.startswith("winnow: s.toml: objective: mine:train returns None")
    assert not (tmp_path / "winnow.db").exists()


def test_an_import_that_the_system_ends_is_called_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)  # as without memory\n")
    (tmp_path / "s.toml").write_text('name = "hunt"\nobjective = "mine:train"\nbudget = { trials = 2 }\n')
    told = CliRunner().invoke(cli, ["check", "s.toml"])
    assert told.exit_code == 2
    said = "objective: the process that imports mine:train was killed by SIGKILL; see that there is memory for it"
    assert said in " ".join(told.output.split())


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("folder", "folder: Is a directory; name a file in it"),
        ("s.toml/r", "s.toml/r: Not a directory; a file is where a folder is needed"),
        ("r" * 300, "File name too long; name it in fewer letters"),
        pytest.param(
            "kept/r",
            "kept: Permission denied; name a place where this user may read and write",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere"),
        ),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        *("report none --output", "run s.toml --report", "augmentations s.toml --output", "new digits --output"),
        *("export none --output", "confirm none --export"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_before_anything_is_computed(
    spec: str, tmp_path: Path, command: str, place: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "kept").mkdir(mode=0o500)
    if place == "folder" and command.split()[0] in ("export", "confirm"):
        place, why = "s.toml", "s.toml: Not a directory; a file is where a folder is needed"
    told = CliRunner().invoke(cli, [*command.split(), place])
    assert told.exit_code == 2
    assert told.output.startswith("winnow: ")
    assert why in told.output
    assert not (tmp_path / "winnow.db").exists()


def test_the_default_place_of_a_report_is_looked_at_too(spec: str, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    told = CliRunner().invoke(cli, ["run", spec])
    assert (told.exit_code, (tmp_path / "winnow.db").exists()) == (2, False)
    assert told.output.startswith("winnow: reports/s.html: Not a directory;")


def test_a_storage_that_can_be_none_is_refused(spec: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    told = CliRunner().invoke(cli, ["create", spec, "--storage", "sqlite:///folder"])
    assert told.output == "winnow: the storage folder is a folder; name a file in it: sqlite:///folder/winnow.db\n"
    told = CliRunner().invoke(cli, ["create", spec, "--storage", f"sqlite:///{spec}"])
    assert told.output.endswith("s.toml is another kind of file; name one that SQLite made, or a new one\n")


def test_a_trial_that_is_not_there_is_told_from_a_study_without_trials(tmp_path: Path, spec: str) -> None:
    (tmp_path / "mine.py").write_text("def train(trial):\n    return 1.0\n")
    (tmp_path / "own.toml").write_text('name = "own"\nobjective = "mine:train"\nbudget = { trials = 2 }\n')
    for file in (spec, "own.toml"):
        assert CliRunner().invoke(cli, ["create", file]).exit_code == 0
    for study, known in (("s", "it has trials 0 to 0"), ("own", "it has none yet")):
        for command in (["replay", study, "7"], ["report", study, "--trials", "7"], ["ablate", study, "--from", "7"]):
            told = CliRunner().invoke(cli, command)
            assert told.output == f"winnow: the study '{study}' has no trial 7; {known}\n"


def test_every_option_has_an_environment_twin(spec: str) -> None:
    told = CliRunner().invoke(cli, ["check", spec], env={"WINNOW_CHECK_JSON": "1"})
    assert json.loads(told.output)["name"] == "s"
    told = CliRunner().invoke(cli, ["create", spec], env={"OPTUNA_STORAGE": "sqlite:///twin.db"})
    assert told.exit_code == 0, told.output
    assert Path("twin.db").exists()


def test_status_of_a_study_that_has_not_begun(spec: str) -> None:
    runner = CliRunner(env={"OPTUNA_STORAGE": "sqlite:///mine.db"})
    assert runner.invoke(cli, ["create", spec]).exit_code == 0
    assert Path("mine.db").exists()
    told = runner.invoke(cli, ["status", "s"]).output
    assert "s: 1 waiting" in told
    assert "best none yet" in told
    assert "baseline" not in told
    numbers = json.loads(runner.invoke(cli, ["status", "s", "--json"]).output)
    assert (numbers["done"], numbers["states"], numbers["best"]) == (False, {"WAITING": 1}, None)


def test_check_shows_what_a_folder_of_images_holds(tmp_path: Path) -> None:
    for name, count in (("cat", 20), ("dog", 30)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (6, 4 + number % 3)).save(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "pets" / "dog" / "notes.txt").write_text("woof")
    spec = tmp_path / "s.toml"
    spec.write_text(
        'name = "s"\nobjective = "classification"\n'
        f'[data]\nname = "image_folder"\npath = "{tmp_path / "pets"}"\n'
        "[fixed]\nmodel = 'mlp'\nbatch_size = 8\n"
        "[search]\nlr = { low = 1e-3, high = 0.1, log = true }\n[budget]\ntrials = 4\n"
    )
    told = " ".join(CliRunner().invoke(cli, ["check", str(spec)]).output.split())
    assert "class train validation test cat 14 2 4 dog 22 2 6 2 classes 36 4 10" in told
    assert "Images are 6 x 4 to 6 x 6 pixels, of those looked at." in told
    assert "Skipped 1: no image by its name (.txt), such as" in told
    images = json.loads(CliRunner().invoke(cli, ["check", str(spec), "--json"]).output)["images"]
    assert images["classes"][0] == {"name": "cat", "train": 14, "validation": 2, "test": 4}


def test_a_folder_in_place_of_a_spec_leads_to_the_command_that_writes_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    told = CliRunner().invoke(cli, ["run", str(tmp_path / "photos")])
    assert told.exit_code == 2
    assert f"it is a folder; write a spec of its images: winnow new {tmp_path / 'photos'}" in told.output


def test_a_study_is_read_where_its_images_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (6, 6)).save(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "s.toml").write_text(
        'name = "s"\n[data]\nname = "image_folder"\npath = "pets"\n[fixed]\nmodel = "mlp"\nbatch_size = 8\n'
        "[search]\nlr = { low = 1e-3, high = 0.1, log = true }\n[budget]\ntrials = 4\n"
    )
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"OPTUNA_STORAGE": f"sqlite:///{tmp_path}/mine.db"})
    assert runner.invoke(cli, ["create", "s.toml"]).exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    told = runner.invoke(cli, ["status", "s"])
    assert (told.exit_code, "s: 1 waiting" in told.output) == (0, True), told.output


def test_ready_studies_are_listed_with_their_question_and_cost_and_run_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(CliRunner().invoke(cli, ["studies", "--json"]).output)
    assert all(row["question"].endswith("?") for row in told)
    costs = {row["name"]: row["cost"] for row in told}
    assert costs["d_two_moons"] == "37 trials of 10 passes over 5,333 examples"
    assert costs["c_regression_1d"] == "11 trials of 10,000 passes over 10 examples"
    assert "digits searches" in CliRunner().invoke(cli, ["check", "digits"]).output
    wrong = CliRunner().invoke(cli, ["check", "digts"])
    assert wrong.exit_code
    assert "did you mean 'digits'?" in wrong.output
    (tmp_path / "digits").write_text("name = 1")
    assert "digits:" in CliRunner().invoke(cli, ["check", "digits"]).output, "a file comes before a ready study"
