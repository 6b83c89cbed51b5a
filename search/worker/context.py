"""What every attempt of a worker shares."""

from dataclasses import dataclass

from winnow.search.study.study import WinnowStudy
from winnow.search.worker.device_share import DeviceShare
from winnow.search.worker.steering import Steering
from winnow.search.worker.trainer_process import Trainer, WorkerOptions
from winnow.storage.designs import Row


@dataclass(frozen=True)
class WorkerContext:
    """A worker's study, trainer and device, and what it is asked to do."""

    study: WinnowStudy
    options: WorkerOptions
    trainer: Trainer
    share: DeviceShare
    name: str
    design: list[Row]
    precision: str
    steering: Steering
