"""What kind an error of a training is, by its type and its words: whether its trial may go on depends on that."""

import sys

from winnow.search.worker.plain_data import text

_DEVICE_ERRORS = (
    "cuda error",
    "hip error",
    "device-side assert",
    "illegal memory access",
    "illegal instruction was encountered",
    "misaligned address",
    "uncorrectable ecc",
    "unspecified launch failure",
    "bus error",
    "_status_not_initialized",
    "_status_execution_failed",
    "_status_internal_error",
    "unable to find an engine",
)

_LOST_RANK = ("gloo", "nccl", "closed by peer", "reset by peer", "broken pipe", "distnetworkerror", "diststoreerror")
"""Of torch's ways to other processes."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device had no memory left: torch has a type for it on a GPU, and words elsewhere."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in text(error, sys.maxsize) for word in words)


def is_device_error(error: BaseException) -> bool:
    """Tell whether an error outlives the trial: the process can do nothing with its device any more."""
    if not isinstance(error, RuntimeError):
        return False
    said = text(error, sys.maxsize).lower()
    return type(error).__name__ == "AcceleratorError" or any(words in said for words in _DEVICE_ERRORS)


def is_of_lost_rank(reason: str) -> bool:
    """Tell whether one of several ranks failed because it heard nothing more of another, by what it said of it."""
    return any(word in reason.lower() for word in _LOST_RANK)
