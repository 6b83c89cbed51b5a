"""What kind an error of a training is, by its type and its words: whether its trial may go on depends on that."""

import errno
import sys
from collections.abc import Iterator

from winnow.search.worker.plain_data import text

_DEVICE_ERRORS = (
    # As torch, CUDA's and HIP's runtimes, their drivers and Triton name whatever it is.
    "cuda error",
    "cudaerror",
    "cuda_error_",
    "cuda driver error",
    "cuda runtime error",
    "hip error",
    "hiperror",
    "triton error [",
    # What a context does not survive.
    "device-side assert",
    "illegal memory access",
    "illegal instruction was encountered",
    "misaligned address",
    "hardware stack error",
    "uncorrectable ecc",
    "uncorrectable nvlink",
    "unspecified launch failure",
    "bus error",
    # Their libraries: cuBLAS, cuDNN, cuSOLVER, cuFFT, cuRAND, hipBLAS, rocBLAS, MIOpen.
    "_status_not_initialized",
    "_status_execution_failed",
    "_status_internal_error",
    "_status_mapping_error",
    "_status_arch_mismatch",
    "_status_launch_failure",
    "_status_preexisting_failure",
    "_status_initialization_failed",
    "cufft_internal_error",
    "cufft_exec_failed",
    "cufft_setup_failed",
    "miopenstatusinternalerror",
    "miopenstatusnotinitialized",
    "miopenstatusunknownerror",
    "unable to find an engine",
    "no valid execution plans",
    # A device that is not there, or not any more.
    "no cuda gpus are available",
    "no hip gpus are available",
    "cudagetdevicecount",
    "cuda unknown error",
    "cuda driver initialization failed",
    "found no nvidia driver",
    "nvidia driver on your system is too old",
)

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "out_of_memory",
    "outofmemory",
    "alloc_failed",
    "allocfailed",
    "cudaerrormemoryallocation",
    "rocblas_status_memory_error",
)

_DEVICE_LIBRARIES = ("torch", "triton", "cupy", "cupy_backends", "numba", "pycuda", "jaxlib")
"""Whose errors need be no RuntimeError."""

_LOST_RANK = (
    "gloo",
    "nccl",
    "closed by peer",
    "reset by peer",
    "broken pipe",
    "pair closure",
    "distnetworkerror",
    "diststoreerror",
)
"""Of torch's ways to other processes."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device or the host had no memory left, be it that another error was made of it."""
    return any(map(_lacks_memory, _with_causes(error)))


def is_device_error(error: BaseException) -> bool:
    """Tell whether an error, or one that it was made of, outlives the trial: its process can do no more on its device.

    A lack of memory is none.
    """
    return any(_is_of_device(each) and not _lacks_memory(each) for each in _with_causes(error))


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return _comes_from_below(error) and _says(error, _OUT_OF_MEMORY)  # torch has no type for it but on a GPU


def _is_of_device(error: BaseException) -> bool:
    return _comes_from_below(error) and (type(error).__name__ == "AcceleratorError" or _says(error, _DEVICE_ERRORS))


def _comes_from_below(error: BaseException) -> bool:
    """Return whether torch or another library may have raised it, and not a user's own words."""
    return isinstance(error, RuntimeError) or str(type(error).__module__).partition(".")[0] in _DEVICE_LIBRARIES


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    said = text(error, sys.maxsize).lower()
    return any(each in said for each in words)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, those that it was raised from or in the handling of, and those of a group, each once."""
    coming: list[BaseException | None] = [error]
    seen: set[int] = set()
    while coming:
        each = coming.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            coming += [each.__cause__, each.__context__]
            coming += each.exceptions if isinstance(each, BaseExceptionGroup) else []
            yield each


def is_of_lost_rank(reason: str) -> bool:
    """Tell whether one of several ranks failed because it heard nothing more of another, by what it said of it."""
    return any(word in reason.lower() for word in _LOST_RANK)
