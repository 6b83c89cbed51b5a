"""Steering: stop, pause, resume. They reach every worker of a study through the storage, wherever it runs."""

from typing import TYPE_CHECKING

import click

from winnow.search.cli.commands.opening import load_study, refuse_finished
from winnow.search.cli.commands.options import storage_option, study_argument

if TYPE_CHECKING:
    from winnow.search.analysis.status import Status
    from winnow.storage.activity import State


@click.command()
@study_argument
@storage_option
def stop(study: str, url: str) -> None:
    """Have all workers of STUDY, wherever they run, hand their trials back and leave; its cluster's job ends."""
    from winnow.search.launch.engines import jobs
    from winnow.storage.activity import State

    now = _steer(study, url, State.STOPPED)
    click.echo(f"{study} is stopped: {_workers(now)} hand their trials back and leave. winnow resume {study} goes on.")
    if said := jobs.cancel(load_study(study, url)):
        click.echo(said)


@click.command()
@study_argument
@storage_option
def pause(study: str, url: str) -> None:
    """Have all workers of STUDY hand their trials back, free their devices, and wait."""
    from winnow.storage.activity import State

    now = _steer(study, url, State.PAUSED)
    click.echo(f"{study} is paused: {_workers(now)} hand their trials back and wait. winnow resume {study} goes on.")


@click.command()
@study_argument
@storage_option
def resume(study: str, url: str) -> None:
    """Go on with a STUDY that is paused or stopped."""
    from winnow.storage.activity import State

    now = _steer(study, url, State.ACTIVE)
    if now.workers:
        click.echo(f"{study} goes on with {_workers(now)}.")
    else:
        click.echo(f"{study} goes on as soon as somebody works on it: winnow work {study}")


def _steer(name: str, url: str, state: "State") -> "Status":
    """Tell the workers of a study what to do; raises StudyError where nothing is left to do."""
    from winnow.search.analysis import status
    from winnow.storage.activity import set_state

    study = load_study(name, url)
    refuse_finished(study)
    set_state(study.storage.database, study.study_id, state)
    return status.read(study)


def _workers(now: "Status") -> str:
    return "1 worker" if len(now.workers) == 1 else f"{len(now.workers)} workers"
