"""What Winnow does on one GPU, in one call: first whether it is right, then how fast; as much as its seconds allow.

    python3 -m bench.gpu --out gpu.json              # on the GPU
    python3 -m bench.gpu --device cpu --quick        # does the script itself work?

Needs torch and torchvision and no download: the images are made in memory. The section `service` runs Winnow's own
commands and is passed over where Optuna, pydantic, SQLAlchemy or plotly are missing. Each section has its own time
and its own failure, the file is written after each figure, and the exit status is 1 where anything was wrong. Rates are
the median over epochs; all sides train on the same images with crop and flip and AdamW, and wait for the device once an
epoch at most.
"""

import argparse
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench import gpu_checks as checks
from bench.gpu_packing import pack, packing
from bench.gpu_rates import augmentation, compiled, peaks, rates, stacks
from bench.gpu_run import Figures, Run, guarded
from bench.gpu_search import search
from bench.gpu_service import service
from winnow.search.worker import devices


def environment(run: Run, figures: Figures) -> None:
    """The card, its driver, and what is installed."""
    figures.update(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        torch=torch.__version__,
        kernel=platform.release(),
        cores=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
    )
    if run.device.type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        figures.update(
            card=properties.name,
            capability=f"{properties.major}.{properties.minor}",
            memory_gib=round(properties.total_memory / 2**30, 1),
            cudnn=torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            bf16_supported=torch.cuda.is_bf16_supported(including_emulation=False),
            devices=[str(device) for device in devices.choose("auto")],
        )
        query = "--query-gpu=name,driver_version,uuid,compute_mode,clocks.sm,clocks.max.sm,power.limit,mig.mode.current"
        told = subprocess.run(["nvidia-smi", query, "--format=csv"], capture_output=True, text=True, timeout=20)
        figures["nvidia_smi"] = told.stdout.splitlines()
    for name, value in figures.items():
        print(f"   {name:<20} {value}", flush=True)


def correctness(run: Run, figures: Figures) -> None:
    """Whether the card computes what the CPU does, goes on from a snapshot, and fails as it should."""
    equal = checks.as_on_the_cpu, checks.replayed, checks.resume
    for check in (*equal, checks.pinning, checks.poisoned, checks.out_of_memory):
        with guarded(figures, check.__name__):
            figures[check.__name__] = check(run.device, run.quick)
            print(f"   {check.__name__:<20} ok: {figures[check.__name__]['ok']}", flush=True)
            run.write()


SECTIONS: dict[str, tuple[Callable[[Run, Figures], None], float]] = {
    "environment": (environment, 30),
    "peak": (peaks, 20),
    "correctness": (correctness, 120),
    "rates": (rates, 120),
    "search": (search, 150),
    "stacks": (stacks, 40),
    "service": (service, 60),
    "augmentation": (augmentation, 20),
    "packing": (packing, 50),
    "compiled": (compiled, 60),
}


def section(name: str, device: str, quick: str, seconds: str, out: str) -> None:
    """Measure one section; a process of its own, since a context that one spoils is of no use to the next."""
    run = Run(torch.device(device), bool(int(quick)), float(seconds), Path(out))
    run.section(name, SECTIONS[name][0])


OVERTIME = 25.0
"""Seconds beyond its time that a section may take to end the figure that it is at."""


def in_a_process(what: Sequence[str], seconds: float) -> None:
    """Measure one section; it is killed after so many seconds with all that it started, and what it wrote stays."""
    command = [sys.executable, "-m", "bench.gpu", "--child", "section", *what]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"   killed after {seconds:.0f} s", flush=True)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


CHILDREN: dict[str, Callable[..., None]] = {
    "see": checks.see,
    "poison": checks.poison,
    "fill": checks.fill,
    "pack": pack,
    "section": section,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the JSON file")
    parser.add_argument(
        "--seconds", type=float, default=450.0, help="in all; what has not begun by then is passed over"
    )
    parser.add_argument("--only", help="sections, with commas; those that the file holds already stay")
    parser.add_argument("--quick", action="store_true", help="little of everything: does the script work?")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    logging.getLogger("winnow").setLevel(logging.ERROR)  # ResNet-18 begins with random weights, and may
    if given.child:
        name, *arguments = given.child
        CHILDREN[name](*arguments)
        return
    given.out.parent.mkdir(parents=True, exist_ok=True)
    if not given.only:
        given.out.unlink(missing_ok=True)
    end = time.monotonic() + given.seconds
    for name in given.only.split(",") if given.only else SECTIONS:
        left = min(given.seconds if given.quick else SECTIONS[name][1], end - time.monotonic())
        print(f"\n== {name}{'' if left > 0 else ': no time is left'}", flush=True)
        if left > 0:
            what = [name, given.device, str(int(given.quick)), str(left), str(given.out)]
            in_a_process(what, min(left, end - time.monotonic()) + OVERTIME)
    print(f"\n{given.seconds - (end - time.monotonic()):.0f} s in all", flush=True)
    sys.exit(1 if wrong(given.out) else 0)


def wrong(out: Path) -> list[str]:
    """Say, and return, what is not right or could not be measured."""
    figures = json.loads(out.read_text()) if out.exists() else {}
    found = [f"{name}: {figures[name]['error']}" for name in SECTIONS if "error" in figures.get(name, {})]
    for name, check in figures.get("correctness", {}).items():
        if isinstance(check, dict) and check.get("ok") is not True and "why" not in check:
            found.append(f"{name}: {check.get('error', 'not ok')}")
    for problem in found:
        print(f"WRONG  {problem}", flush=True)
    return found


if __name__ == "__main__":
    main()
