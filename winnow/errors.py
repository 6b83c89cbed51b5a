"""What Winnow refuses, and how it says so.

WinnowError        what was wrong and what to do; the command line prints it and exits with `exit_code`
├── SpecError      a study spec that cannot be used: names file and key
├── DeviceError    a device that is not there, or more workers than fit
├── StudyError     a study that is not there, does not match, or cannot do what is asked
├── WorkerFailed   a worker or trainer that cannot be kept running
├── ObjectiveError bad input of a training (winnow.objectives.errors)
└── StorageError   what is wrong between a process and its storage (winnow.storage.errors)
"""


class WinnowError(Exception):
    """What was wrong, and what to do."""

    exit_code = 2

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class SpecError(WinnowError):
    """A study spec that cannot be used."""

    def __init__(self, file: str, key: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{file}: {key}: {problem}" if key else f"{file}: {problem}", remedy)


class DeviceError(WinnowError):
    """A device that is not there, or more workers than fit."""


class StudyError(WinnowError):
    """A study that is not there, does not match, or cannot do what is asked."""


class WorkerFailed(WinnowError):
    """A worker or trainer that cannot be kept running."""

    exit_code = 1
