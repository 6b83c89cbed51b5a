"""What can go wrong between a process and its storage.

StorageError          a sentence that says what was wrong, and a remedy; never holds a password
├── StorageUnreachable  the database cannot be opened or does not answer
│   └── StorageMissing    there is no SQLite file yet: a study makes it
├── Overtaken           another worker did meanwhile what a scheduler decided
├── LeaseLost           the trial was given to somebody else, finished or deleted: write nothing more for it
├── ContentRefused      what a trial or a person said that no database can hold
└── FileDamaged         a checkpoint or artifact whose bytes are not those that were written
"""

from winnow.errors import WinnowError


class StorageError(WinnowError):
    """What was wrong with the storage, and what to do."""


class StorageUnreachable(StorageError):
    """The database cannot be opened or does not answer."""


class StorageMissing(StorageUnreachable):
    """There is no SQLite file at the place named: the first study makes it."""


class LeaseLost(StorageError):
    """The trial was given to somebody else, finished or deleted: nothing more may be written for it."""


class Overtaken(StorageError):
    """Another worker has done meanwhile what a scheduler decided, or something that may change its decision."""


class ContentRefused(StorageError):
    """What a trial or a person said that no database can hold: says what it was, and of which trial."""

    def of_trial(self, number: int) -> "ContentRefused":
        """Return the same, naming the trial."""
        return ContentRefused(f"trial {number}: {self.problem}", self.remedy)


class FileDamaged(StorageError):
    """A checkpoint or artifact whose bytes are not those that were written."""
