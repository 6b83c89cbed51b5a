"""`winnow stop`, `pause` and `resume`: they reach every worker of a study through the storage, wherever it runs."""

import click

from winnow.search.analysis.formatting import counted
from winnow.search.api.study import Study, load_study
from winnow.search.cli.options import storage_option, study_argument
from winnow.search.launch import study_control
from winnow.storage.activity import State


@click.command()
@study_argument
@storage_option
def stop(study: str, url: str) -> None:
    """Stop STUDY: all its workers hand their trials back and exit, and its job on a cluster ends."""
    loaded = load_study(study, url)
    of_the_job = study_control.set_state(loaded, State.STOPPED)
    click.echo(f"{study} is stopped: {_workers(loaded, 'exit')}. To continue: winnow resume {study}")
    if of_the_job:
        click.echo(of_the_job)


@click.command()
@study_argument
@storage_option
def pause(study: str, url: str) -> None:
    """Pause STUDY: all its workers hand their trials back, free their devices, and wait."""
    loaded = load_study(study, url)
    study_control.set_state(loaded, State.PAUSED)
    click.echo(f"{study} is paused: {_workers(loaded, 'wait')}. To continue: winnow resume {study}")


@click.command()
@study_argument
@storage_option
def resume(study: str, url: str) -> None:
    """Resume STUDY, which is paused or stopped."""
    loaded = load_study(study, url)
    study_control.set_state(loaded, State.ACTIVE)
    if workers := loaded.status().workers:
        click.echo(f"{study} is resumed, with {counted(len(workers), 'worker')}.")
    else:
        click.echo(f"{study} is resumed, but has no workers. To start one: winnow work {study}")


def _workers(study: Study, then: str) -> str:
    """Say what its workers do next."""
    workers = study.status().workers
    if not workers:
        return "it has no workers"
    if len(workers) == 1:
        return f"its worker will hand back its trial and {then}"
    return f"its {len(workers)} workers will hand back their trials and {then}"
