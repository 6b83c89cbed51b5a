"""`winnow work` and `winnow reap`: workers on this machine, and the trials of workers that are gone."""

import math
from dataclasses import replace

import click

from winnow import defaults
from winnow import storage as storages
from winnow.errors import WorkerFailed
from winnow.search.analysis import status
from winnow.search.cli.options import (
    accept_code_option,
    grace_option,
    lease_option,
    slots_option,
    storage_option,
    workers_option,
)
from winnow.search.study import study as studies
from winnow.search.worker import reaper
from winnow.search.worker.devices import find
from winnow.search.worker.forking import ForkServer
from winnow.search.worker.numerics import settled_threads
from winnow.search.worker.pool_worker import PoolWorker
from winnow.search.worker.shutdown import Shutdown
from winnow.search.worker.supervision import Supervision
from winnow.search.worker.trainer_process import WorkerOptions, refuse_missing_packages
from winnow.search.worker.worker import Worker
from winnow.storage import activity
from winnow.storage.activity import State
from winnow.storage.database import PATIENCE
from winnow.storage.errors import StorageUnreachable

# Seconds that a supervised worker waits for the database: it may be started during an outage, to replace one that died.
SUPERVISED_PATIENCE = 600.0
# A worker's pruner need not know within a second what another worker's trial came to.
FRESH_SECONDS = 1.0


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--all", "everything", is_flag=True, help="Serve every active study, by priority, until interrupted.")
@click.option("--device", default="cpu", show_default=True, help="Device of a single worker: cpu, mps, cuda, cuda:1.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of its trainer.  [default: the study's, or 1]")
@click.option("--devices", help="Start a fleet, with a worker on each of these: auto, cpu, mps, cuda:0,cuda:1.")
@slots_option
@workers_option
@lease_option
@click.option(
    "--progress-minutes",
    type=click.FloatRange(0, min_open=True),
    default=defaults.PROGRESS_MINUTES,
    show_default=True,
    help="A trainer that reports nothing for this long is considered hung and is killed.",
)
@grace_option
@accept_code_option
def work(
    study: str | None,
    url: str,
    everything: bool,
    device: str,
    threads: int | None,
    devices: str | None,
    slots: int | str | None,
    workers: int | None,
    lease_seconds: float,
    progress_minutes: float,
    grace_seconds: float,
    accept_code: bool,
) -> None:
    """Work on STUDY until it is done, or on --all studies: as one worker, or with --devices as a fleet."""
    supervision = Supervision.from_environment()
    if (study is None) != everything:
        raise click.UsageError("name one study, or give --all")
    if accept_code:
        if study is None:
            raise click.UsageError("--accept-code is for one study: name it")
        studies.accept_code(studies.load(storages.open(url, create=False), study))

    def run_worker() -> None:
        by = ForkServer.from_environment()
        options = WorkerOptions(find(device), threads or 1, lease_seconds, progress_minutes, grace_seconds, by)
        _run_worker(study, url, options, threads, supervision)

    if supervision is not None:  # it inherits the environment of its fleet, --devices among it
        with supervision.told():
            run_worker()
    elif devices is not None:
        passed_on = ("--lease-seconds", str(lease_seconds), "--progress-minutes", str(progress_minutes))
        _start_fleet(study, url, devices, slots, workers, grace_seconds, passed_on)
    elif slots or workers:
        raise click.UsageError("--slots and --workers need --devices, for example --devices auto")
    else:
        run_worker()


def _run_worker(
    study: str | None, url: str, options: WorkerOptions, threads: int | None, supervision: Supervision | None
) -> None:
    shutdown = Shutdown(options.grace_seconds)
    shutdown.listen()
    try:
        storage = storages.open(url, create=False, patience=PATIENCE if supervision is None else SUPERVISED_PATIENCE)
        storage.database.patience = math.inf  # once it is open, until the worker is asked to leave
        storage.database.give_up = shutdown.requested.is_set
        storage.database.contact.longest_gap = options.longest_gap
        storage.freshness = FRESH_SECONDS
        if study is None:
            PoolWorker(storage, options, shutdown, supervision).run()
            return
        loaded = studies.load(storage, study)
        # A supervised worker may start just after the study has ended.
        if supervision is None:
            status.refuse_finished(loaded)
            if activity.state_of(storage.database, loaded.study_id) is State.STOPPED:
                click.echo(f"{study} is stopped by hand: winnow resume {study} goes on", err=True)
                return
        refuse_missing_packages(loaded.spec)
        options = replace(options, threads=threads or settled_threads(loaded) or 1)
        Worker(loaded, options, shutdown, supervision=supervision).run()
    except StorageUnreachable as error:
        if supervision is None:
            raise
        raise WorkerFailed(error.problem, error.remedy) from None  # no mistake of the user's: it is started again


def _start_fleet(
    study: str | None,
    url: str,
    devices: str,
    slots: int | str | None,
    workers: int | None,
    grace_seconds: float,
    passed_on: tuple[str, ...],
) -> None:
    from winnow.search.api.fleet import FleetOptions, run_here, serve_here  # pandas and scikit-learn come with it
    from winnow.search.api.study import load_study, open_storage

    options = FleetOptions(devices, slots, workers, grace_seconds, passed_on)
    if study is None:
        options.check()
        serve_here(open_storage(url, create=False), options)
        return
    loaded = load_study(study, url)
    options.check(loaded.spec)
    status.refuse_finished(loaded)
    run_here(loaded, options)


@click.command()
@storage_option
@lease_option
@click.option("--every", type=click.FloatRange(1), help="Look again every this many seconds, until interrupted.")
def reap(url: str, lease_seconds: float, every: float | None) -> None:
    """Requeue the trials of workers that are gone, where no worker is left to do so."""
    for numbers in reaper.reap(storages.open(url, create=False), lease_seconds, every):
        click.echo(f"Requeued trials: {', '.join(map(str, numbers))}." if numbers else "No trial was lost.")
