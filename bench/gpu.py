"""What Winnow does on one GPU, in one call of under eight minutes: first whether it is right, then how fast.

    python3 -m bench.gpu --out gpu.json              # on the GPU
    python3 -m bench.gpu --device cpu --quick        # does the script itself work?

Needs torch and torchvision and no download: the images are made in memory. The section `service` runs Winnow's own
commands and is passed over where Optuna, pydantic, SQLAlchemy or plotly are missing. Each section has its own time
and its own failure, and the file is written after each. Rates are the median over epochs; all sides train on the same
images with crop and flip and AdamW, and wait for the device once an epoch at most.
"""

import argparse
import importlib.util
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench import gpu_checks as checks
from bench.gpu_loops import (
    AUGMENTED,
    NETWORKS,
    Enough,
    Epoch,
    Rate,
    cifar_like,
    competent,
    loader_workers,
    matmul_peak,
    measure,
    measure_ours,
    stacked,
    training_flops,
    tutorial,
)
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change
from winnow.objectives.precision import calibrate
from winnow.objectives.training import train
from winnow.search.worker import devices, nvml

Figures = dict[str, Any]


class Run:
    """What was measured so far, and how much time is left to a section."""

    def __init__(self, device: torch.device, quick: bool, seconds: float, out: Path) -> None:
        self.device, self.quick, self.out = device, quick, out
        self.images = 128 if quick else 51_200  # of whole batches: a shorter last one would be compiled by itself
        self.epoch_seconds = 0.2 if quick else 1.5
        self.end = time.monotonic() + seconds
        self.figures: Figures = json.loads(out.read_text()) if out.exists() else {"quick": quick}
        peak = self.figures.get("peak", {}).get("bf16")
        self.peak = peak if isinstance(peak, float) else 0.0

    def section(self, name: str, work: Callable[["Run", Figures], None]) -> None:
        """Measure one thing in this process, and write down whatever it raises."""
        began = time.monotonic()
        figures: Figures = self.figures.setdefault(name, {})
        figures.pop("error", None)
        try:
            work(self, figures)
        except Exception as error:
            figures["error"] = f"{type(error).__name__}: {error}"[:500]
            figures["traceback"] = traceback.format_exc()[-3000:]
        figures["section_seconds"] = round(time.monotonic() - began, 1)
        for problem in ("passed_over", "error"):
            if problem in figures:
                print(f"   {problem}: {figures[problem]}", flush=True)
        self.write()

    @property
    def hurries(self) -> bool:
        """Whether the section's time is up."""
        return time.monotonic() > self.end

    def ours(self, config: Config, data: Data) -> Rate:
        """The rate of our training."""
        return measure_ours(config, data, self.epoch_seconds)

    def theirs(self, epoch: Epoch) -> Rate:
        """The rate of another's epochs."""
        return measure(epoch, self.device, self.epoch_seconds)

    def rate(self, group: Figures, label: str, name: str, work: Callable[[], Rate], flops: float = 0.0) -> None:
        """Measure a rate where there is time left, and write it down with the share of the card's peak that it is."""
        if self.hurries:
            group.setdefault("passed_over", []).append(name)
            return
        with guarded(group, name):
            rate = work()
            share = rate.images * flops / self.peak if self.peak else None
            group[name] = {**asdict(rate), "share_of_bf16_peak": share}
            shown = f"{100 * share:6.2f} % of peak" if share else ""
            print(f"   {label + ': ' + name:<66} {rate.images:>12,.0f}/s {shown}", flush=True)
        self.write()

    def write(self) -> None:
        """Leave what there is in the file, whole."""
        new = self.out.with_suffix(".new")
        new.write_text(json.dumps(self.figures, indent=1, default=str) + "\n")
        new.replace(self.out)


@contextmanager
def guarded(figures: Figures, name: str) -> Iterator[None]:
    """Let one figure fail alone."""
    try:
        yield
    except Exception as error:
        figures[name] = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(f"   {name:<58} {type(error).__name__}: {str(error)[:90]}", flush=True)


# ----------------------------------------------------------------------
# Sections
# ----------------------------------------------------------------------
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
            cudnn=torch.backends.cudnn.version(),
            bf16_supported=torch.cuda.is_bf16_supported(including_emulation=False),
            devices=[str(device) for device in devices.choose("auto")],
        )
        query = "--query-gpu=name,driver_version,uuid,compute_mode,clocks.sm,clocks.max.sm,power.limit,mig.mode.current"
        told = subprocess.run(["nvidia-smi", query, "--format=csv"], capture_output=True, text=True, timeout=20)
        figures["nvidia_smi"] = told.stdout.splitlines()
    for name, value in figures.items():
        print(f"   {name:<20} {value}", flush=True)


def peaks(run: Run, figures: Figures) -> None:
    """The card's own limit: a large product of random matrices."""
    size = 512 if run.quick else 8192
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        with guarded(figures, name):
            figures[name] = matmul_peak(run.device, dtype, size, tf32, seconds=0.2 if run.quick else 1.0)
            print(f"   {name:<20} {figures[name] / 1e12:8.1f} TFLOP/s", flush=True)


def correctness(run: Run, figures: Figures) -> None:
    """Whether the card computes what the CPU does, goes on from a snapshot, and fails as it should."""
    for check in (checks.as_on_the_cpu, checks.resume, checks.pinning, checks.poisoned, checks.out_of_memory):
        with guarded(figures, check.__name__):
            figures[check.__name__] = check(run.device, run.quick)
            print(f"   {check.__name__:<20} ok: {figures[check.__name__]['ok']}", flush=True)
            run.write()


def rates(run: Run, figures: Figures) -> None:
    """Training images a second: ours, the tutorial's loop, and what a competent person writes."""
    data = cifar_like(run.images, run.device)
    for network in NETWORKS:
        flops = training_flops(network)
        found: Figures = figures.setdefault(network.name, {"training_flops_per_image": flops})
        with guarded(found, "calibrated"):
            found["calibrated"] = calibrate(change(network.config, **AUGMENTED), data)
        for size in (128,) if run.quick else (128, 512):
            config = change(network.config, **AUGMENTED, batch_size=size)
            their = partial(competent, network, data, size)
            ways: dict[str, Callable[[], Rate]] = {
                "ours, fp32": lambda config=config: run.ours(config, data),
                "ours, bf16": lambda config=config: run.ours(change(config, precision="bf16"), data),
                "competent, fp32": lambda their=their: run.theirs(their(bf16=False)),
                "competent, bf16": lambda their=their: run.theirs(their()),
            }
            if run.device.type == "cuda":
                ways["competent, bf16, step as one graph"] = lambda their=their: run.theirs(their(whole_step=True))
            if size == 128:
                count, workers = (128, 0) if run.quick else (20_000, loader_workers())
                loop = partial(tutorial, network, data, size, count, workers)
                ways[f"tutorial, fp32, {workers} workers"] = lambda loop=loop: run.theirs(loop())
            group: Figures = found.setdefault(f"batches of {size}", {})
            for name, work in ways.items():
                run.rate(group, f"{network.name}, {size}", name, work, flops)


def compiled(run: Run, figures: Figures) -> None:
    """Both sides by torch.compile, and as CUDA graphs of it; beside the rates of batches of 512."""
    if run.device.type != "cuda":
        figures["passed_over"] = "on a GPU only"
        return
    data = cifar_like(run.images, run.device)
    for mode, of_torch in (("graphs", "reduce-overhead"), ("default", "default")):
        for network in NETWORKS:
            flops, group = training_flops(network), figures.setdefault(network.name, {})
            config = change(network.config, **AUGMENTED, batch_size=512, precision="bf16", compile=mode)
            ways: dict[str, Callable[[], Rate]] = {
                f"ours, bf16, compile = {mode}": lambda config=config: run.ours(config, data),
                f"competent, bf16, torch.compile {of_torch}": lambda network=network, of_torch=of_torch: run.theirs(
                    competent(network, data, 512, compiled=of_torch)
                ),
            }
            for name, work in ways.items():
                run.rate(group, f"{network.name}, 512", name, work, flops)


def augmentation(run: Run, figures: Figures) -> None:
    """Seconds of an epoch with augmentation over one without."""
    data = cifar_like(run.images, run.device)
    many = {**AUGMENTED, **dict.fromkeys(("color_jitter", "vertical_flip", "rotation", "affine", "erasing"), True)}
    cases: dict[str, Figures] = {
        "none": {},
        "crop, flip": AUGMENTED,
        "crop, flip, colour jitter": {**AUGMENTED, "color_jitter": True},
        "all but hue": many,
        "all": {**many, "hue": 0.1},
    }
    size = min(512, run.images)
    for network in NETWORKS:
        group: Figures = figures.setdefault(network.name, {})
        for name, options in cases.items():
            config = change(network.config, precision="bf16", batch_size=size, **options)
            run.rate(group, f"{network.name}, {size}, bf16", name, partial(run.ours, config, data))


def packing(run: Run, figures: Figures) -> None:
    """One, two, four and eight processes that train side by side on the card, and the memory that each takes."""
    numbers = (1, 2) if run.quick else (1, 2, 4, 8)
    visible = devices.choose("auto")[0].visible if run.device.type == "cuda" else ""
    before = nvml.memory(visible) if visible else None
    command = [sys.executable, "-m", "bench.gpu", "--child", "pack", run.device.type, "128" if run.quick else "20480"]
    command += [str(index) for index in range(len(NETWORKS))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1)
        for _ in range(max(numbers))
    ]
    try:
        for network in NETWORKS:
            group: Figures = figures.setdefault(network.name, {})
            for worker in workers:
                say(worker, "begin")
            memory = [hear(worker) for worker in workers]
            now = nvml.memory(visible) if visible else None
            group["allocated_bytes_of_one"] = memory[0]["allocated"]
            group["reserved_bytes_of_one"] = memory[0]["reserved"]
            if before is not None and now is not None:
                group["driver_bytes_of_one"] = (now.used - before.used) // len(workers)
            for number in numbers:
                if run.hurries:
                    break
                for worker in workers[:number]:
                    say(worker, f"go {2 * run.epoch_seconds}")
                each = [hear(worker)["images"] for worker in workers[:number]]
                group[f"{number} processes"] = {"images": sum(each), "each": each}
                gain = sum(each) / group["1 processes"]["images"]
                print(f"   {network.name}, {number} processes: {sum(each):>12,.0f}/s  {gain:.2f}x", flush=True)
            for worker in workers:
                say(worker, "next")
            run.write()
        for worker in workers:
            worker.wait(20)
    finally:
        for worker in workers:
            worker.kill()


def say(worker: "subprocess.Popen[str]", line: str) -> None:
    """One line to a process."""
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def hear(worker: "subprocess.Popen[str]") -> Figures:
    """The next line of figures from a process."""
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the packing ended with {worker.wait()}")
    told: Figures = json.loads(line)
    return told


def pack(device: str, images: str, *indices: str) -> None:
    """Train one network after the other; for so many seconds each time that a line says so."""
    for index in indices:
        # An epoch of the large network is to end within a second or so beside seven others.
        data = cifar_like(int(images) // (2 if index == "2" and images != "128" else 1), torch.device(device))
        end = 0.0
        done, began = 0, 0.0

        def report(*_: Any, data: Data = data) -> None:
            nonlocal end, done, began
            done += len(data.train.targets)
            if time.perf_counter() < end:
                return
            if end:
                print(json.dumps({"images": done / (time.perf_counter() - began)}), flush=True)
            else:
                cuda = device == "cuda"
                allocated = torch.cuda.max_memory_allocated() if cuda else 0
                reserved = torch.cuda.max_memory_reserved() if cuda else 0
                print(json.dumps({"allocated": allocated, "reserved": reserved}), flush=True)
            order, *arguments = sys.stdin.readline().split() or ["next"]
            if order == "next":
                raise Enough
            began, done = time.perf_counter(), 0
            end = began + float(arguments[0])

        if sys.stdin.readline().strip() != "begin":
            return
        config = change(NETWORKS[int(index)].config, **AUGMENTED, precision="bf16", epochs=1_000_000)
        with suppress(Enough):
            train(config, data, report)
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def stacks(run: Run, figures: Figures) -> None:
    """Members of one shape as one network: what fusing trials could bring, for the product trains them alone."""
    figures["note"] = "torch.func and vmap, not the product: an upper bound. Images a second of all members together."
    data = cifar_like(run.images, run.device)
    members = (1, 4) if run.quick else (1, 2, 4, 8, 16, 32, 64)
    for network in NETWORKS[:2]:
        for whole_step in (False, True) if run.device.type == "cuda" else (False,):
            way = "step as one CUDA graph" if whole_step else "step by step"
            group: Figures = figures.setdefault(f"{network.name}, {way}", {})
            for count in members:
                work = partial(stacked, network, data, 128, count, whole_step)
                label, name = f"{network.name}, 128, bf16, {way}, members", str(count)
                run.rate(group, label, name, lambda work=work: run.theirs(work()))
                if "images" in group.get(name, {}) and "images" in group.get("1", {}):
                    group[name]["over_one"] = group[name]["images"] / group["1"]["images"]
            run.write()


SPECS = {
    "digits": """name = "digits"
[data]
name = "digits"
[fixed]
model = "cnn"
filters = [16, 32]
hidden = [64]
epochs = 6
batch_size = 64
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.0, high = 0.6 }
crop = { choices = [true, false] }
[budget]
trials = 24
""",
    "faults": """name = "faults"
objective = "gpu_faults:search"
[pruner]
name = "none"
[budget]
trials = 10
""",
}
FAULTS = """
import torch

def search(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    held = torch.rand(64, device="cuda")
    if trial.number == 2:
        torch.nn.functional.cross_entropy(held.view(4, 16), torch.full((4,), 99, device="cuda")).item()
    if trial.number == 5:
        torch.empty(2**40, dtype=torch.uint8, device="cuda")
    return x + float(held.sum()) * 0
"""


def service(run: Run, figures: Figures) -> None:
    """`winnow doctor`, a study packed on the card, and one with a trial that asserts and one that wants too much."""
    missing = [
        name for name in ("optuna", "pydantic", "sqlalchemy", "plotly") if importlib.util.find_spec(name) is None
    ]
    if missing:
        figures["passed_over"] = f"not installed here: {', '.join(missing)}"
        return
    device = "auto" if run.device.type == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gpu_faults.py").write_text(FAULTS)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}

        def winnow(name: str, *arguments: str) -> str:
            began = time.monotonic()
            command = [sys.executable, "-m", "winnow", *arguments]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, cwd=folder, env=environment, **pipes)  # type: ignore[call-overload]
            try:
                out, err = process.communicate(timeout=50)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate()
            lines = [*out.splitlines()[-15:], *err.splitlines()[-25:]]
            seconds = round(time.monotonic() - began, 1)
            figures[name] = {"exit": process.returncode, "seconds": seconds, "says": [line[-300:] for line in lines]}
            print(f"   winnow {' '.join(arguments)}: exit {process.returncode} after {seconds} s", flush=True)
            return str(out)

        with guarded(figures, "doctor"):
            winnow("doctor", "doctor")
        for name, options in (("digits", ["--slots", "auto", "--workers", "8"]), ("faults", [])):
            if name == "faults" and run.device.type != "cuda":
                continue
            with guarded(figures, name):
                (Path(folder) / f"{name}.toml").write_text(SPECS[name])
                winnow(name, "run", f"{name}.toml", "--devices", device, *options)
                figures[f"{name} status"] = json.loads(winnow(f"{name} says", "status", name, "--json"))


SECTIONS: dict[str, tuple[Callable[[Run, Figures], None], float]] = {
    "environment": (environment, 30),
    "peak": (peaks, 20),
    "correctness": (correctness, 120),
    "rates": (rates, 140),
    "packing": (packing, 70),
    "augmentation": (augmentation, 20),
    "service": (service, 110),
    "stacked": (stacks, 40),
    "compiled": (compiled, 80),
}


def section(name: str, device: str, quick: str, seconds: str, out: str) -> None:
    """Measure one section; a process of its own, since a context that one spoils is of no use to the next."""
    run = Run(torch.device(device), bool(int(quick)), float(seconds), Path(out))
    run.section(name, SECTIONS[name][0])


CHILDREN = {"see": checks.see, "poison": checks.poison, "fill": checks.fill, "pack": pack, "section": section}


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
        left = min(SECTIONS[name][1], end - time.monotonic())
        print(f"\n== {name}{'' if left > 0 else ': no time is left'}", flush=True)
        if left > 0:
            what = [name, given.device, str(int(given.quick)), str(left), str(given.out)]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run([sys.executable, "-m", "bench.gpu", "--child", "section", *what], timeout=left + 60)
    print(f"\n{given.seconds - (end - time.monotonic()):.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
