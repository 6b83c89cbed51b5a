"""GPUs as NVIDIA's driver tells of them, the real pynvml and torch on a stub of the driver's library."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nvidia_driver
from integration.winnow import Place, wait_for
from nvidia_driver import H100, MISMATCH, NOT_LOADED, V100
from winnow.search.worker import devices

Ask = Callable[..., Any]
FOUR = [f"GPU-{n} {H100} cores={mask}" for n, mask in enumerate(("f", "f", "f0", "f0"))]
SIXTEEN = [f"GPU-{n:02} {H100 if n < 8 else V100}" for n in range(16)]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Evaluate an expression in a process on a machine with these GPUs; what it warns of comes with it."""

    def asked(expression: str, gpus: list[str], error: int = 0, **environment: str) -> Any:
        code = (
            "import json, logging, sys\nfrom winnow.errors import DeviceError\n"
            "from winnow.search.launch import memory\nfrom winnow.search.worker import devices, nvml\n"
            "logging.basicConfig(format='%(message)s')\n"
            f"try: value = {expression}\nexcept DeviceError as refused: value = str(refused)\n"
            "print(json.dumps(value))"
        )
        driver: dict[str, Any] = nvidia_driver.install(tmp_path, gpus, error)
        mine = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=300,
            env={**mine, **driver, **environment},
        )
        assert done.returncode == 0, done.stderr
        warned = done.stderr.strip()
        return (json.loads(done.stdout), warned) if warned else json.loads(done.stdout)

    return asked


TORCH_FOR_ROCM = """
import os
def visible(name, count):
    if os.environ.get(name) is None:
        return count
    there = []
    for entry in os.environ[name].split(","):  # as ROCm, which passes over the rest in silence
        if not entry.strip().isdecimal() or int(entry) >= len(count):
            break
        there.append(count[int(entry)])
    return there

class told:
    def __init__(self, number):
        self.name, self.uuid = "AMD Instinct MI300X", f"uuid-{number}"
        self.pci_domain_id, self.pci_bus_id, self.pci_device_id = 0, 0xc0 + number, 0

class cuda:
    there = visible("ROCR_VISIBLE_DEVICES", list(range({count})))
    there = visible("HIP_VISIBLE_DEVICES" if "HIP_VISIBLE_DEVICES" in os.environ else "CUDA_VISIBLE_DEVICES", there)
    device_count = staticmethod(lambda: len(cuda.there))
    get_device_properties = staticmethod(lambda number: told(cuda.there[number]))
"""


@pytest.fixture
def rocm(tmp_path: Path) -> Callable[[int], dict[str, str]]:
    """The environment of a machine without NVIDIA's driver, whose torch is built for ROCm and finds so many GPUs.

    A stand-in for torch: it counts as ROCm does, by HIP_VISIBLE_DEVICES before CUDA_VISIBLE_DEVICES, of those that
    ROCR_VISIBLE_DEVICES lets through.
    """

    def environment(count: int) -> dict[str, str]:
        torch = tmp_path / "packages" / "torch"
        torch.mkdir(parents=True, exist_ok=True)
        (torch / "__init__.py").write_text(TORCH_FOR_ROCM.replace("{count}", str(count)))
        (torch / "version.py").write_text("cuda: Optional[str] = None\nhip: Optional[str] = '6.4.43482'\n")
        packages = os.pathsep.join([str(torch.parent), os.environ.get("PYTHONPATH", "")])
        return {"PYTHONPATH": packages, "LD_LIBRARY_PATH": str(tmp_path / "empty")}

    return environment


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"HIP_VISIBLE_DEVICES": "2,3"}, ["2", "3"]),
        ({"HIP_VISIBLE_DEVICES": " 3 ,0"}, ["3", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "1,2"}, ["1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "3"}, ["3"]),
    ],
)
def test_amds_gpus_are_those_that_torch_sees_and_a_process_is_bound_to_one(
    ask: Ask, rocm: Callable[[int], dict[str, str]], given: dict[str, str], names: list[str]
) -> None:
    environment = {**rocm(4), **given}
    assert ask(AUTO, [], **environment) == [[f"cuda:{n}", name] for n, name in enumerate(names)]
    bound = ask("[devices.bind(d, 2) for d in devices.choose()]", [], **environment)
    threads = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    assert bound == [{**threads, "HIP_VISIBLE_DEVICES": name} for name in names]
    doctor = "[[f.what, f.good, f.says] for f in __import__('winnow.search.cli.doctor', fromlist=['x'])._gpus()]"
    assert ask(doctor, [], **environment) == [
        *[[f"cuda:{n}", True, f"AMD's GPU {name}"] for n, name in enumerate(names)],
        ["--devices auto", True, ", ".join(f"cuda:{n}" for n in range(len(names)))],
    ]
    last = f"cuda:{len(names) - 1}"
    assert ask(f"devices.find({last!r}).keys[0]", [], **environment) == f"0000:{0xC0 + int(names[-1]):x}:00.0"
    assert f"there is no device 'cuda:{len(names)}'" in ask(f"devices.find('cuda:{len(names)}')", [], **environment)


def test_an_amd_gpu_has_one_lock_whatever_a_job_lets_through(ask: Ask, rocm: Callable[[int], dict[str, str]]) -> None:
    for given in ({"HIP_VISIBLE_DEVICES": "2"}, {"ROCR_VISIBLE_DEVICES": "2"}):
        assert ask("devices.find('cuda').keys[0]", [], **rocm(4), **given) == "0000:c2:00.0"


@pytest.mark.parametrize("given", ["7", "0,7,2", "1,1", "0,,1"])
def test_what_rocm_would_pass_over_is_refused(ask: Ask, rocm: Callable[[int], dict[str, str]], given: str) -> None:
    told = ask(AUTO, [], **rocm(4), HIP_VISIBLE_DEVICES=given)
    assert f"is {given!r}, and torch sees" in told


def test_linux_tells_the_memory_of_an_amd_gpu_and_the_cores_beside_it(
    ask: Ask, rocm: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    folder = tmp_path / "pci" / "0000:c1:00.0"
    (folder / "hwmon" / "hwmon3").mkdir(parents=True)
    told: dict[str, str | int] = {"mem_info_vram_total": 4 << 30, "mem_info_vram_used": 1 << 30, "gpu_busy_percent": 87}
    told |= {"local_cpulist": "0-2,8", "hwmon/hwmon3/temp1_input": 64000}
    for name, content in told.items():
        (folder / name).write_text(f"{content}\n")
    asked = "[memory.available(d), list(d.cores), (l := devices.load(d)) and [l.utilisation, l.memory, l.temperature]]"
    there = f"setattr(devices.rocm, 'PCI', __import__('pathlib').Path({str(folder.parent)!r}))"
    assert ask(f"{there} or [{asked} for d in devices.choose()]", [], **rocm(2)) == [
        [None, [], None],
        [3 << 30, [0, 1, 2, 8], [87.0, 25.0, 64.0]],
    ]
    refused = ask(f"{there} or memory.refuse_too_many(devices.find('cuda:1'), 4)", [], **rocm(2))
    assert "4 slots leave each 0.75 GiB of the 3.0 GiB that are free on cuda:1" in refused


@pytest.mark.parametrize("given", [{}, {"HIP_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": ""}])
def test_a_torch_for_rocm_that_finds_no_gpu_is_said(
    ask: Ask, rocm: Callable[[int], dict[str, str]], given: dict[str, str]
) -> None:
    found, warned = ask(AUTO, [], **rocm(0), **given)
    assert found == [["cpu", ""]]
    assert warned == "torch is built for ROCm and finds no GPU"


AUTO = "[(device.name, device.visible) for device in devices.choose()]"


@pytest.mark.parametrize("gpus", [[f"GPU-a {H100}"], FOUR, SIXTEEN], ids=["one", "four", "sixteen of two kinds"])
def test_auto_is_every_gpu_by_its_uuid(ask: Ask, gpus: list[str]) -> None:
    assert ask(AUTO, gpus) == [[f"cuda:{n}", gpu.split()[0]] for n, gpu in enumerate(gpus)]


def test_no_gpu_and_no_driver_are_the_cpu(ask: Ask, tmp_path: Path) -> None:
    assert ask(AUTO, []) == [["cpu", ""]]
    empty = tmp_path / "empty"
    assert ask(AUTO, [], LD_LIBRARY_PATH=str(empty)) == [["cpu", ""]], "there is no library"


@pytest.mark.parametrize(
    ("error", "says"),
    [(MISMATCH, "version mismatch"), (NOT_LOADED, "Driver Not Loaded"), (999, "Unknown")],
)
@pytest.mark.parametrize("wanted", ["auto", "cuda:0", "cuda"])
def test_a_driver_that_does_not_answer_is_said_and_never_taken_for_no_gpu(
    ask: Ask, error: int, says: str, wanted: str
) -> None:
    told = ask(f"devices.choose({wanted!r}) and 'chosen'", [f"GPU-a {H100}"], error)
    assert "NVIDIA's driver is installed and does not answer" in told
    assert says in told
    assert "--devices cpu" in told
    assert ask("[d.name for d in devices.choose('cpu')]", [f"GPU-a {H100}"], error) == ["cpu"]


def test_a_lost_gpu_is_passed_over_with_a_word_and_keeps_its_number(ask: Ask) -> None:
    gpus = [f"GPU-a {H100}", f"GPU-b {H100} lost", f"GPU-c {H100}"]
    found, warned = ask(AUTO, gpus)
    assert found == [["cuda:0", "GPU-a"], ["cuda:2", "GPU-c"]]
    assert warned == "cuda:1 is passed over: the driver says: GPU is lost"
    assert "cuda:1 cannot be used: the driver says: GPU is lost" in ask("devices.choose('cuda:0,cuda:1')", gpus)
    assert "none of the 1 GPUs here can be used" in ask(AUTO, gpus[1:2])[0], "and never the CPU in silence"


def test_mig_instances_behind_a_gap_are_there(ask: Ask) -> None:
    gpus = [f"GPU-a {H100} mig=MIG-1,-,MIG-3,-,-,MIG-6", f"GPU-b {H100}", f"GPU-c {V100}"]
    assert [uuid for _, uuid in ask(AUTO, gpus)] == ["MIG-1", "MIG-3", "MIG-6", "GPU-b", "GPU-c"]
    assert ask("memory.available(devices.find('cuda:1'))", gpus) == (80900 << 20) // 7


def test_a_gpu_with_mig_and_no_instance_is_not_offered_whole(ask: Ask) -> None:
    found, warned = ask(AUTO, [f"GPU-a {H100} mig=", f"GPU-b {H100} mig=-,-", f"GPU-c {H100}"])
    assert found == [["cuda:2", "GPU-c"]]
    assert "cuda:0 is passed over: MIG is on, and no instance has been made" in warned


def test_a_mode_that_prohibits_or_excludes(ask: Ask) -> None:
    gpus = [f"GPU-a {H100} mode=2", f"GPU-b {H100} mode=3"]
    found, warned = ask(AUTO, gpus)
    assert found == [["cuda:1", "GPU-b"]]
    assert "its compute mode is Prohibited" in warned
    refuse = "memory.refuse_too_many(devices.find('cuda:1'), {})"
    assert ask(refuse.format(1), gpus) is None
    assert "takes one process at a time" in ask(refuse.format(2), gpus)


def test_a_gpu_that_does_not_tell_something_of_itself_works(ask: Ask) -> None:
    """As a Jetson or WSL, which know less, and a container or a cut GPU, which allow less."""
    calls = ["shutdown", "name", "memory", "mig", "mode", "cores", "capability"]
    gpus = [f"GPU-{call}-{code} {H100} mode=3 cores=f {call}!{code}" for call in calls for code in (3, 4)]
    assert ask(AUTO, gpus) == [[f"cuda:{n}", gpu.split()[0]] for n, gpu in enumerate(gpus)]
    assert ask("[memory.available(d) is None for d in devices.choose()]", gpus) == ["memory" in gpu for gpu in gpus]


def test_a_gpu_whose_memory_does_not_answer_is_passed_over(ask: Ask) -> None:
    wrong = {999: "Unknown Error", 10: "Timeout", 16: "GPU requires restart"}
    found, warned = ask(AUTO, [*(f"GPU-{code} {H100} memory!{code}" for code in wrong), f"GPU-b {H100}"])
    assert found == [["cuda:3", "GPU-b"]]
    assert warned.splitlines() == [
        f"cuda:{n} is passed over: the driver says: {says}" for n, says in enumerate(wrong.values())
    ]


def test_gpus_of_other_jobs_are_not_counted_as_cuda_does_not(ask: Ask) -> None:
    gpus = [f"GPU-a {H100} handle!4", f"GPU-b {H100}", f"GPU-c {H100} handle!4", f"GPU-d {V100}"]
    assert ask(AUTO, gpus) == [["cuda:0", "GPU-b"], ["cuda:1", "GPU-d"]]
    assert ask(AUTO, gpus, CUDA_VISIBLE_DEVICES="1") == [["cuda:0", "GPU-d"]], "Slurm counts those of the job"


def test_mig_instances_that_are_not_told_leave_the_others(ask: Ask) -> None:
    gpus = [f"GPU-a {H100} mig=MIG-1,MIG-2 memory!4", f"GPU-b {H100} mig=MIG-3 parts!4"]
    found, warned = ask(AUTO, gpus)
    assert [uuid for _, uuid in found] == ["MIG-1", "MIG-2"]
    assert "cuda:2 is passed over: MIG is on" in warned


def test_a_library_that_cannot_be_loaded_is_said(ask: Ask, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "libnvidia-ml.so.1").touch()  # as images leave it that were made where there was a driver
    told = ask(AUTO, [], LD_LIBRARY_PATH=str(broken))
    assert "its library libnvidia-ml.so.1 cannot be loaded: " in told
    assert "file too short" in told


def test_a_driver_whose_library_is_missing_is_said(ask: Ask, tmp_path: Path) -> None:
    (there := tmp_path / "nvidiactl").touch()
    choose = f"setattr(nvml, {{!r}}, {{}}) or {AUTO}"
    given = choose.format("GIVEN", f"[__import__('pathlib').Path({str(there)!r})]")
    told = ask(given, [], LD_LIBRARY_PATH=str(tmp_path / "empty"))
    assert "there is an NVIDIA GPU here, and its driver's library libnvidia-ml.so.1 is missing" in told
    assert "--devices cuda" in told
    hidden = ask(given, [], LD_LIBRARY_PATH=str(tmp_path / "empty"), CUDA_VISIBLE_DEVICES="")
    assert hidden == [["cpu", ""]], "which was asked for"
    runs = choose.format("RUNS", f"__import__('pathlib').Path({str(there)!r})")
    found, warned = ask(runs, [], LD_LIBRARY_PATH=str(tmp_path / "empty"))
    assert found == [["cpu", ""]]
    assert "no GPU of it is given to this process: trains on the CPU" in warned


def test_twenty_gpus(ask: Ask) -> None:
    gpus, given = [f"GPU-{n:02} {H100}" for n in range(20)], "19,GPU-07,0"
    assert [uuid for _, uuid in ask(AUTO, gpus, CUDA_VISIBLE_DEVICES=given)] == ["GPU-19", "GPU-07", "GPU-00"]


def test_what_the_environment_hides_is_said(ask: Ask) -> None:
    found, warned = ask(AUTO, FOUR, CUDA_VISIBLE_DEVICES="")
    assert found == [["cpu", ""]]
    assert warned == "CUDA_VISIBLE_DEVICES is '': no GPU is used"
    assert "'7' names no GPU of this machine" in ask(AUTO, FOUR, CUDA_VISIBLE_DEVICES="7")
    assert "names one device twice" in ask(AUTO, FOUR, CUDA_VISIBLE_DEVICES="0,0")
    assert ask(AUTO, FOUR, CUDA_VISIBLE_DEVICES="3,GPU-0") == [["cuda:0", "GPU-3"], ["cuda:1", "GPU-0"]]
    told = ask("devices.find('cuda:2')", FOUR, CUDA_VISIBLE_DEVICES="3,GPU-0")
    assert told.startswith(
        "there is no device 'cuda:2' here (CUDA_VISIBLE_DEVICES is '3,GPU-0'); there is cuda:0, cuda:1"
    )


def test_one_gpu_has_one_lock_by_whatever_name_it_is_given(ask: Ask) -> None:
    for name, visible in (("cuda:2", None), ("cuda:0", "2"), ("cuda", "GPU-2"), ("cuda:1", "0,2")):
        given = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
        assert ask(f"devices.find({name!r}).keys[0]", FOUR, **given) == "GPU-2"


def test_the_memory_of_others_is_not_given_out(ask: Ask) -> None:
    gpus = ["GPU-a NVIDIA-H100 81559 11264"]  # 11 GiB are free
    refuse = "memory.refuse_too_many(devices.find('cuda:0'), {}, {})"
    told = ask(refuse.format(16, 4 << 30), gpus)
    assert "of the 11.0 GiB that are free on cuda:0" in told
    assert "a trial of this study was seen to take 4.80 GiB; give --slots 2 at most" in told, "with CUDA's own"
    assert ask(refuse.format(2, 4 << 30), gpus) is None
    assert "free some of it first" in ask(refuse.format(1, 12 << 30), gpus)


def test_each_gpu_tells_the_cores_beside_it(ask: Ask) -> None:
    assert ask("[list(d.cores) for d in devices.choose('cuda:0,cuda:3')]", FOUR) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert ask("[list(d.cores) for d in devices.choose()]", [f"GPU-a {V100}"]) == [[]]


def test_a_gpu_that_would_emulate_bf16_is_told(ask: Ask) -> None:
    told = ask("[d.native_bf16 for d in devices.choose()]", [f"GPU-a {H100}", f"GPU-b {V100}"])
    assert told == [True, False]
    assert ask("devices.find('cuda:0,cuda:1').native_bf16", [f"GPU-a {H100}", f"GPU-b {V100}"]) is False


def test_doctor_names_every_gpu_and_what_is_wrong(ask: Ask) -> None:
    gpus = [f"GPU-a {H100}", f"GPU-b {H100} lost", f"GPU-c {V100} mode=3"]
    doctor = "[[f.what, f.good, f.says] for f in __import__('winnow.search.cli.doctor', fromlist=['x'])._devices()]"
    found, _ = ask(doctor, gpus)
    told = {what: (good, says) for what, good, says in found}
    assert told["cuda:0"] == (True, "GPU-a, 79.0 of 79.6 GiB free")
    assert told["cuda:1"] == (False, "GPU-b; the driver says: GPU is lost")
    assert told["cuda:2"] == (True, "GPU-c, 15.6 of 16.0 GiB free, takes one process at a time")
    assert told["--devices auto"] == (True, "cuda:0, cuda:2")
    assert not told["torch on GPUs"][0], "torch finds none of them"
    told = {what: (good, says) for what, good, says in ask(doctor, gpus, MISMATCH)}
    assert not told["--devices auto"][0]
    assert "version mismatch" in told["--devices auto"][1]


MINE = """
import os, time
SEEN = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}  # as torch at its import
CORES = sorted(os.sched_getaffinity(0))

def search(trial):
    trial.set_user_attr("seen", SEEN)
    trial.set_user_attr("cores", CORES)
    for epoch in range(1, 5):
        time.sleep(0.25)  # stands for training
        trial.report(0.5, epoch)
    return trial.suggest_float("x", 0.0, 1.0)
"""


def write_study(place: Place, trials: int) -> str:
    (place.folder / "mine.py").write_text(MINE)
    (place.folder / "s.toml").write_text(
        f'name = "s"\nobjective = "mine:search"\n[pruner]\nname = "none"\n[budget]\ntrials = {trials}\n'
    )
    return "s.toml"


@pytest.fixture
def _nothing_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_nothing_is_visible")
def test_every_trainer_sees_one_gpu_before_anything_is_imported(place: Place) -> None:
    gpus = [f"GPU-a {H100} mig=MIG-1,-,MIG-3 cores=1", f"GPU-b {H100} lost", f"GPU-c {V100}"]
    driver: dict[str, Any] = nvidia_driver.install(place.folder, gpus)
    done = place.run("run", write_study(place, 9), **driver)
    assert done.returncode == 0, done.stderr
    assert "cuda:2 is passed over: the driver says: GPU is lost" in done.stderr
    assert "3 workers (1 on cuda:0, 1 on cuda:1, 1 on cuda:3; 1 thread each)" in done.stderr
    seen = {t.user_attrs["winnow:run"]["device"]: t.user_attrs["seen"] for t in place.study().trials}
    bound = {"cuda:0": "MIG-1", "cuda:1": "MIG-3", "cuda:3": "GPU-c"}
    assert seen == {
        name: {"CUDA_VISIBLE_DEVICES": uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} for name, uuid in bound.items()
    }
    if devices.may_pin():
        first = [t for t in place.study().trials if t.user_attrs["winnow:run"]["device"] == "cuda:0"]
        assert {tuple(t.user_attrs["cores"]) for t in first} == {(0,)}, "those of its node"


@pytest.mark.usefixtures("_nothing_is_visible")
def test_a_gpu_that_is_lost_meanwhile_gives_its_place_up_and_the_others_go_on(place: Place) -> None:
    gpus = [f"GPU-a {H100}", f"GPU-b {V100}"]
    search = place.start("run", write_study(place, 24), **nvidia_driver.install(place.folder, gpus))
    lost = wait_for(lambda: next((worker for worker in workers(place) if worker["device"] == "cuda:1"), None))
    nvidia_driver.say(place.folder, [gpus[0], gpus[1] + " lost"])
    os.kill(int(lost["process"]), signal.SIGKILL)
    reason = "cuda:1 cannot be used: the driver says: GPU is lost"
    (place_given_up,) = wait_for(lambda: status_of(place).get("given_up"))
    assert (place_given_up["device"], place_given_up["reason"][: len(reason)]) == ("cuda:1", reason)
    _, stderr = search.communicate(timeout=120)
    assert search.returncode == 0, stderr
    assert "was given up" in place.run("status", "s").stdout
    doctor = place.run("doctor").stdout  # where the GPU is there again, the storage still tells
    assert any(line.startswith("NO  cuda:1 ") and reason in line for line in doctor.splitlines()), doctor
    assert (
        "a worker on cuda:1 is not started for 10 minutes: cuda:1 cannot be used: the driver says: GPU is lost"
        in stderr
    )
    assert place.states() == ["COMPLETE"] * 24


@pytest.mark.usefixtures("_nothing_is_visible")
def test_slots_auto_keeps_to_the_memory_that_others_leave(place: Place) -> None:
    gpus = ["GPU-a NVIDIA-H100 81559 1536", f"GPU-b {H100} mode=3"]
    driver: dict[str, Any] = nvidia_driver.install(place.folder, gpus)
    spec = write_study(place, 12)
    refused = place.run("run", spec, "--devices", "cuda:0", "--workers", "2", **driver)
    assert refused.returncode == 2
    assert "2 slots leave each 0.75 GiB of the 1.5 GiB that are free on cuda:0" in refused.stderr
    refused = place.run("run", spec, "--slots", "2", **driver)
    assert refused.returncode == 2
    assert "2 slots leave each 0.75 GiB of the 1.5 GiB that are free on cuda:0" in refused.stderr
    done = place.run("run", spec, "--slots", "auto", **driver)
    assert done.returncode == 0, done.stderr
    assert len({t.user_attrs["winnow:run"]["worker"] for t in place.study().trials}) == 2, "one on each"


def workers(place: Place) -> list[dict[str, Any]]:
    return list(status_of(place).get("workers", []))


def status_of(place: Place) -> dict[str, Any]:
    told = place.run("status", "s", "--json")
    return dict(json.loads(told.stdout)) if told.returncode == 0 else {}
