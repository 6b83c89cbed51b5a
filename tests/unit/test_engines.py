"""What is asked of a cluster's database, as a person gives it: what would be submitted, and what is refused."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from winnow.search.cli.main import cli

URL = "postgresql://me:hunter2@db.example/winnow"
SPEC = """
name = "s"
[data]
name = "digits"
[budget]
trials = 4
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "s.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)

    def run(*options: str, url: str = URL, **environment: str) -> Result:
        return CliRunner().invoke(cli, ["run", "s.toml", *options], env={"OPTUNA_STORAGE": url, **environment})

    return run


def test_what_slurm_would_get_can_be_read_and_holds_no_password(run, tmp_path: Path) -> None:
    options = ["--gpus", "8", "--time", "4:00:00", "--partition", "a100", "--sbatch=--account=vision", "--dry-run"]
    told = run("--engine", "slurm", *options)
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[0] == "#!/bin/bash"
    for option in ("array=0-7", "gres=gpu:1", "time=4:00:00", "partition=a100", "requeue", "signal=B:TERM@120"):
        assert f"#SBATCH --{option}" in lines
    assert "#SBATCH --account=vision" in lines
    assert f'#SBATCH --output="{tmp_path}/winnow.files/logs/s-%A_%a.log"' in lines
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith(" -m winnow.search.launch.engines.slurm_task s --device cuda --grace-seconds 5")
    assert "hunter2" not in told.output
    assert list(tmp_path.iterdir()) == [tmp_path / "s.toml"], "nothing is written"


def test_workers_without_a_gpu(run) -> None:
    told = run("--engine", "slurm", "--workers", "3", "--dry-run").output
    assert "#SBATCH --array=0-2" in told
    assert "gres" not in told
    assert "--time" not in told, "the partition's own limit"
    assert told.endswith("s --device cpu --grace-seconds 5\n")


@pytest.mark.parametrize("time", ["5", "5:00", "0:05:00", "0-1", "1-12:30", "2-00:00:30", "300"])
def test_time_limits_as_slurm_writes_them(run, time: str) -> None:
    assert f"--time={time}\n" in run("--engine", "slurm", "--gpus", "1", "--time", time, "--dry-run").output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--time", "4"], "--time 4 is 4 minutes to Slurm"),
        (["--time", "4:59"], "hours are written 4:00:00"),
        (["--time", "four"], "--time four is not a time limit"),
        (["--sbatch", "account"], "is not an option of sbatch"),
        (["--workers", "2"], "give either --gpus for workers with one GPU each or --workers"),
    ],
)
def test_what_slurm_could_not_use(run, options: list[str], says: str) -> None:
    refused(run("--engine", "slurm", "--gpus", "2", *options, "--dry-run"), says)


def test_a_file_is_no_storage_for_many_machines(run, tmp_path: Path) -> None:
    for more in ([], ["--dry-run"]):
        told = run("--engine", "slurm", "--gpus", "2", *more, url="sqlite:///mine.db")
        refused(told, "sqlite:///mine.db is a local file", "postgresql://")
    assert not (tmp_path / "mine.db").exists()


def test_an_engine_that_is_not_installed(run) -> None:
    told = run("--engine", "slurm", "--gpus", "2", PATH="/nowhere")
    refused(told, "Slurm's sbatch is not installed here")


def test_what_ray_would_get_can_be_read(run) -> None:
    told = run("--engine", "ray", "--gpus", "8", "--address", "head:6379", "--dry-run")
    assert told.exit_code == 0, told.output
    assert "8 detached actors" in told.output
    assert "head:6379, each with 1 GPU" in told.output
    assert "winnow work s --device cuda" in told.output
    assert "hunter2" not in told.output


def test_an_option_of_another_engine(run) -> None:
    for option in (["--time", "4:00:00"], ["--gpus", "2"], ["--dry-run"]):
        refused(run(*option), f"{option[0]} has no effect with --engine local")
    refused(run("--engine", "ray", "--gpus", "2", "--time", "1:00:00"), "--time has no effect with --engine ray")
    refused(
        run("--engine", "slurm", "--gpus", "2", "--slots", "2"),
        "--devices and --slots are for the devices of this machine",
    )


def test_an_engine_whose_package_is_not_installed(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(run("--engine", "ray", "--gpus", "2"), "Ray is not installed here; pip install 'winnow-hpo[ray]'")


def refused(told: Result, *says: str) -> None:
    assert told.exit_code == 2
    (sentence,) = told.output.splitlines()
    assert sentence.startswith("winnow: ")
    for words in says:
        assert words in sentence
