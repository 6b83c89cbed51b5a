"""`winnow doctor`: what this machine has, whether the storage answers, and what is missing."""

import importlib.util
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from json import dumps

import click

from winnow import storage
from winnow.search.cli.options import json_option, storage_option
from winnow.search.worker import devices
from winnow.search.worker.provenance import winnow_version
from winnow.storage.errors import StorageError

PACKAGES = ("optuna", "sqlalchemy", "torch", "torchvision", "scikit-learn", "plotly", "psycopg", "optuna-dashboard")
PROBE = "winnow-doctor"


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    says: str


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
            click.echo(f"{'ok ' if finding.good else 'NO '} {finding.what:18} {finding.says}")
    if not all(finding.good for finding in findings):
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
    taken = ", ".join(device.name for device in devices.choose())
    found = [
        Finding("cpu", True, f"{len(devices.cores())} cores: as many workers of one thread"),
        Finding("--devices auto", True, taken),
    ]
    if importlib.util.find_spec("torch") is None:
        return [
            *found,
            Finding("torch", False, "not installed; to train here: pip install 'winnow-hpo[train]'"),
        ]
    import torch

    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        found.append(Finding(f"cuda:{index}", True, f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB"))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", True, "Apple GPU"))
    return found


def _storage(url: str) -> list[Finding]:
    try:
        opened = storage.open(url, create=False)
    except StorageError as error:
        return [Finding("storage", False, str(error))]
    studies = len(opened.get_all_studies())
    return [Finding("storage", True, f"{opened.place} answers, {studies} studies"), _files(opened)]


def _files(opened: storage.Storage) -> Finding:
    """Whether checkpoints and artifacts can be written and read again."""
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
            findings.append(Finding(name, name in ("psycopg", "optuna-dashboard"), "not installed"))
    return findings
