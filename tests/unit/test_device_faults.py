"""Errors that outlive their trial: known by their words, whatever was made of them, and never burning a budget."""

import errno
from typing import Any

import pytest
import torch
from optuna import TrialPruned

from winnow.records import Outcome
from winnow.search.worker import trainer
from winnow.search.worker.device_faults import DeviceFaults
from winnow.search.worker.error_kinds import is_device_error, is_of_lost_rank, is_out_of_memory
from winnow.search.worker.messages import Ended, Job
from winnow.search.worker.remote_trial import Stopped


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: device-side assert triggered",
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: uncorrectable NVLink error was detected during the execution",
        "CUDA error: unspecified launch failure",
        "CUDA error: misaligned address",
        "CUDA error: hardware stack error",
        "CUDA error: invalid program counter",
        "CUDA error: device not ready",
        "CUDA error: all CUDA-capable devices are busy or unavailable",
        "CUDA error: no kernel image is available for execution on the device",
        "CUDA driver error: unknown error",
        "CUDA_ERROR_ILLEGAL_ADDRESS",
        "cudaErrorLaunchFailure: unspecified launch failure",
        "Triton Error [CUDA]: device kernel image is invalid",
        "Triton Error [HIP]:  Code: 1, Messsage: invalid argument",
        "HIP error: an illegal memory access was encountered",
        "HIPBLAS_STATUS_EXECUTION_FAILED when calling `hipblasSgemm`",
        "rocblas_status_internal_error",
        "miopenStatusUnknownError",
        "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "CUBLAS_STATUS_MAPPING_ERROR",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "cuDNN error: CUDNN_STATUS_MAPPING_ERROR",
        "cuFFT error: CUFFT_EXEC_FAILED",
        "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR",
        "NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
        "Unable to find an engine to execute this computation",
        "DataLoader worker is killed by signal: Bus error",
        "No CUDA GPUs are available",
        "No HIP GPUs are available",
        "Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
        "Found no NVIDIA driver on your system",
    ],
)
def test_errors_that_outlive_their_trial(words: str) -> None:
    assert is_device_error(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError(words))
    assert is_device_error(torch.AcceleratorError("whatever it says"))
    assert not is_device_error(ValueError(words)), "a user's own"


@pytest.mark.parametrize(
    "words",
    ["shapes cannot be multiplied", "expected scalar type Float", "CUDNN_STATUS_NOT_SUPPORTED", "GET was unable", ""],
)
def test_errors_that_do_not(words: str) -> None:
    assert not is_device_error(RuntimeError(words))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.7 GB, max allowed: 18.1 GB)"),
        RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY"),
        RuntimeError("miopenStatusAllocFailed"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=repr,
)
def test_out_of_memory_is_no_fault_of_the_device(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_device_error(error)


class OfNumba(Exception):
    __module__ = "numba.cuda.cudadrv.driver"


def test_what_was_made_of_an_error_is_of_its_kind() -> None:
    def made_of(error: BaseException, *, said: bool = True) -> Exception:
        try:
            try:
                raise error
            except BaseException as caught:
                raise ValueError("the training failed") from (caught if said else None)
        except ValueError as made:
            return made

    asserted, full = RuntimeError("CUDA error: device-side assert triggered"), torch.OutOfMemoryError("CUDA")
    for said in (True, False):
        assert is_device_error(made_of(made_of(asserted, said=said)))
        assert is_out_of_memory(made_of(full, said=said))
        assert not is_device_error(made_of(full, said=said))
    assert is_device_error(ExceptionGroup("of two", [ValueError("a"), made_of(asserted)]))
    assert is_device_error(OfNumba("Call to cuMemcpyDtoH results in CUDA_ERROR_ILLEGAL_ADDRESS"))
    assert not is_device_error(made_of(KeyError("lr")))
    own = ValueError("itself")
    own.__context__ = ValueError("a circle")
    own.__context__.__context__ = own
    assert not is_device_error(own)


class Trial:
    """A trial of which nothing is asked."""

    speaks = True

    def end(self) -> None: ...


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        (lambda: 0.5, Outcome.DEVICE_ERROR),
        (lambda: 1 / 0, Outcome.DEVICE_ERROR),
        (lambda: _raise(TrialPruned()), Outcome.DEVICE_ERROR),
        (lambda: _raise(Stopped()), Outcome.STOPPED),
    ],
)
def test_a_fault_that_an_objective_did_not_wait_for_or_has_caught_is_its_trials(
    monkeypatch: pytest.MonkeyPatch, ends: Any, outcome: Outcome
) -> None:
    def ended() -> Ended:
        return trainer.run(lambda *_: ends(), Trial(), Job(0, 0, {}))  # type: ignore[arg-type]

    assert not ended().broken
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: _raise(torch.AcceleratorError("CUDA error: an assert")))
    end = ended()
    assert (end.outcome, end.value, end.broken) == (outcome, None, True), "and the trainer is of no more use"
    assert "CUDA error: an assert" in end.reason or outcome is Outcome.STOPPED


def _raise(error: BaseException) -> Any:
    raise error


BAD, GOOD, DIED = Outcome.DEVICE_ERROR, Outcome.COMPLETE, Outcome.TRAINER_DIED


@pytest.mark.parametrize(
    ("seen", "at_fault"),
    [
        ([(1, 0, BAD), (2, 1, BAD)], True),
        ([(1, 0, BAD), (2, 0, BAD)], False),
        ([(1, 0, BAD), (2, 0, BAD), (3, 1, BAD)], True),
        ([(1, 0, BAD), (2, 1, GOOD), (2, 2, BAD)], False),
        ([(1, 0, GOOD), (1, 1, BAD), (2, 2, BAD)], True),
        ([(1, 0, BAD), (1, 1, BAD), (1, 2, BAD)], False),
        ([(1, 0, BAD), (1, 1, DIED), (1, 2, BAD), (2, 0, BAD), (3, 1, BAD)], True),
        ([(1, 0, BAD), (1, 1, GOOD), (2, 2, BAD)], True),
        ([(1, 0, BAD), (2, 1, DIED), (3, 2, BAD)], True),
    ],
    ids=[
        "two trials with two trainers",
        "one trial twice may be its own fault",
        "and then another",
        "one that went well between",
        "a device that fails later",
        "one trainer takes its stack along",
        "and so does the next",
        "one of the stack that had ended before",
        "a trainer that died says nothing",
    ],
)
def test_a_device_that_fails_twice_in_a_row_is_at_fault(seen: list[tuple[int, int, Outcome]], at_fault: bool) -> None:
    faults = DeviceFaults()
    *before, last = [faults.see(*each) for each in seen]
    assert not any(before)
    assert last is at_fault


@pytest.mark.parametrize(
    "said",
    [
        "RuntimeError: [gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 9000ms for recv",
        "RuntimeError: Application timeout caused pair closure",
        "RuntimeError: Connection closed by peer [127.0.0.1]:41234",
    ],
)
def test_a_rank_that_waits_in_vain_for_another_is_not_at_fault_itself(said: str) -> None:
    assert is_of_lost_rank(said)
