"""Working: work."""

import os
import signal
import sys
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
    from winnow.search.worker.trainer_process import WorkerOptions
    from winnow.storage import Storage

FLEET_PATIENCE = 600.0


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
    from winnow.search.launch.fleet import FLEET

    in_fleet = FLEET in os.environ
    if (study is None) != everything:
        raise click.UsageError("name one study, or give --all")
    if devices is not None and not in_fleet:  # a fleet's worker inherits what the environment says of the fleet
        passed_on = ("--lease-seconds", str(lease_seconds), "--progress-minutes", str(progress_minutes))
        _be_a_fleet(study, url, Wishes(devices, slots, workers, grace_seconds, passed_on))
        return
    if (slots or workers) and not in_fleet:
        raise click.UsageError("--slots and --workers need --devices, for example --devices auto")

    from winnow.search.worker.devices import find
    from winnow.search.worker.processes import die_with_parent
    from winnow.search.worker.trainer_process import WorkerOptions
    from winnow.storage.errors import StorageUnreachable

    if in_fleet:
        die_with_parent(signal.SIGTERM)
    options = WorkerOptions(find(device), threads or 1, lease_seconds, progress_minutes, grace_seconds)
    try:
        # In a fleet it may be started during an outage of the database, to replace one that died.
        _be_a_worker(open_storage(url, patience=FLEET_PATIENCE if in_fleet else 0.0), study, options, threads, in_fleet)
    except StorageUnreachable as error:
        if not in_fleet:
            raise
        click.echo(f"winnow: {error}", err=True)
        sys.exit(1)  # no mistake of the user's: the fleet starts it again


def _be_a_worker(
    storage: "Storage", study: str | None, options: "WorkerOptions", threads: int | None, in_fleet: bool
) -> None:
    from winnow.search.study import study as studies
    from winnow.search.worker.pool import PoolWorker
    from winnow.search.worker.shutdown import Leaving
    from winnow.search.worker.trainer_process import settled_threads
    from winnow.search.worker.worker import Worker

    leaving = Leaving(options.grace_seconds)
    leaving.listen()
    if study is None:
        PoolWorker(storage, options, leaving).run()
        return
    loaded = studies.load(storage, study)
    if not in_fleet:  # to a fleet's worker that comes late, the end of the study is no mistake
        refuse_finished(loaded)
    Worker(loaded, replace(options, threads=threads or settled_threads(loaded) or 1), leaving).run()


def _be_a_fleet(study: str | None, url: str, wishes: Wishes) -> None:
    wishes.places()  # refused before anything is opened
    if study is None:
        serve_here(open_storage(url), wishes)
        return
    loaded = load_study(study, url)
    refuse_finished(loaded)
    work_here(loaded, wishes)
