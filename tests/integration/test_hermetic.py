"""Tests give the same results whatever the environment holds of the developer who runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBJECT_TO_IT = (
    *("tests/unit/test_cli.py", "tests/unit/test_study.py", "tests/unit/test_devices.py"),
    *("tests/unit/test_status_screen.py", "tests/unit/test_data.py", "tests/integration/test_failures.py"),
    "tests/integration/test_signals.py::test_a_worker_that_is_told_to_leave_keeps_its_epochs",
)


def test_the_developers_environment_changes_no_result(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in (".config", ".cache", ".aws"):
        (home / folder).mkdir(parents=True)
        (home / folder / "config").write_text("[default]\nregion = nowhere\n")
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    for name in ("storage", "search", "objectives", "mine", "example_study"):
        (shadow / f"{name}.py").write_text("raise SystemExit('the developer has a module of this name')\n")
    hostile = {
        "WINNOW_FILES": "/nowhere/at/all",
        "WINNOW_CACHE": "/nowhere/at/all",
        "WINNOW_DEBUG": "1",
        "WINNOW_CHECK_JSON": "1",
        "WINNOW_RUN_WORKERS": "0",
        "WINNOW_RUN_TRIALS": "1",
        "OPTUNA_STORAGE": "postgresql://nobody:secret@127.0.0.1:1/none",
        "OPTUNA_STORAGE_PASSWORD_FILE": "/nowhere/at/all",
        "CUDA_VISIBLE_DEVICES": "7",
        "OMP_NUM_THREADS": "13",
        "SLURM_JOB_ID": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "PGHOST": "127.0.0.1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Kathmandu",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "COLUMNS": "31",
        "FORCE_COLOR": "1",
        "HOME": str(home),
        "PYTHONPATH": str(shadow),
    }
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh", sys.executable, "-m", "pytest", "-q", *SUBJECT_TO_IT],
        cwd=ROOT,  # as nohup and the background of a script start it: deaf to what the tests send
        env={**os.environ, **hostile},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
