"""Searching: run, create, reap, check."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from winnow.search.cli.commands.clusters import LOCAL, cluster_options, run_on_cluster, take_cluster_options
from winnow.search.cli.commands.opening import create_study, open_storage, report_path, write_report
from winnow.search.cli.commands.options import fleet_options, json_option, lease_option, spec_argument, storage_option
from winnow.search.cli.commands.running import Wishes, budget_words, terminal, work_here

if TYPE_CHECKING:
    from winnow.search.study.study import WinnowStudy


@click.command()
@spec_argument
@storage_option
@fleet_options
@click.option("--trials", type=click.IntRange(1), help="Budget of trials, in place of the spec's.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the report.")
@json_option
@cluster_options
def run(spec: Path, url: str, trials: int | None, report: Path | None, json: bool, engine: str, **options: Any) -> None:
    """Search what SPEC says, on this machine or a cluster; the same command goes on where it stopped."""
    cluster = take_cluster_options(engine, options)
    wishes = Wishes(**options)
    if engine != LOCAL:
        run_on_cluster(spec, url, trials, json, wishes, cluster)
        return
    wishes.places()  # refused before anything is written
    study = create_study(spec, url, trials=trials)
    work_here(study, wishes)
    print_result(study, report or report_path(study.name), json)


@click.command()
@spec_argument
@storage_option
@click.option("--trials", type=click.IntRange(1), help="Budget of trials, in place of the spec's.")
@click.option(
    "--priority", type=click.FloatRange(0, min_open=True), help="In place of the spec's: see winnow work --all."
)
def create(spec: Path, url: str, trials: int | None, priority: float | None) -> None:
    """Make the study of SPEC, or give one its new budget, and train nothing. A pool begins with it at once."""
    study = create_study(spec, url, trials=trials, priority=priority)
    click.echo(f"The study {study.name} is ready in {study.storage.place}.")
    click.echo(f"Next: winnow work {study.name}")


@click.command()
@storage_option
@lease_option
@click.option("--every", type=click.FloatRange(1), help="Look again every so many seconds, without end.")
def reap(url: str, lease_seconds: float, every: float | None) -> None:
    """Bring back the trials of workers that are gone, when no worker is left to do it."""
    from winnow.search.worker import reaper

    for numbers in reaper.reap(open_storage(url), lease_seconds, every):
        click.echo(f"{len(numbers)} trials go on: {', '.join(map(str, numbers))}" if numbers else "No trial was lost.")


@click.command()
@spec_argument
@json_option
def check(spec: Path, json: bool) -> None:
    """Say whether SPEC can be run, and what it would search."""
    from dataclasses import asdict

    from winnow.objectives.data import overview
    from winnow.search.report.terminal import data_overview
    from winnow.search.study import validation

    checked = validation.read(spec)
    data = checked.data_spec if checked.data else None
    found = overview.of_folder(data) if data and data.name == "image_folder" else None
    if json:
        content = checked.model_dump(mode="json")
        click.echo(dumps({**content, "images": asdict(found)} if found else content, indent=2, default=str))
        return
    if found:
        terminal().print(data_overview.classes(found))
    searched = ", ".join(checked.search) or "what its objective suggests"
    budget = checked.storage_budget
    click.echo(f"{spec} is good: {checked.name} searches {searched}")
    click.echo(f"by {checked.sampler.name} with pruner {checked.pruner.name}, {budget_words(budget)}.")


def print_result(study: "WinnowStudy", path: Path, as_json: bool) -> None:
    """Write the report to `path` and print how the search ended."""
    from winnow.search.analysis import status, summary
    from winnow.search.report import decoration
    from winnow.search.report.terminal import screens, status_screen

    record = write_report(study.storage, study.name, path)
    decoration.add(study.storage, record)
    decoration.add_augmentations(study.storage, study.spec)
    now = status.read(study)
    if as_json:
        click.echo(dumps({**now.as_dict(), "report": str(path)}, indent=2, default=str))
        return
    console = terminal()
    console.print(screens.result(record))
    if now.stopped:
        console.print(f"The search {status_screen.stop_words(now)}.")
    console.print(f"Report: {path}", highlight=False, soft_wrap=True)
    if study.spec.built_in and record.best is not None:
        console.print(f"Next: {summary.confirm_command(record)}", highlight=False, soft_wrap=True)
