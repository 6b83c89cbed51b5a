"""What every attempt of a worker shares."""

from collections.abc import Callable
from dataclasses import dataclass

from winnow.records import Outcome
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.device_share import DeviceShare
from winnow.search.worker.trainer_process import Trainer, WorkerOptions
from winnow.storage.designs import Row


@dataclass(frozen=True)
class Workplace:
    """A worker's study, trainer and device, and how it is steered."""

    study: WinnowStudy
    options: WorkerOptions
    trainer: Trainer
    share: DeviceShare
    name: str
    design: list[Row]
    precision: str
    interrupted: Callable[[], Outcome | None]
    """Why the worker wants its trial to be handed back; None while it does not."""
    look: Callable[[], None]
    """Hear now and then what the study's workers shall do."""
    reap: Callable[[], None]
