"""`winnow layers`, `winnow range` and `winnow overfit`: what a minute tells of a spec before a search is paid for."""

import shlex
import sys
import tomllib
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

import click

from winnow.errors import StudyError
from winnow.objectives.hyperparameters import Config, change, make_config
from winnow.objectives.space import baseline
from winnow.search.api.study import read_spec
from winnow.search.cli.options import json_option, spec_argument
from winnow.search.report.terminal.screen import FittingTable, screen
from winnow.search.study.spec import Spec

device_option = click.option("--device", default="cpu", show_default=True, help="Where to train.")


@click.command()
@spec_argument
@click.option("--with", "changed", multiple=True, metavar="NAME=VALUE", help="Set a hyperparameter, as in TOML.")
@json_option
def layers(spec: Path, changed: tuple[str, ...], json: bool) -> None:
    """Show the layers of the baseline network of SPEC: parameters, and multiply-adds of one example."""
    from winnow.objectives.data import sources
    from winnow.objectives.models import sizes

    checked = _built_in(read_spec(spec))
    data = checked.data_spec
    found = sizes.layers(
        change(_baseline(checked), **_values(changed)), sources.shape(data), len(sources.class_names(data)) or 1
    )
    if json:
        click.echo(dumps([asdict(layer) for layer in found], indent=2))
        return
    table = FittingTable("layer", "kind", "output")
    for heading in ("parameters", "multiply-adds"):
        table.add_column(heading, justify="right", overflow="fold")
    for each in found:
        size = "x".join(map(str, each.output))
        table.add_row(each.name, each.kind, size, f"{each.parameters:,}", f"{each.multiply_adds:,}")
    table.add_section()
    weights, products = sum(each.parameters for each in found), sum(each.multiply_adds for each in found)
    table.add_row("together", "", "", f"{weights:,}", f"{products:,}", style="bold")
    screen().print(table)


def _values(changed: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in changed:
        try:
            values |= tomllib.loads(each)
        except tomllib.TOMLDecodeError:
            raise click.BadParameter(f"{each!r} is no NAME=VALUE as in TOML", param_hint="--with") from None
    return values


@click.command(name="range")
@spec_argument
@click.option("--low", type=click.FloatRange(0, min_open=True), default=1e-6, show_default=True, help="First rate.")
@click.option("--high", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Last rate.")
@click.option("--steps", type=click.IntRange(10), default=120, show_default=True, help="Steps, one rate each.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Networks.")
@device_option
@json_option
def rate_range(spec: Path, low: float, high: float, steps: int, seeds: int, device: str, json: bool) -> None:
    """Test which learning rates train the baseline of SPEC: the rate rises with every step."""
    from winnow.objectives import rehearsal
    from winnow.objectives.data import loading

    checked = _built_in(read_spec(spec))
    found = rehearsal.rate_range(_baseline(checked), loading.load(checked.data_spec, device), low, high, steps, seeds)
    first, last = found.proposal
    if json:
        proposal = {"steepest": found.steepest, "lowest": found.lowest, "learns": found.learns}
        click.echo(dumps({**asdict(found), **proposal, "low": first, "high": last}, indent=2))
        return
    shown = range(0, len(found.rates), max(1, len(found.rates) // 20))
    highest = max(found.losses)
    for place in shown:
        bar = "█" * round(40 * found.losses[place] / highest)
        click.echo(f"{found.rates[place]:9.2g}  {found.losses[place]:8.4f}  {bar}")
    if not found.learns:
        check = f"winnow overfit {shlex.quote(str(spec))}"
        click.echo(f"No rate from {low:g} to {high:g} lowers the loss: see whether {check} can fit it.")
        return
    end = f", and from {found.rates[-1]:.2g} on it came apart" if len(found.rates) < steps else ""
    click.echo(f"The loss falls fastest at {found.steepest:.2g} and is lowest at {found.lowest:.2g}{end}.")
    click.echo(f"To search: lr = {{ low = {first:.0e}, high = {last:.0e}, log = true }}")


@click.command()
@spec_argument
@click.option("--examples", type=click.IntRange(2), default=20, show_default=True, help="At least one a class.")
@click.option("--epochs", type=click.IntRange(1), default=300, show_default=True, help="At most so many.")
@device_option
@json_option
def overfit(spec: Path, examples: int, epochs: int, device: str, json: bool) -> None:
    """Check that the baseline network of SPEC can fit 20 examples, with nothing that regularises; exits 1 if not."""
    from winnow.objectives import rehearsal

    checked = _built_in(read_spec(spec))
    found = rehearsal.overfit(_baseline(checked), checked.data_spec, examples, epochs, device)
    if json:
        click.echo(dumps({**asdict(found), "fitted": found.fitted}, indent=2))
    else:
        click.echo(_told(found))
    if not found.fitted:
        sys.exit(1)


def _told(found: Any) -> str:
    if found.diverged:
        return f"The training diverged ({found.diverged}): try a tenth of the learning rate, or winnow range."
    last = found.curve[-1]
    reached = f"loss {last.train_loss:.4g}" if last.train_accuracy is None else f"accuracy {last.train_accuracy:.3f}"
    if found.fitted:
        return (
            f"The network fits {found.examples} examples: training {reached} after {last.epoch} epochs. It can be "
            "trained, and what it does worse on more is no fault of its size or of the loop."
        )
    return (
        f"The network does not fit {found.examples} examples in {last.epoch} epochs: training {reached}. Try another "
        "learning rate (winnow range), Adam at 1e-3, another initialisation or a larger network; see whether the "
        "labels belong to the images."
    )


def _built_in(spec: Spec) -> Spec:
    if not spec.built_in:
        raise StudyError(
            f"{spec.name} has an objective of its own, whose training Winnow does not know", "try it in your own code"
        )
    return spec


def _baseline(spec: Spec) -> Config:
    return make_config({**baseline(spec.space, spec.fixed, spec.baseline)[1], "seed": spec.seed})
