"""A search on a real Ray cluster: killed workers, a lost machine, a stop, and a cluster that is not there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engines.ray_cluster import RayCluster
from engines.ray_machines import GPUS_A_MACHINE
from engines.search_on_cluster import SearchOnCluster
from faults.fleet_under_fire import wait_for

RUN = ("run", "s.toml", "--engine", "ray")


def test_workers_and_machines_that_die_cost_no_trial(
    cluster: RayCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search()
    submitted(cluster, searched, "--gpus", "4")
    searched.wait_at_work(4)
    gpus = [process.environ()["CUDA_VISIBLE_DEVICES"] for process in searched.processes()]
    assert sorted(gpus) == sorted(2 * [str(gpu) for gpu in range(GPUS_A_MACHINE)]), "one worker a GPU, on two machines"

    leases = {process.environ()["WINNOW_WORK_LEASE_SECONDS"] for process in searched.processes()}
    assert leases == {"5"}, "what the submitter's environment says of Winnow goes along"

    searched.train()
    searched.wait_trained(10)
    searched.random.choice(searched.processes()).kill()
    cluster.lose_a_machine()
    searched.wait_trained(30)
    cluster.add_a_machine()
    searched.wait_finished()
    searched.prove(kills=3)
    again = searched.winnow(*RUN, "--gpus", "4", "--address", cluster.address, inside=cluster.inside)
    assert "s is done" in again.stdout


def test_stop_ends_the_job_and_the_same_command_goes_on(
    cluster: RayCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search(trials=40)  # enough to be still at it when the commands have been typed
    url = searched.url.replace("postgres@", "postgres:hunter2@")  # the tests' server asks for no password
    job = submitted(cluster, searched, "--gpus", "6", OPTUNA_STORAGE=url)
    searched.wait_at_work(4)
    assert all("hunter2" in process.environ()["OPTUNA_STORAGE"] for process in searched.processes())
    assert not shown("hunter2"), "on no command line and in no log of Ray's"
    again = submitted(cluster, searched, "--gpus", "6")
    assert again == job, "it is under way"
    searched.train()
    searched.wait_trained(5)
    told = searched.winnow("stop", "s", inside=cluster.inside)
    assert f"Ray job {job} is cancelled" in told.stdout, told.stderr
    wait_for(lambda: not searched.processes(), 300, "the workers' end")
    assert "RUNNING" not in searched.states()

    # Until its actors have ended, a moment after their workers, the cancelled job is under way.
    wait_for(lambda: submitted(cluster, searched, "--gpus", "4") != job, 300, "the actors' end")
    searched.wait_finished()
    searched.prove(kills=4)


def test_a_cluster_that_is_not_there_is_refused_before_anything_is_written(
    cluster: RayCluster, search: Callable[..., SearchOnCluster]
) -> None:
    searched = search()
    (searched.folder / "other.toml").write_text((searched.folder / "s.toml").read_text().replace('"s"', '"other"'))
    for address in ("127.0.0.1:1", "nonsense"):
        asked = ("run", "other.toml", "--engine", "ray", "--gpus", "2", "--address", address)
        told = searched.winnow(*asked, inside=cluster.inside)
        assert told.returncode == 2, told.stderr
        assert f"winnow: no Ray cluster answers at {address}: " in told.stderr
        assert "Traceback" not in told.stderr
    assert [study.study_name for study in searched.storage.get_all_studies()] == ["s"]


@pytest.fixture
def cluster(ray_cluster: RayCluster) -> Iterator[RayCluster]:
    """The Ray cluster, with nothing to do afterwards."""
    yield ray_cluster
    ray_cluster.clear()


def shown(word: str) -> list[str]:
    """The command lines and Ray's logs that hold a word."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    logs = [file for file in Path("/tmp/ray/session_latest/logs").rglob("*") if file.is_file()]
    return [line for line in lines if word in line] + [str(file) for file in logs if word.encode() in file.read_bytes()]


def submitted(cluster: RayCluster, searched: SearchOnCluster, *options: str, **environment: str) -> str:
    """Have `winnow run` submit the search; gives the job."""
    told = searched.winnow(*RUN, *options, "--address", cluster.address, inside=cluster.inside, **environment)
    assert told.returncode == 0, told.stderr
    return told.stdout.partition("Ray job ")[2].partition(":")[0].partition(".")[0]
