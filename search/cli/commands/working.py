"""Working: work."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from winnow.search.cli.commands.opening import load_study, open_storage, refuse_finished
from winnow.search.cli.commands.options import (
    grace_option,
    lease_option,
    slots_option,
    storage_option,
    workers_option,
)
from winnow.search.cli.commands.running import Wishes, serve_here, work_here

if TYPE_CHECKING:
    from winnow.search.worker.supervision import Supervision

SUPERVISED_PATIENCE = 600.0


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--all", "everything", is_flag=True, help="Serve every active study, by priority, until told to leave.")
@click.option("--device", default="cpu", show_default=True, help="Of one worker, here: cpu, mps, cuda, cuda:1.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of its trainer.  [default: the study's, or 1]")
@click.option("--devices", help="Be a fleet, with a worker on each of these: auto, cpu, mps, cuda:0,cuda:1.")
@slots_option
@workers_option
@lease_option
@click.option(
    "--progress-minutes",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="A trainer that reports nothing for so long is taken to hang and is killed.",
)
@grace_option
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
) -> None:
    """Work on STUDY until nothing is left to do, or --all studies: as one worker, or with --devices as a fleet."""
    from winnow.search.worker.supervision import Supervision

    supervision = Supervision.from_environment()
    if (study is None) != everything:
        raise click.UsageError("name one study, or give --all")
    if supervision is None:  # a supervised worker inherits what the environment says of the fleet
        if devices is not None:
            passed_on = ("--lease-seconds", str(lease_seconds), "--progress-minutes", str(progress_minutes))
            _be_a_fleet(study, url, Wishes(devices, slots, workers, grace_seconds, passed_on))
            return
        if slots or workers:
            raise click.UsageError("--slots and --workers need --devices, for example --devices auto")
        _be_a_worker(study, url, device, threads, lease_seconds, progress_minutes, grace_seconds)
        return
    with supervision.told():
        _be_a_worker(study, url, device, threads, lease_seconds, progress_minutes, grace_seconds, supervision)


def _be_a_worker(
    study: str | None,
    url: str,
    device: str,
    threads: int | None,
    lease_seconds: float,
    progress_minutes: float,
    grace_seconds: float,
    supervision: "Supervision | None" = None,
) -> None:
    from winnow.errors import WorkerFailed
    from winnow.search.study import study as studies
    from winnow.search.worker.devices import find
    from winnow.search.worker.pool import PoolWorker
    from winnow.search.worker.shutdown import Leaving
    from winnow.search.worker.trainer_process import WorkerOptions, settled_threads
    from winnow.search.worker.worker import Worker
    from winnow.storage.errors import StorageUnreachable

    options = WorkerOptions(find(device), threads or 1, lease_seconds, progress_minutes, grace_seconds)
    leaving = Leaving(grace_seconds)
    leaving.listen()
    try:
        # Its supervisor may start it during an outage of the database, to replace one that died.
        storage = open_storage(url, patience=0.0 if supervision is None else SUPERVISED_PATIENCE)
        if study is None:
            PoolWorker(storage, options, leaving, supervision).run()
            return
        loaded = studies.load(storage, study)
        if supervision is None:  # to one that is started again, the end of the study is no mistake
            refuse_finished(loaded)
        options = replace(options, threads=threads or settled_threads(loaded) or 1)
        Worker(loaded, options, leaving, supervision=supervision).run()
    except StorageUnreachable as error:
        if supervision is None:
            raise
        raise WorkerFailed(error.problem, error.remedy) from None  # no mistake of the user's: it is started again


def _be_a_fleet(study: str | None, url: str, wishes: Wishes) -> None:
    wishes.places()  # refused before anything is opened
    if study is None:
        serve_here(open_storage(url), wishes)
        return
    loaded = load_study(study, url)
    refuse_finished(loaded)
    work_here(loaded, wishes)
