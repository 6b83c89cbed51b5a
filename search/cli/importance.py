"""`winnow importance` and `winnow front`: what the results of a search depend on, and what they cost."""

import dataclasses
from json import dumps

import click
import optuna

from winnow.search.analysis import functional_anova, pareto, study_reader
from winnow.search.analysis import importance as importances
from winnow.search.api.study import open_storage
from winnow.search.cli.options import json_option, storage_option, study_argument
from winnow.search.report.terminal import importance_tables, results
from winnow.search.report.terminal.screen import screen
from winnow.search.study.sections import Cost


@click.command()
@study_argument
@storage_option
@click.option("--pruned", is_flag=True, help="Include pruned trials, at the last value that they reported.")
@json_option
def importance(study: str, url: str, pruned: bool, json: bool) -> None:
    """Show hyperparameter importance in STUDY by the methods that its trials allow, alone and in pairs."""
    record = study_reader.load(open_storage(url, create=False), study)
    found, together = importances.compare(record, pruned=pruned), functional_anova.decompose_if_enough(record)
    left_out = importances.left_out(record, pruned=pruned)
    if json:
        pairs = [dataclasses.asdict(pair) for pair in together.interactions] if together else []
        told = {"methods": [dataclasses.asdict(each) for each in found], "pairs": pairs, "left_out": left_out}
        click.echo(dumps(told, indent=2))
        return
    screen().print(importance_tables.tables(found, record))
    if left_out:
        screen().print(left_out)
    if together and together.interactions:
        screen().print("", importance_tables.pairs(together), sep="\n")


@click.command()
@study_argument
@storage_option
@click.option(
    "--against",
    type=click.Choice(["parameters", "seconds"]),
    help="The cost to keep small.  [default: that of the spec, or else parameters]",
)
@json_option
def front(study: str, url: str, against: Cost | None, json: bool) -> None:
    """Show the Pareto front of STUDY: the trials that no other beats in both value and cost, or in all objectives."""
    storage = open_storage(url, create=False)
    record = study_reader.load(storage, study)
    if record.objectives > 1 and not against:
        best = pareto.front_of_all(optuna.load_study(study_name=study, storage=storage))
        told, shown = best, results.front_of_all(best)
    else:
        cost = against or ("seconds" if record.against == "seconds" else "parameters")
        points = pareto.front(record, cost)
        told = [dataclasses.asdict(point) for point in points]
        shown = results.front(points, record.metric, cost)
    if json:
        click.echo(dumps(told, indent=2))
    else:
        screen().print(shown)
