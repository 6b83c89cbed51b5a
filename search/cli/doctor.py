"""`winnow doctor`: what this machine has, whether the storage answers, and what is missing."""

import importlib.util
import platform
import sys
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from json import dumps

import click

from winnow import storage
from winnow.errors import DeviceError
from winnow.search.analysis.formatting import duration
from winnow.search.cli.options import json_option, storage_option
from winnow.search.worker import devices
from winnow.search.worker.provenance import winnow_version
from winnow.storage import workers
from winnow.storage.errors import StorageError, StorageMissing

# By the extra that brings them; without one of these a machine still does all else.
EXTRAS = {"torch": "train", "torchvision": "train", "scikit-learn": "train", "psycopg": "postgresql"}
EXTRAS |= {"optuna-dashboard": "dashboard"}
PACKAGES = ("optuna", "sqlalchemy", "plotly", *EXTRAS)
PROBE = "winnow-doctor"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: good, bad, or (None) not there, which is bad only for who wants it."""

    what: str
    good: bool | None
    says: str

    @property
    def mark(self) -> str:
        """What stands before its line."""
        return "-- " if self.good is None else "ok " if self.good else "NO "


@click.command()
@storage_option
@json_option
def doctor(url: str, json: bool) -> None:
    """Check devices, storage and versions of this machine, and say what is wrong."""
    findings = examine(url)
    if json:
        click.echo(dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.mark} {finding.what:18} {finding.says}")
    if any(finding.good is False for finding in findings):
        sys.exit(1)


def examine(url: str) -> list[Finding]:
    """Look at devices, storage and versions."""
    return [
        Finding("winnow", True, f"{winnow_version()} on Python {platform.python_version()}"),
        *_devices(),
        *_storage(url),
        *_packages(),
    ]


def _devices() -> list[Finding]:
    gpus = _gpus()
    found = [Finding("cpu", True, f"{len(devices.cores())} cores: as many workers of one thread"), *gpus]
    if importlib.util.find_spec("torch") is None:
        return found
    import torch

    with warnings.catch_warnings():  # torch says it by a warning, and we by a finding
        warnings.simplefilter("ignore")
        if len(gpus) > 1 and not torch.cuda.is_available():
            built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
            found.append(Finding("torch on GPUs", False, f"torch {torch.__version__} {built} and can use no GPU here"))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", True, "Apple's GPU, on which Winnow was never tried"))
    return found


def _gpus() -> list[Finding]:
    """Return each GPU with what is wrong with it, and what `--devices auto` makes of them."""
    found: list[Finding] = []
    try:
        found += [Finding(gpu.name, not gpu.problem, _gpu(gpu)) for gpu in devices.gpus()]
        found.append(Finding("--devices auto", True, ", ".join(device.name for device in devices.choose())))
    except DeviceError as error:
        found.append(Finding("--devices auto", False, str(error)))
    return found


def _gpu(gpu: devices.Device) -> str:
    memory = devices.memory(gpu)
    free = "" if memory is None else f", {memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    mode = ", takes one process at a time" if gpu.exclusive else ""
    name = f"AMD's GPU {gpu.visible}" if gpu.rocm else gpu.visible or "no UUID"
    return f"{name}{free}{mode}{'; ' * bool(gpu.problem)}{gpu.problem}"


def _storage(url: str) -> list[Finding]:
    try:
        opened = storage.open(url, create=False)
    except StorageMissing as error:
        return [Finding("storage", True, f"{error.problem} yet: the first study makes it")]
    except StorageError as error:
        return [Finding("storage", False, str(error))]
    count = len(opened.get_all_studies())
    studies = f"{count} {'study' if count == 1 else 'studies'}"
    lost = workers.given_up(opened.database, host=platform.node())
    return [
        Finding("storage", True, f"{opened.place} answers, {studies}"),
        *(Finding(each.device, False, f"given up {duration(each.age)} ago: {each.reason}") for each in lost),
        _files(opened),
    ]


def _files(opened: storage.Storage) -> Finding:
    """Return whether checkpoints and artifacts can be written and read again."""
    try:
        opened.store.read(PROBE, opened.store.write(PROBE, b"winnow doctor"))
        opened.store.remove(PROBE)
    except (OSError, StorageError) as error:
        return Finding("files", False, str(error))
    return Finding("files", True, f"checkpoints and artifacts lie in {opened.store.place}")


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(name, True, version(name)))
        except PackageNotFoundError:
            findings.append(Finding(name, None, _absent(name)))
    return findings


def _absent(package: str) -> str:
    without = " this machine creates, watches and reports, but trains nothing;" if package == "torch" else ""
    extra = f"[{EXTRAS[package]}]" if package in EXTRAS else ""
    return f"not installed;{without} pip install 'winnow-hpo{extra}'"
