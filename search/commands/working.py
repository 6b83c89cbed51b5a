"""Working: work."""

import os
import signal
import sys

import click

from search.commands.opening import load_study, open_storage, refuse_finished
from search.commands.options import (
    grace_option,
    lease_option,
    slots_option,
    storage_option,
    study_argument,
    workers_option,
)
from search.commands.running import Wishes, work_here

FLEET_PATIENCE = 600.0


@click.command()
@study_argument
@storage_option
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
    study: str,
    url: str,
    device: str,
    threads: int | None,
    devices: str | None,
    slots: int | None,
    workers: int | None,
    lease_seconds: float,
    progress_minutes: float,
    grace_seconds: float,
) -> None:
    """Work on STUDY until nothing is left to do: as one worker, or with --devices as a fleet of them."""
    from search.fleet import FLEET

    in_fleet = FLEET in os.environ
    if devices is not None and not in_fleet:  # a fleet's worker inherits what the environment says of the fleet
        passed_on = ("--lease-seconds", str(lease_seconds), "--progress-minutes", str(progress_minutes))
        _be_a_fleet(study, url, Wishes(devices, slots, workers, grace_seconds, passed_on))
        return
    if (slots or workers) and not in_fleet:
        raise click.UsageError("--slots and --workers need --devices, for example --devices auto")

    from search import study as studies
    from search.devices import find
    from search.processes import die_with_parent
    from search.trainer_process import WorkerOptions, settled_threads
    from search.worker import Worker
    from storage.errors import StorageUnreachable

    if in_fleet:
        die_with_parent(signal.SIGTERM)
    place = find(device)
    try:
        # In a fleet it may be started during an outage of the database, to replace one that died.
        loaded = studies.load(open_storage(url, patience=FLEET_PATIENCE if in_fleet else 0.0), study)
        if not in_fleet:
            refuse_finished(loaded)
        threads = threads or settled_threads(loaded) or 1
        Worker(loaded, WorkerOptions(place, threads, lease_seconds, progress_minutes, grace_seconds)).run()
    except StorageUnreachable as error:
        if not in_fleet:
            raise
        click.echo(f"winnow: {error}", err=True)
        sys.exit(1)  # no mistake of the user's: the fleet starts it again


def _be_a_fleet(study: str, url: str, wishes: Wishes) -> None:
    wishes.places()  # refused before anything is opened
    loaded = load_study(study, url)
    refuse_finished(loaded)
    work_here(loaded, wishes)
