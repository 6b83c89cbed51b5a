"""A trial that did not fit beside others gets its device alone; everybody else waits at the gate."""

import threading
from pathlib import Path

import pytest

from winnow.search.worker.device_share import DeviceShare
from winnow.search.worker.devices import Device
from winnow.search.worker.error_kinds import is_out_of_memory

CPU = Device("cpu")


def always() -> bool:
    return True


def never() -> bool:
    return False


def test_a_group_of_devices_waits_for_each_of_them(tmp_path: Path) -> None:
    group = DeviceShare(Device("cuda:0,cuda:1", "GPU-b,GPU-a"), tmp_path)
    first, second = (DeviceShare(Device(f"cuda:{i}", f"GPU-{name}"), tmp_path) for i, name in enumerate("ab"))
    with second.alone(never) as is_alone:
        assert is_alone
        assert not group.join(never)
        assert first.join(never), "and what it cannot use it leaves to others"
    assert group.join(never)
    with second.alone(never) as is_alone:
        assert not is_alone, "the group is there"
    group.leave()
    with second.alone(never) as is_alone:
        assert is_alone
    for each in (group, first, second):
        each.close()


def test_many_share_a_device_until_one_wants_it_alone(tmp_path: Path) -> None:
    one, two, three = (DeviceShare(CPU, tmp_path) for _ in range(3))
    other_device = DeviceShare(Device("cuda:0", "GPU-aaa"), tmp_path)
    assert one.join(never)
    assert two.join(never)
    assert not two.is_wanted
    events: list[str] = []

    def be_alone() -> None:
        with one.alone(always) as is_alone:
            assert is_alone
            events.append("alone")
            hold.wait()
        events.append("done")

    hold = threading.Event()
    thread = threading.Thread(target=be_alone)
    thread.start()
    while not two.is_wanted:
        pass
    assert events == [], "two still has a trainer there"
    assert not three.join(never), "the gate is closed"
    assert other_device.join(never)
    two.leave()
    while not events:
        pass
    assert not two.join(never)
    hold.set()
    thread.join()
    assert events == ["alone", "done"]
    assert two.join(never)
    assert one.join(never)
    for share in (one, two, three, other_device):
        share.close()


def test_whoever_gives_up_waiting_keeps_nobody_out(tmp_path: Path) -> None:
    one, two = DeviceShare(CPU, tmp_path), DeviceShare(CPU, tmp_path)
    assert two.join(never)
    with one.alone(never) as is_alone:
        assert not is_alone
    assert not two.is_wanted
    assert one.join(never)
    one.close()
    two.close()


def test_one_that_dies_keeps_nobody_out(tmp_path: Path) -> None:
    one, two = DeviceShare(CPU, tmp_path), DeviceShare(CPU, tmp_path)
    assert one.join(never)
    one.close()  # as the system does it
    with two.alone(never) as is_alone:
        assert is_alone
    two.close()


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_known_by_type_or_words(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one


def test_another_thread_of_who_is_alone_lets_nobody_in(tmp_path: Path) -> None:
    one, two = (DeviceShare(CPU, tmp_path) for _ in range(2))
    with one.alone(never) as is_alone:
        assert is_alone
        assert one.is_wanted
        assert not one.join(never)
        assert not two.join(never)
    assert one.join(never)
    assert two.join(never)
    for each in (one, two):
        each.close()
