"""What the callbacks share: an epoch's metrics, told to a trial, and a place for an earlier attempt's checkpoint."""

import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def report(
    trial: Any, monitor: str, measured: Mapping[str, Any], epoch: int, checkpoint: Callable[[], bytes] | None = None
) -> None:
    """Report an epoch to a trial: `monitor` is its value, every other number stands beside it.

    Raise optuna.TrialPruned where it is pruned, and KeyError where `monitor` was not measured.
    """
    numbers = {name: float(number) for name, number in measured.items() if not isinstance(number, str)}
    if monitor not in numbers:
        raise KeyError(f"{monitor!r} was not measured; there are {', '.join(numbers)}")
    value = numbers.pop(monitor)
    trial.report(value, epoch, checkpoint, prune=True, **numbers)


def folder_of(owner: Any) -> Path:
    """Return a new folder that is there as long as `owner`."""
    folder = tempfile.TemporaryDirectory()
    weakref.finalize(owner, folder.cleanup)
    return Path(folder.name)
