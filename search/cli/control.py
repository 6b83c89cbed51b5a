"""`winnow stop`, `pause` and `resume`: they reach every worker of a study through the storage, wherever it runs."""

import click

from winnow.search.analysis import status
from winnow.search.analysis.formatting import counted
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_view import StudyView
from winnow.search.api.study import Study, load_study
from winnow.search.cli.options import storage_option, study_argument
from winnow.search.launch.engines import jobs
from winnow.storage.activity import State, set_state


@click.command()
@study_argument
@storage_option
def stop(study: str, url: str) -> None:
    """Stop STUDY: all its workers hand their trials back and exit, and its job on a cluster ends."""
    loaded = load_study(study, url)
    now = _set(loaded, State.STOPPED)
    click.echo(f"{study} is stopped: {_workers(now, 'exit')}. To continue: winnow resume {study}")
    if cancelled := jobs.cancel(loaded):
        click.echo(cancelled)


@click.command()
@study_argument
@storage_option
def pause(study: str, url: str) -> None:
    """Pause STUDY: all its workers hand their trials back, free their devices, and wait."""
    now = _set(load_study(study, url), State.PAUSED)
    click.echo(f"{study} is paused: {_workers(now, 'wait')}. To continue: winnow resume {study}")


@click.command()
@study_argument
@storage_option
def resume(study: str, url: str) -> None:
    """Resume STUDY, which is paused or stopped."""
    now = _set(load_study(study, url), State.ACTIVE)
    if now.workers:
        click.echo(f"{study} is resumed, with {counted(len(now.workers), 'worker')}.")
    else:
        click.echo(f"{study} is resumed, but has no workers. To start one: winnow work {study}")


def _set(study: Study, state: State) -> Status:
    status.refuse_finished(study)
    set_state(study.storage.database, study.study_id, state)
    return StudyView.of(study).status()


def _workers(now: Status, then: str) -> str:
    """Say what its workers do next."""
    if not now.workers:
        return "it has no workers"
    if len(now.workers) == 1:
        return f"its worker will hand back its trial and {then}"
    return f"its {len(now.workers)} workers will hand back their trials and {then}"
