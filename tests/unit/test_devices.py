"""Which devices there are and how a process is bound to one: what can be said of GPUs where there is none."""

import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from winnow import control_groups
from winnow.errors import DeviceError
from winnow.search.launch import placement
from winnow.search.launch.placement import Place
from winnow.search.worker import devices
from winnow.search.worker.devices import Device, bind, choose, in_groups, visible_gpus
from winnow.search.worker.nvml import GPU

WHOLE = [GPU("GPU-aaa1"), GPU("GPU-aab2"), GPU("GPU-ccc3")]
CUT = [GPU("GPU-aaa1", ("MIG-1111", "MIG-2222")), GPU("GPU-bbb2")]


@pytest.mark.parametrize(
    ("there", "given", "names"),
    [
        (WHOLE, None, ["GPU-aaa1", "GPU-aab2", "GPU-ccc3"]),
        (WHOLE, "2,0", ["GPU-ccc3", "GPU-aaa1"]),
        (WHOLE, " 1 , 2 ", ["GPU-aab2", "GPU-ccc3"]),
        (WHOLE, "", []),
        (WHOLE, "-1", []),
        (WHOLE, "GPU-ccc3,GPU-aab", ["GPU-ccc3", "GPU-aab2"]),
        (WHOLE, "NoDevFiles", []),
        (CUT, None, ["MIG-1111", "MIG-2222", "GPU-bbb2"]),
        (CUT, "MIG-2222", ["MIG-2222"]),
        (CUT, "MIG-GPU-aaa1/7/0", ["MIG-GPU-aaa1/7/0"]),
        (CUT, "0,1", ["MIG-1111", "GPU-bbb2"]),
        (CUT, "GPU-aaa", ["MIG-1111"]),
        ([], "0,1", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(there: list[GPU], given: str | None, names: list[str]) -> None:
    assert [uuid for uuid, _ in visible_gpus(there, given)] == names


@pytest.mark.parametrize(
    ("there", "given", "says"),
    [
        (WHOLE, "7", "'7' names no GPU of this machine; there are 0 (GPU-aaa1), 1 (GPU-aab2), 2 (GPU-ccc3)"),
        (WHOLE, "0,7,2", "'7' names no GPU"),
        (WHOLE, "0,-1,2", "'-1' names no GPU"),
        (WHOLE, "0,,1", "'' names no GPU"),
        (WHOLE, "GPU-aa", "'GPU-aa' names several GPUs"),
        (WHOLE, "0,0", "names one device twice"),
        (WHOLE, "GPU-aaa1,0", "names one device twice"),
        (WHOLE, "cuda:0", "'cuda:0' names no GPU"),
        (CUT, "MIG-GPU-fff/7/0", "names no GPU"),
        (CUT, "MIG-1111,MIG-1", "names one device twice"),
        (CUT, "MIG-9", "names no GPU"),
    ],
)
def test_what_cuda_would_pass_over_without_a_word_is_refused(there: list[GPU], given: str, says: str) -> None:
    with pytest.raises(DeviceError) as refused:
        visible_gpus(there, given)
    assert says in str(refused.value)


def test_a_process_is_bound_to_its_gpu_by_the_name_that_cuda_knows() -> None:
    assert bind(Device("cuda:1", "GPU-aab2"), 3) == {
        "OMP_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "GPU-aab2",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert "CUDA_VISIBLE_DEVICES" not in bind(Device("cpu"), 1)
    assert "CUDA_VISIBLE_DEVICES" not in bind(Device("cuda"), 1), "whatever GPU torch takes"


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DeviceError, match="there is no device 'cuda:9' here"):
        choose("cpu,cuda:9")
    with pytest.raises(DeviceError, match=r"there is no device 'gpu' here; there is .*cpu"):
        choose("gpu")
    with pytest.raises(DeviceError, match="names one device twice"):
        choose("cpu,cpu")


def test_auto_takes_apples_gpu_with_a_word(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(devices, "_has_mps", lambda: True)
    assert choose("mps") == [Device("mps")]
    assert not caplog.messages, "who asks for it by name knows"
    assert choose("auto") == [Device("mps")]
    assert caplog.messages == [
        "trains on the Apple GPU, on which Winnow was never tried; --devices cpu trains on the CPU"
    ]


IN_VERSION_1 = """9:cpu,cpuacct:/docker/abc
8:memory:/docker/abc
1:name=systemd:/docker/abc
0::/
"""


@pytest.mark.parametrize(
    ("mine", "files"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}),
        ("0::/user.slice/job_7/step_0\n", {"user.slice/job_7/cpu.max": "50000 100000"}),
        (
            "0::/user.slice/job_7\n",
            {"cpu.max": "max 100000", "user.slice/cpu.max": "90000 100000", "user.slice/job_7/cpu.max": "50000 100000"},
        ),
        (IN_VERSION_1, {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}),
        (
            IN_VERSION_1,
            {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000", "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000"},
        ),
    ],
    ids=["container", "a job's group", "the tightest of several", "container, version 1", "version 1"],
)
def test_a_quota_counts_as_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: str, files: dict[str, str]
) -> None:
    groups(tmp_path, monkeypatch, mine, files)
    assert control_groups.cpu_quota() == 0.5
    assert len(devices.cores()) == 1
    assert not devices.may_pin(), "every container would take the same core"


@pytest.mark.parametrize(
    ("mine", "files"),
    [
        ("0::/\n", {"cpu.max": "max 100000", "memory.max": "max", "memory.current": "5"}),
        (IN_VERSION_1, {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}),
        ("0::/elsewhere/../..\n", {}),
        ("", {}),
    ],
)
def test_without_a_quota_all_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: str, files: dict[str, str]
) -> None:
    groups(tmp_path, monkeypatch, mine, files)
    assert control_groups.cpu_quota() == control_groups.memory_limit() == control_groups.free_memory() == math.inf
    assert devices.cores() == sorted(os.sched_getaffinity(0))
    assert devices.may_pin()


def test_the_memory_of_a_job_is_that_of_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"memory/docker/abc/memory.limit_in_bytes": "1000", "memory/docker/abc/memory.usage_in_bytes": "400"}
    groups(tmp_path, monkeypatch, IN_VERSION_1, limits)
    assert (control_groups.memory_limit(), control_groups.free_memory()) == (1000, 600)
    groups(tmp_path, monkeypatch, "0::/job_7\n", {"job_7/memory.max": "1000", "job_7/memory.current": "300"})
    assert (control_groups.memory_limit(), control_groups.free_memory()) == (1000, 700)


def groups(folder: Path, monkeypatch: pytest.MonkeyPatch, mine: str, files: dict[str, str]) -> None:
    """The control groups of a machine, of which this process is in `mine`."""
    monkeypatch.setattr(control_groups, "ROOT", folder / str(len(list(folder.iterdir()))))
    monkeypatch.setattr(control_groups, "MINE", folder / "mine")
    (folder / "mine").write_text(mine)
    for name, content in files.items():
        file = control_groups.ROOT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")


CPU, GPUS = Device("cpu"), [Device("cuda:0", "GPU-aaa1"), Device("cuda:1", "GPU-bbb2")]
plan = partial(placement.plan, pin=True)


@pytest.fixture
def _no_threads_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("_no_threads_given")
def test_the_cpus_cores_are_split_evenly() -> None:
    cores = range(8)
    assert plan([CPU], cores) == [Place(CPU, 1, (core,)) for core in cores]
    assert plan([CPU], cores, workers=2) == [Place(CPU, 4, (0, 1, 2, 3)), Place(CPU, 4, (4, 5, 6, 7))]
    assert plan([CPU], cores, workers=3) == [
        Place(CPU, 2, (0, 1, 2)),
        Place(CPU, 2, (3, 4, 5)),
        Place(CPU, 2, (6, 7)),
    ]
    assert plan([CPU], cores, workers=1) == [Place(CPU, 8)]
    assert plan([CPU], range(2), workers=4) == [Place(CPU, 1)] * 4
    assert plan([CPU], cores, workers=2, threads=1)[1] == Place(CPU, 1, (4, 5, 6, 7))


@pytest.mark.usefixtures("_no_threads_given")
def test_gpus_take_one_worker_each_or_as_many_as_they_have_slots() -> None:
    assert plan(GPUS, range(8)) == [Place(GPUS[0]), Place(GPUS[1])]
    assert plan(GPUS, range(8), slots=2) == [Place(GPUS[0]), Place(GPUS[1])] * 2
    assert plan(GPUS, range(8), workers=3) == [Place(GPUS[0]), Place(GPUS[1]), Place(GPUS[0])]
    with pytest.raises(DeviceError, match="5 workers do not fit 2 devices with 2 slots each; give --slots 3"):
        plan(GPUS, range(8), slots=2, workers=5)


@pytest.mark.usefixtures("_no_threads_given")
def test_a_gpus_workers_get_the_cores_beside_it() -> None:
    near, far = Device("cuda:0", "GPU-aaa1", cores=(0, 1, 2, 3)), Device("cuda:1", "GPU-bbb2", cores=(4, 5, 6, 7))
    assert plan([near, far], range(8)) == [Place(near, cores=(0, 1, 2, 3)), Place(far, cores=(4, 5, 6, 7))]
    assert plan([near, far], range(2, 5)) == [Place(near, cores=(2, 3)), Place(far, cores=(4,))], "of those allowed"
    assert plan([near, far], range(4)) == [Place(near), Place(far)], (
        "one node is all that is allowed, and not the other"
    )
    assert placement.plan([near, CPU], range(8), workers=2, pin=False) == [Place(near, 8), Place(CPU, 8)]


def test_a_gpu_in_exclusive_mode_takes_one_worker() -> None:
    alone = Device("cuda:0", "GPU-aaa1", exclusive=True)
    assert len(plan([alone, GPUS[1]], range(8), workers=2)) == 2
    with pytest.raises(DeviceError, match="cuda:0 is in exclusive mode and takes one process at a time"):
        plan([alone], range(8), workers=2)


def test_gpus_that_train_a_trial_together_are_one_device_for_a_worker() -> None:
    four = [Device(f"cuda:{number}", f"GPU-{number}", cores=(number,)) for number in range(4)]
    pairs = in_groups(four, 2)
    assert [(pair.name, pair.count, pair.keys) for pair in pairs] == [
        ("cuda:0,cuda:1", 2, ["GPU-0", "GPU-1"]),
        ("cuda:2,cuda:3", 2, ["GPU-2", "GPU-3"]),
    ]
    assert bind(pairs[1], 1)["CUDA_VISIBLE_DEVICES"] == "GPU-2,GPU-3", "each process sees all, as under torchrun"
    assert [(place.device, place.cores) for place in plan(pairs, range(8))] == [(pairs[0], (0, 1)), (pairs[1], (2, 3))]
    assert in_groups([CPU], 2) == [CPU]
    assert in_groups(four, 1) == four


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (GPUS * 2 + GPUS[:1], "5 GPUs are not a multiple of devices_per_trial = 2; name 4 by --devices"),
        (GPUS[:1], "1 GPUs are not a multiple of devices_per_trial = 2; name 2 by --devices"),
        ([Device("mps")], "devices_per_trial = 2 is for whole GPUs or the CPU, and mps is no GPU of NVIDIA's or AMD's"),
        ([Device("cuda:0", "MIG-1"), Device("cuda:1", "MIG-2")], "and cuda:0 is an instance of a GPU"),
    ],
)
def test_devices_that_make_no_groups_are_refused(found: list[Device], says: str) -> None:
    with pytest.raises(DeviceError) as refused:
        in_groups(found, 2)
    assert says in str(refused.value)


@pytest.mark.usefixtures("_no_threads_given")
def test_each_process_of_a_trial_gets_a_core() -> None:
    assert plan([CPU], range(8), devices_per_trial=2) == [Place(CPU, 1, (i, i + 1)) for i in (0, 2, 4, 6)]
    assert plan([CPU], range(8), workers=2, devices_per_trial=2)[1] == Place(CPU, 2, (4, 5, 6, 7))
    assert plan([CPU], range(1), devices_per_trial=2) == [Place(CPU, 1)]


def test_threads_that_the_environment_gives_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert plan([CPU], range(8), workers=2)[0].threads == 3
    assert plan([CPU], range(8), workers=2, threads=1)[0].threads == 1, "what the study has settled comes first"


def test_a_process_follows_its_parent_where_no_kernel_tells_it() -> None:
    child = """
import os, signal
from winnow.search.worker.processes import watch_parent
parent = os.getppid()
print(os.getpid(), flush=True)
watch_parent(parent, signal.SIGKILL)
"""
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
print(int(child.stdout.readline()), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", parent], stdout=subprocess.PIPE, timeout=60, check=True)
    orphan = int(done.stdout)
    subprocess.run(["tail", f"--pid={orphan}", "-f", os.devnull], timeout=60, check=True)
