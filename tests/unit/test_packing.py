"""How many workers a device gets: what is decided from what was measured, without any process."""

import subprocess
import sys
from pathlib import Path

import pytest

from winnow import control_groups
from winnow.errors import DeviceError
from winnow.search.launch import memory
from winnow.search.launch.memory import GIB
from winnow.search.launch.packing import Packing
from winnow.search.worker.devices import Device

CPU = Device("cpu")


def packed(packing: Packing, seconds_with: list[float], each: int = GIB) -> tuple[int, str]:
    """What becomes of a device whose epochs take so long with one worker, with two, …"""
    while not packing.settled:
        packing.see_memory(each)
        packing.see_trials([seconds_with[packing.slots - 1]] * 3)
    return packing.slots, packing.settled


def test_workers_are_added_while_the_device_gets_more_done() -> None:
    assert packed(Packing(80 * GIB, 8), [1.0, 1.0, 1.0, 1.33, 1.67, 2.0]) == (3, "throughput")
    assert packed(Packing(80 * GIB, 8), [1.0, 2.0]) == (1, "throughput"), "one trial keeps the device busy"
    assert packed(Packing(80 * GIB, 4), [1.0] * 8) == (4, "all slots are used")


def test_workers_are_added_while_their_memory_fits() -> None:
    assert packed(Packing(10 * GIB, 8), [1.0] * 8, each=3 * GIB) == (3, "memory")
    assert packed(Packing(10 * GIB, 8), [1.0] * 8, each=9 * GIB) == (1, "memory")
    assert packed(Packing(None, 8), [1.0] * 8) == (1, "memory"), "nobody can tell"


def test_a_larger_trial_later_takes_a_slot_away() -> None:
    packing = Packing(10 * GIB, 8)
    assert packed(packing, [1.0] * 8, each=2 * GIB) == (4, "memory")
    packing.see_memory(3 * GIB)
    assert packing.slots == 3


def test_a_few_trials_are_measured_at_each_number_of_workers() -> None:
    packing = Packing(80 * GIB, 8)
    assert packing.needs_more(2)
    assert not packing.needs_more(3)
    packing.slots = 5
    assert packing.needs_more(4)


def test_more_slots_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text("1000\n")
    memory.refuse_too_many(CPU, 8)
    with pytest.raises(DeviceError, match=r"9 slots leave each 0\.11 GiB of the 1\.0 GiB of cpu, .* --slots 8 at most"):
        memory.refuse_too_many(CPU, 9)
    with pytest.raises(DeviceError, match=r"a trial of this study was seen to take 0\.40 GiB; give --slots 2"):
        memory.refuse_too_many(CPU, 3, measured=int(0.4 * GIB))


def test_the_memory_of_a_process_is_that_of_all_it_started() -> None:
    hold = "import sys; held = bytearray({size}); print(flush=True); sys.stdin.read()"
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    taken = []
    for size in (0, 200_000_000):
        process = subprocess.Popen(
            [sys.executable, "-c", start, hold.format(size=size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            taken.append(memory.taken_by([process.pid]))
    assert taken[1] - taken[0] == pytest.approx(200_000_000, rel=0.05)
    assert memory.taken_by([process.pid]) == 0, "it has ended"
