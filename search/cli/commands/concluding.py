"""Concluding: confirm, ablate, export."""

from json import dumps
from pathlib import Path
from typing import Any, Literal

import click

from winnow.search.cli.commands.opening import load_study, open_storage
from winnow.search.cli.commands.options import fleet_options, json_option, storage_option, study_argument
from winnow.search.cli.commands.running import Wishes, terminal, work_in_rounds


@click.command()
@study_argument
@storage_option
@click.option("--top", type=click.IntRange(1, 50), default=5, show_default=True, help="How many of the best to repeat.")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Fresh seeds a trial.")
@click.option("--export", type=click.Path(path_type=Path), help="Folder for the winner and its model card.")
@fleet_options
@json_option
def confirm(study: str, url: str, top: int, seeds: int, export: Path | None, json: bool, **fleet: Any) -> None:
    """Train the best trials of STUDY and its baseline again with fresh seeds, then read test data once."""
    from winnow.search.analysis import confirm as confirmations
    from winnow.search.analysis import model_export, repetitions
    from winnow.search.report import decoration
    from winnow.search.report.terminal import screens

    wishes = Wishes(**fleet)
    wishes.places()  # refused before anything is written
    plan = repetitions.plan_confirmation(load_study(study, url), top, seeds)
    work_in_rounds(
        lambda: repetitions.missing_rows(plan, repetitions.read_scores(plan)),
        lambda rows: repetitions.add_rows(plan, rows),
        wishes,
    )
    confirmation = confirmations.conclude(plan, repetitions.read_scores(plan))
    decoration.add(plan.study.storage, plan.record)
    if export is not None:
        model_export.write(plan, confirmation, export)
    if json:
        click.echo(dumps(screens.confirmation_numbers(confirmation), indent=2))
        return
    terminal().print(screens.confirmation(confirmation))
    if export is not None:
        click.echo(f"Model: {export}")


@click.command()
@study_argument
@storage_option
@click.option(
    "--from", "start", envvar="WINNOW_ABLATE_FROM", type=click.IntRange(0), help="Trial.  [default: baseline]"
)
@click.option("--to", "goal", envvar="WINNOW_ABLATE_TO", type=click.IntRange(0), help="Trial.  [default: the best]")
@click.option(
    "--method",
    "methods",
    envvar="WINNOW_ABLATE_METHOD",
    multiple=True,
    metavar="NAME=HYPERPARAMETER,…",
    help="Switch these hyperparameters as one; may be given again.  [default: as the spec says]",
)
@click.option("--seeds", type=click.IntRange(2, 100), default=5, show_default=True, help="Seeds of each first answer.")
@click.option("--looks", type=click.IntRange(1, 6), default=3, show_default=True, help="Seeds double up to the last.")
@click.option("--trainings", type=click.IntRange(1), help="No more trainings than these.  [default: no limit]")
@click.option("--so-far", is_flag=True, help="Say what the trainings so far tell, and train nothing.")
@fleet_options
@json_option
def ablate(
    study: str,
    url: str,
    start: int | None,
    goal: int | None,
    methods: tuple[str, ...],
    seeds: int,
    looks: int,
    trainings: int | None,
    so_far: bool,
    json: bool,
    **fleet: Any,
) -> None:
    """Measure what each method between the baseline and the best of STUDY does, by training with and without it."""
    from winnow.search.analysis import ablation
    from winnow.search.report import decoration
    from winnow.search.report.terminal import ablation_tables

    wishes = Wishes(**fleet)
    wishes.places()  # refused before anything is written
    groups = {
        name.strip(): members.replace(" ", "").split(",") for name, _, members in (m.partition("=") for m in methods)
    }
    searched = load_study(study, url)
    plan = ablation.plan_ablation(searched, start, goal, groups or None, seeds=seeds, looks=looks, trainings=trainings)
    if not so_far:
        work_in_rounds(
            lambda: plan.design.next_trainings(ablation.read_scores(plan)),
            lambda wanted: ablation.add_trainings(plan, wanted),
            wishes,
        )
        decoration.add(searched.storage, plan.record)
    found = ablation.conclude(plan)
    if json:
        click.echo(dumps(ablation_tables.numbers(found), indent=2))
    else:
        terminal().print(ablation_tables.tables(found))


@click.command()
@study_argument
@storage_option
@click.option(
    "--format", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True, help="Of files."
)
@click.option("--output", type=click.Path(path_type=Path), help="The folder.  [default: exports/STUDY]")
def export(study: str, url: str, format: Literal["csv", "parquet", "json"], output: Path | None) -> None:
    """Write the trials, epochs and ablations of STUDY as tables for other programs."""
    from winnow.search.analysis import conclusions, study_record
    from winnow.search.analysis import export as exports

    storage = open_storage(url)
    record = study_record.load(storage, study)
    found = conclusions.load(storage, record).ablations
    for path in exports.write(record, found, output or Path("exports") / study, format):
        click.echo(path)
