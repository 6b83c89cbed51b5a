"""`winnow ablate`: the effect of each method between two trials, by training with and without it."""

from json import dumps
from typing import Any

import click

from winnow.search.analysis import ablation as ablation_plans
from winnow.search.analysis import conclusions, functional_anova, power
from winnow.search.analysis.ablation import LOOKS, SEEDS
from winnow.search.api.fleet import FleetArguments, FleetOptions, foreseen
from winnow.search.api.study import load_study
from winnow.search.cli.options import fleet_options, json_option, storage_option, study_argument
from winnow.search.report import ablation
from winnow.search.report.terminal import results
from winnow.search.report.terminal.screen import screen


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
    help="Switch these hyperparameters together; repeatable.  [default: as the spec says]",
)
@click.option("--seeds", type=click.IntRange(2, 100), help=f"Seeds of the first look.  [default: {SEEDS}]")
@click.option("--looks", type=click.IntRange(1, 6), help=f"Each look doubles the seeds.  [default: {LOOKS}]")
@click.option("--trainings", type=click.IntRange(1), help="Train at most this often.  [default: no limit]")
@click.option("--so-far", is_flag=True, help="Show what the trainings so far say, by the options of their start.")
@fleet_options
@json_option
def ablate(study: str, url: str, methods: tuple[str, ...], so_far: bool, json: bool, **options: Any) -> None:
    """Measure the effect of each method between the baseline and the best of STUDY by training with and without it."""
    groups = {
        name.strip(): members.replace(" ", "").split(",") for name, _, members in (m.partition("=") for m in methods)
    }
    for name, members in groups.items():
        if members == [""]:
            raise click.BadParameter(f"{name!r} names no hyperparameters: {name}=lr,schedule", param_hint="--method")
    searched = load_study(study, url)
    if not so_far:
        asked = {name: options[name] for name in ("start", "goal", "seeds", "looks", "trainings")}
        plan = ablation_plans.plan_ablation(searched, groups=groups or None, **asked)
        said = power.sentences(plan.design)
        if wanted := len(plan.design.next_trainings(ablation_plans.read_scores(plan))):
            here = FleetOptions(**{name: options[name] for name in FleetArguments.__optional_keys__})
            said.append(f"The next look takes {foreseen(wanted, plan.record, here)}.")
        screen(stderr=True).print("\n".join(said))
    found = searched.ablate(methods=groups or None, train=not so_far, **options)
    if json:
        click.echo(dumps(found.as_dict(), indent=2))
    else:
        record = searched.record
        anova = functional_anova.decompose_if_enough(record)
        screen().print(results.chapter(ablation.chapter(record, found, anova)))
        if not so_far:
            click.echo(f"Next: {conclusions.next_command(record, conclusions.load(searched.storage, record))}")
