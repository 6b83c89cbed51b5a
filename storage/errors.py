"""What can go wrong between a process and its storage.

StorageError          a sentence that says what was wrong, and a remedy; never holds a password
├── StorageUnreachable  the database cannot be opened or does not answer
├── LeaseLost           the trial was given to somebody else, finished or deleted: write nothing more for it
└── FileDamaged         a checkpoint or artifact whose bytes are not those that were written
"""


class StorageError(Exception):
    """What was wrong with the storage, and what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class StorageUnreachable(StorageError):
    """The database cannot be opened or does not answer."""


class LeaseLost(StorageError):
    """The trial was given to somebody else, finished or deleted: nothing more may be written for it."""


class FileDamaged(StorageError):
    """A checkpoint or artifact whose bytes are not those that were written."""
