"""`winnow status`: a study now, or live until it is done."""

import math
import time
from json import dumps

import click
from rich.live import Live

from winnow.search.analysis.status import Status
from winnow.search.analysis.study_view import StudyView
from winnow.search.api.study import open_storage
from winnow.search.cli.options import json_option, storage_option
from winnow.search.report.terminal import status_screen
from winnow.search.report.terminal.screen import screen
from winnow.search.study import study as studies


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--watch", is_flag=True, help="Refresh until the study is done; with --json, one line per refresh.")
@click.option("--every", type=click.FloatRange(0.5), default=2.0, show_default=True, help="Seconds between refreshes.")
@json_option
def status(study: str | None, url: str, watch: bool, every: float, json: bool) -> None:
    """Show the trials, best value, time, workers and failures of STUDY; without it, name the studies that there are."""
    storage = open_storage(url, create=False)
    if study is None:
        names = [each.study_name for each in storage.get_all_studies()]
        click.echo(dumps(names) if json else "\n".join(names) or "There is no study yet. Make one: winnow run SPEC")
        return
    view = StudyView(storage, studies.id_of(storage, study))
    if watch:
        storage.database.patience = math.inf
    console = screen()

    def show(now: Status) -> None:
        if json:
            click.echo(dumps(now.as_dict(), indent=None if watch else 2, default=str))
        else:
            console.print(status_screen.status(now))

    now = view.status()
    if watch and not json and console.is_terminal:
        with Live(status_screen.status(now), console=console, transient=True) as live:
            while not now.is_done:
                time.sleep(every)
                now = view.status()
                live.update(status_screen.status(now))
    elif watch:
        while not now.is_done:
            show(now)
            time.sleep(every)
            now = view.status()
    show(now)
