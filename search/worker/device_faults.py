"""Whether a device is at fault: it fails one trainer after another, and not always with the same trial."""

from dataclasses import dataclass, field

from winnow.records import Outcome


@dataclass
class DeviceFaults:
    """What a worker has seen of its device since it last trained anything to its end."""

    trainer: int = 0
    """The last of the worker's trainers that failed, or that went well."""
    trials: set[int] = field(default_factory=set)
    """Those that failed with it; empty where it went well."""

    def see(self, trainer: int, trial: int, outcome: Outcome) -> bool:
        """Take note of how a trial ended with this trainer; return whether the device is at fault.

        A trial may fail twice by its own fault, and takes all along that its trainer trains beside it.
        """
        if outcome is not Outcome.DEVICE_ERROR:
            if trainer > self.trainer and outcome is not Outcome.TRAINER_DIED:
                self.trainer, self.trials = trainer, set()
        elif trainer == self.trainer and self.trials:
            self.trials.add(trial)
        elif not self.trials or trial in self.trials:
            self.trainer, self.trials = trainer, {trial}
        else:
            return True
        return False
