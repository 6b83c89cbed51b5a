"""What every attempt of a worker shares."""

import threading
from dataclasses import dataclass, field

from winnow.records import KEEP_WEIGHTS
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.device_load import DeviceLoad
from winnow.search.worker.device_share import DeviceShare
from winnow.search.worker.steering import Steering
from winnow.search.worker.trainer_process import TrainerProcess, WorkerOptions
from winnow.storage.designs import Row
from winnow.storage.epochs import GroupCommit


@dataclass(frozen=True)
class WorkerContext:
    """A worker's study, trainer and device, and what it is asked to do."""

    study: WinnowStudy
    options: WorkerOptions
    trainer: TrainerProcess
    share: DeviceShare
    name: str
    design: list[Row]
    precision: str
    steering: Steering
    commit: GroupCommit
    device_load: DeviceLoad
    sampler_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by the lane that uses what is not made for several threads: samplers, pruners."""

    @property
    def wants_weights(self) -> bool:
        """Whether trials that begin now are to keep what they trained."""
        if self.design:
            return bool(self.study.optuna.user_attrs.get(KEEP_WEIGHTS))
        return self.study.spec.keep.weights > 0
