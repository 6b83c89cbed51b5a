"""`winnow create` and `winnow check`: a study made from a spec, and a spec checked."""

import shlex
from dataclasses import asdict
from json import dumps
from pathlib import Path

import click

from winnow.objectives.data import overview
from winnow.search.api.fleet import describe_budget
from winnow.search.api.forecast import look_ahead, told
from winnow.search.api.study import create_study, read_spec
from winnow.search.cli.options import accept_code_option, json_option, spec_argument, storage_option, trials_option
from winnow.search.report.terminal import data_overview
from winnow.search.report.terminal.screen import screen


@click.command()
@spec_argument
@storage_option
@trials_option
@click.option(
    "--priority",
    type=click.FloatRange(0, min_open=True),
    help="Its share of the workers of `winnow work --all`, instead of the spec's.",
)
@accept_code_option
def create(spec: Path, url: str, trials: int | None, priority: float | None, accept_code: bool) -> None:
    """Create the study of SPEC, or give an existing one its new budget, and train nothing.

    Workers started by `winnow work --all` begin with it at once.
    """
    study = create_study(spec, url, trials=trials, priority=priority, accept_code=accept_code)
    click.echo(f"The study {study.name} is ready in {study.storage.place}.")
    if study.status().is_done:
        click.echo(f"Its budget is spent. Next: winnow report {study.name}")
    else:
        click.echo(f"Next: winnow work {study.name}")


@click.command()
@spec_argument
@json_option
def check(spec: Path, json: bool) -> None:
    """Check whether SPEC can be run, and say what it would search, on what, and how long that would take here."""
    checked = read_spec(spec)
    data = checked.data_spec if checked.data else None
    found = overview.of_folder(data) if data and data.name == "image_folder" else None
    with screen(stderr=True).status("Timing an epoch of the baseline"):
        forecast = look_ahead(checked)
    if json:
        more = {name: asdict(each) for name, each in (("images", found), ("forecast", forecast)) if each is not None}
        more.get("images", {}).pop("files", None)
        click.echo(dumps({**checked.model_dump(mode="json"), **more}, indent=2, default=str))
        return
    if found:
        screen().print(data_overview.classes(found))
    searched = ", ".join(checked.search) or "what its objective suggests"
    screen().print(
        f"{spec} is valid: {checked.name} searches {searched} with sampler {checked.sampler.name} and pruner "
        f"{checked.pruner.name}, {describe_budget(checked.storage_budget)}."
    )
    for sentence in told(forecast):
        screen().print(sentence)
    click.echo(f"Next: winnow run {shlex.quote(str(spec))}")
