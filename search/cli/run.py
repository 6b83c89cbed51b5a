"""`winnow run`: create the study of a spec or continue it, train it here or on a cluster, and report."""

from json import dumps
from pathlib import Path
from typing import Any

import click

from winnow.search.analysis.commands import confirm_command
from winnow.search.analysis.repetitions import usual_trainings
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.api.fleet import FleetOptions, foreseen, run_here
from winnow.search.api.results import report_path, write_all
from winnow.search.api.study import create_study, read_spec
from winnow.search.cli.cluster import LOCAL, cluster_options, run_on_cluster, take_cluster_options
from winnow.search.cli.options import (
    accept_code_option,
    fleet_options,
    json_option,
    notify_option,
    spec_argument,
    storage_option,
    trials_option,
)
from winnow.search.cli.places import writable
from winnow.search.launch.notifying import notifying
from winnow.search.report import conclusions, confirmation, decoration
from winnow.search.report.terminal import results, status_screen
from winnow.search.report.terminal.screen import screen


@click.command()
@spec_argument
@storage_option
@fleet_options
@trials_option
@click.option("--report", type=click.Path(path_type=Path), help="The report's file.  [default: reports/NAME.html]")
@notify_option
@json_option
@accept_code_option
@cluster_options
def run(
    spec: Path,
    url: str,
    trials: int | None,
    report: Path | None,
    notify: tuple[str, ...],
    json: bool,
    engine: str,
    accept_code: bool,
    **options: Any,
) -> None:
    """Search what SPEC describes, on this machine or a cluster. The same command continues after an interruption."""
    cluster = take_cluster_options(engine, options)
    fleet = FleetOptions(**options)
    if engine != LOCAL:
        run_on_cluster(spec, url, trials, json, fleet, cluster, accept_code)
        return
    checked = read_spec(spec, trials=trials)
    fleet.check(checked)  # before there is a study that nothing here can train
    path = writable(report or report_path(checked.name))  # where it cannot be, nothing is trained
    study = create_study(checked, url, accept_code=accept_code)
    with notifying(study, notify):
        run_here(study, fleet, beside=lambda: decoration.prepare(study.storage, study.spec))
    record = study.record
    write_all(study.storage, study.spec, record, path)
    _print_result(study.status(), record, path, fleet, json)


def _print_result(now: Status, record: StudyRecord, path: Path, here: FleetOptions, as_json: bool) -> None:
    if as_json:
        click.echo(dumps({**now.as_dict(), "report": str(path)}, indent=2, default=str))
        return
    console = screen()
    console.print(results.chapter(conclusions.outcome(record)))
    if now.stopped:
        console.print(f"The search {status_screen.stop_words(now)}.")
    console.print(f"Report: {path}", highlight=False, soft_wrap=True)
    if confirmation.proposal(record):
        cost = foreseen(usual_trainings(record), record, here)
        console.print(f"Next: {confirm_command(record)}  ({cost})", highlight=False, soft_wrap=True)
