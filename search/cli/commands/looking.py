"""Looking: status, report, importance, front, replay, augmentations, doctor."""

import dataclasses
import math
import sys
import time
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from winnow.search.cli.commands.opening import load_study, open_storage, report_path, write_report
from winnow.search.cli.commands.options import json_option, spec_argument, storage_option, study_argument
from winnow.search.cli.commands.running import terminal

if TYPE_CHECKING:
    from winnow.search.analysis.forecast import Outlook
    from winnow.search.analysis.status import Status


@click.command()
@study_argument
@storage_option
@click.option("--watch", is_flag=True, help="Show it until the study is done; with --json, a line for each look.")
@click.option("--every", type=click.FloatRange(0.5), default=2.0, show_default=True, help="Seconds between two looks.")
@json_option
def status(study: str, url: str, watch: bool, every: float, json: bool) -> None:
    """Where STUDY stands: its trials, best value, time, workers and failures."""
    from winnow.search.analysis import forecast
    from winnow.search.analysis import status as statuses
    from winnow.search.report.terminal import status_screen

    loaded = load_study(study, url)
    if watch:
        loaded.storage.database.patience = math.inf
    console = terminal()

    def look() -> "tuple[Status, Outlook]":
        now = statuses.read(loaded)
        return now, forecast.look_ahead(loaded, now)

    def show(now: "Status", ahead: "Outlook") -> None:
        if json:
            numbers = {**now.as_dict(), **dataclasses.asdict(ahead)}
            click.echo(dumps(numbers, indent=None if watch else 2, default=str))
        else:
            console.print(status_screen.status(now, ahead))

    now, ahead = look()
    if watch and not json and console.is_terminal:
        from rich.live import Live

        with Live(status_screen.status(now, ahead), console=console, transient=True) as live:
            while not now.is_done:
                time.sleep(every)
                now, ahead = look()
                live.update(status_screen.status(now, ahead))
    elif watch:
        while not now.is_done:
            show(now, ahead)
            time.sleep(every)
            now, ahead = look()
    show(now, ahead)


@click.command()
@study_argument
@storage_option
@click.option("--output", type=click.Path(path_type=Path), help="The file.  [default: reports/STUDY.html, or .md]")
@click.option("--markdown", is_flag=True, help="Write Markdown, with the pictures as PNG files in a folder beside it.")
def report(study: str, url: str, output: Path | None, markdown: bool) -> None:
    """Write the report of STUDY: one HTML file that needs no network."""
    path = output or report_path(study, markdown)
    write_report(open_storage(url), study, path, markdown)
    click.echo(f"Report: {path}")


@click.command()
@study_argument
@storage_option
@click.option("--pruned", is_flag=True, help="Take pruned trials in, at the last value that they reported.")
@json_option
def importance(study: str, url: str, pruned: bool, json: bool) -> None:
    """Which hyperparameters STUDY's results hang on, alone (PED-ANOVA, fANOVA, MDI) and in pairs, with intervals."""
    from winnow.search.analysis import functional_anova, study_record
    from winnow.search.analysis import importance as importances
    from winnow.search.report.terminal import importance_tables

    record = study_record.load(open_storage(url), study)
    found, together = importances.compare(record, pruned=pruned), functional_anova.decompose(record, pruned=pruned)
    if json:
        pairs = [dataclasses.asdict(pair) for pair in together.interactions]
        click.echo(dumps({"methods": [dataclasses.asdict(each) for each in found], "pairs": pairs}, indent=2))
    else:
        terminal().print(importance_tables.tables(found))
        if together.interactions:
            terminal().print("", importance_tables.pairs(together), sep="\n")


@click.command()
@study_argument
@storage_option
@click.option(
    "--against",
    type=click.Choice(["parameters", "seconds"]),
    default="parameters",
    show_default=True,
    help="What shall be small beside a good value.",
)
@json_option
def front(study: str, url: str, against: Literal["parameters", "seconds"], json: bool) -> None:
    """Show the trials of STUDY that no other beats in value and in cost at once: its Pareto front."""
    from winnow.search.analysis import pareto, study_record
    from winnow.search.report.terminal import screens

    record = study_record.load(open_storage(url), study)
    points = pareto.front(record, against)
    if json:
        click.echo(dumps([dataclasses.asdict(point) for point in points], indent=2))
    else:
        terminal().print(screens.front(points, record.metric, against))


@click.command()
@study_argument
@click.argument("number", type=click.IntRange(0))
@storage_option
@click.option("--device", default="cpu", show_default=True)
@json_option
def replay(study: str, number: int, url: str, device: str, json: bool) -> None:
    """Train trial NUMBER of STUDY again from its record and compare the curves, to the bit."""
    from winnow.search.analysis import replay as replays
    from winnow.search.report.terminal import screens

    result = replays.replay(load_study(study, url), number, device)
    if json:
        click.echo(dumps({**dataclasses.asdict(result), "identical": result.identical}, indent=2))
    else:
        terminal().print(screens.replay(result))
    if not result.identical:
        sys.exit(1)


@click.command()
@spec_argument
@click.option("--output", type=click.Path(path_type=Path), help="The PNG.  [default: reports/NAME-augmentations.png]")
def augmentations(spec: Path, output: Path | None) -> None:
    """Draw what each choice of augmentation does to sixteen images of SPEC's data, at the most that SPEC draws."""
    from winnow.errors import SpecError
    from winnow.objectives.augmentation import gallery
    from winnow.search.study import validation

    checked = validation.read(spec)
    if not checked.built_in:
        raise SpecError(str(spec), "objective", "one's own objective augments by itself", "draw it there")
    path = output or Path("reports") / f"{checked.name}-augmentations.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    gallery.write(checked.data_spec, path, gallery.strongest(checked.space, checked.fixed))
    click.echo(f"Picture: {path}")


@click.command()
@storage_option
@json_option
def doctor(url: str, json: bool) -> None:
    """Look at devices, storage and versions, and say what is wrong."""
    from winnow.search.cli import doctor as doctors

    findings = doctors.examine(url)
    if json:
        click.echo(dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.good else 'NO '} {finding.what:18} {finding.says}")
    if not all(finding.good for finding in findings):
        sys.exit(1)
