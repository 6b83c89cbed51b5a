"""`winnow confirm`: the best trials measured again with fresh seeds, then on test data."""

from json import dumps
from pathlib import Path
from typing import Any

import click

from winnow.search.analysis import conclusions
from winnow.search.analysis.repetitions import SEEDS, TOP, plan_confirmation, put_failed_aside, read_scores
from winnow.search.api.fleet import FleetOptions, foreseen
from winnow.search.api.study import carry_out, load_study
from winnow.search.cli.options import fleet_options, json_option, storage_option, study_argument
from winnow.search.cli.places import writable
from winnow.search.report import confirmation
from winnow.search.report.terminal import results
from winnow.search.report.terminal.screen import screen


@click.command()
@study_argument
@storage_option
@click.option(
    "--top", type=click.IntRange(1, 50), default=TOP, show_default=True, help="How many of the best to repeat."
)
@click.option("--seeds", type=click.IntRange(1, 100), default=SEEDS, show_default=True, help="Fresh seeds per trial.")
@click.option("--export", type=click.Path(path_type=Path), help="Folder for the winning model and its model card.")
@fleet_options
@json_option
def confirm(study: str, url: str, top: int, seeds: int, export: Path | None, json: bool, **fleet: Any) -> None:
    """Train the best trials of STUDY and its baseline again with fresh seeds, then read test data once."""
    if export is not None:
        writable(export, folder=True)
    searched, options = load_study(study, url), FleetOptions(**fleet)
    plan = plan_confirmation(searched, top, seeds)
    put_failed_aside(plan)
    left = plan.most_trainings - len(read_scores(plan))
    if left > 0:
        screen(stderr=True).print(f"The confirmation takes {foreseen(left, plan.record, options)}.")
    found = carry_out(plan, options)
    if export is not None:
        searched.export_model(export)
    if json:
        click.echo(dumps(found.as_dict(), indent=2))
        return
    screen().print(results.chapter(confirmation.chapter(found)))
    if export is not None:
        click.echo(f"Model: {export}")
    record = searched.record
    click.echo(f"Next: {conclusions.next_command(record, conclusions.load(searched.storage, record))}")
