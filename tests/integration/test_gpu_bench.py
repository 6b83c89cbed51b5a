"""`bench/gpu.py`, the script for the day on which there is a GPU, as far as it runs without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gpu import wrong

ROOT = Path(__file__).parents[2]


def test_it_checks_first_and_leaves_one_file(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "bench.gpu", "--device", "cpu", "--quick", "--seconds", "800", "--out", str(out)]
    subprocess.run([*command, "--only", "environment,correctness"], cwd=ROOT, check=True)
    figures = json.loads(out.read_text())
    assert figures["environment"]["torch"]
    checks = figures["correctness"]
    assert checks["as_on_the_cpu"]["ok"] is True
    assert checks["resume"]["ok"] is True
    assert {checks[name]["why"] for name in ("pinning", "poisoned", "out_of_memory")} == {"on a GPU only"}


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    checks = {"resume": {"ok": False}, "poisoned": {"error": "RuntimeError: no"}, "pinning": {"ok": None, "why": "CPU"}}
    out.write_text(json.dumps({"correctness": checks, "rates": {"error": "KeyError: 1"}, "peak": {"bf16": 1.0}}))
    assert wrong(out) == ["rates: KeyError: 1", "resume: not ok", "poisoned: RuntimeError: no"]
    assert "WRONG  resume: not ok" in capsys.readouterr().out
