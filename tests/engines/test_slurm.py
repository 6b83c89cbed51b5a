"""A search on a real Slurm: killed workers, lost machines, time limits, stops, and what Slurm does not take."""

from collections.abc import Callable, Iterator

import psutil
import pytest

from engines.search_on_cluster import SearchOnCluster
from engines.slurm_cluster import GPUS, NODES, SlurmCluster
from faults.fleet_under_fire import wait_for

RUN = ("run", "s.toml", "--engine", "slurm", "--time", "1:00:00")


def test_workers_and_machines_that_die_cost_no_trial(
    cluster: SlurmCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search()
    job = submitted(cluster, searched, "--gpus", "4")
    searched.wait_at_work(4)
    places = [(place["SLURMD_NODENAME"], place["CUDA_VISIBLE_DEVICES"]) for place in environments(searched)]
    assert sorted(places) == [(node, str(gpu)) for node in NODES for gpu in range(len(GPUS))], "one worker a GPU"

    searched.train()
    searched.wait_trained(10)
    searched.random.choice(searched.processes()).kill()
    cluster.ask("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=test")
    searched.wait_trained(30)
    cluster.ask("scontrol", "update", "NodeName=n2", "State=RESUME")
    cluster.finish(job)
    searched.prove(kills=3)


@pytest.mark.timeout(600)
def test_a_task_goes_on_after_its_time_limit(cluster: SlurmCluster, search: Callable[..., SearchOnCluster]) -> None:
    searched = search(trials=26)  # a minute and more: Slurm looks at time limits twice a minute
    searched.train()
    job = submitted(cluster, searched, "--gpus", "1")
    searched.wait_trained(5)
    cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=2")  # so little is left that the warning is due
    wait_for(lambda: "PENDING (BeginTime)" in "".join(cluster.tasks(job)), 600, "its return to the queue")
    assert "WAITING" in searched.states(), "handed back, not lost"
    assert "RUNNING" not in searched.states()
    # Its own limit again, and not the two minutes that Slurm lets it wait: a machine refuses only a task that comes
    # back within the second.
    cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=60", "StartTime=now+5")
    cluster.finish(job, seconds=600)
    searched.prove(kills=1)


def test_stop_ends_the_job_and_the_same_command_goes_on(
    cluster: SlurmCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search(trials=40)  # enough to be still at it when the commands have been typed
    job = submitted(cluster, searched, "--gpus", "6")
    searched.wait_at_work(4)
    again = searched.winnow(*RUN, "--gpus", "6", **cluster.environment).stdout
    assert f"s is running as Slurm job {job}: 4 running, 2 waiting" in again

    searched.train()
    searched.wait_trained(5)
    told = searched.winnow("stop", "s", **cluster.environment)
    assert f"Slurm job {job}" in told.stdout
    cluster.finish(job)
    assert "RUNNING" not in searched.states()

    other = submitted(cluster, searched, "--gpus", "4")
    assert other != job
    cluster.finish(other)
    searched.prove(kills=4)


def test_a_cancelled_job_stays_cancelled(cluster: SlurmCluster, search: Callable[..., SearchOnCluster]) -> None:
    searched = search()
    searched.train()
    job = submitted(cluster, searched, "--gpus", "2")
    searched.wait_trained(3)
    cluster.ask("scancel", job)
    cluster.finish(job)
    wait_for(lambda: not searched.processes(), 300, "the workers' end")
    assert "RUNNING" not in searched.states()
    assert searched.winnow("status", "s").returncode == 0


def test_what_slurm_does_not_take_is_refused_before_anything_is_written(
    cluster: SlurmCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search()
    (searched.folder / "other.toml").write_text((searched.folder / "s.toml").read_text().replace('"s"', '"other"'))
    for options in (["--partition", "none"], ["--sbatch=--gres=gpu:9"], ["--sbatch=--no-such-option"]):
        told = searched.winnow("run", "other.toml", "--engine", "slurm", "--gpus", "2", *options, **cluster.environment)
        assert told.returncode == 2
        (sentence,) = told.stderr.splitlines()
        assert sentence.startswith("winnow: Slurm's sbatch refuses: ")
    assert [study.study_name for study in searched.storage.get_all_studies()] == ["s"]


def test_slurm_shows_no_password(cluster: SlurmCluster, search: Callable[..., SearchOnCluster]) -> None:
    searched = search(trials=4)
    url = searched.url.replace("postgres@", "postgres:hunter2@")  # the tests' server asks for no password
    job = submitted(cluster, searched, "--gpus", "1", OPTUNA_STORAGE=url)
    searched.wait_at_work(1)
    assert ["hunter2" in place["OPTUNA_STORAGE"] for place in environments(searched)] == [True]
    shown = cluster.ask("scontrol", "show", "job", "--details", job)
    script = cluster.ask("scontrol", "write", "batch_script", f"{job}_0", "-")
    processes = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert "winnow.search.launch.engines.slurm_task s" in script
    assert not any("hunter2" in text for text in (shown, script, *processes))
    searched.train()


@pytest.fixture
def cluster(slurm: SlurmCluster) -> Iterator[SlurmCluster]:
    """The Slurm, with nothing to do before and after."""
    yield slurm
    slurm.clear()


def submitted(slurm: SlurmCluster, searched: SearchOnCluster, *options: str, **environment: str) -> str:
    """Have `winnow run` submit the search; gives the job."""
    told = searched.winnow(*RUN, *options, **slurm.environment, **environment)
    assert told.returncode == 0, told.stderr
    return told.stdout.partition("Slurm job ")[2].partition(".")[0]


def environments(searched: SearchOnCluster) -> list[dict[str, str]]:
    """What the workers at work were given by Slurm."""
    return [process.environ() for process in searched.processes()]
