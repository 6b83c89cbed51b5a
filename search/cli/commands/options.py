"""Options and arguments that several commands take, each said once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

AUTO = "auto"
DEFAULT_STORAGE = "sqlite:///winnow.db"

storage_option = click.option(
    "--storage",
    "url",
    default=DEFAULT_STORAGE,
    envvar="OPTUNA_STORAGE",
    show_envvar=True,
    show_default=True,
    help="SQLAlchemy URL of the storage that all workers share.",
)
json_option = click.option("--json", is_flag=True, help="Print JSON for a script.")
devices_option = click.option(
    "--devices",
    default="auto",
    show_default=True,
    help="Where to train: cpu, mps, or GPUs with commas (cuda:0,cuda:1). auto: every GPU, or else the CPU.",
)


def _slots(context: click.Context, option: click.Parameter, given: str | None) -> int | str | None:
    if given is None or given == AUTO:
        return given
    if not given.isdecimal():
        raise click.BadParameter(f"{given!r} is neither a number nor {AUTO}", context, option)
    return int(click.IntRange(1, 256)(given, option, context))


slots_option = click.option(
    "--slots",
    metavar="NUMBER|auto",
    callback=_slots,
    help="Workers on each device; auto: as many as fit and pay, by the memory and speed of the first trials.  "
    "[default: one a GPU, one a core of the CPU]",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Worker processes in all.  [default: devices times slots]"
)
lease_option = click.option(
    "--lease-seconds",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    help="A trial whose worker gives no sign for so long goes to another.",
)
grace_option = click.option(
    "--grace-seconds",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="A trainer may take so long to finish its epoch when its worker is to leave: SIGTERM, winnow stop or pause.",
)
study_argument = click.argument("study")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))


_workers_or_none = click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Worker processes in all; 0: none here, wait for those elsewhere.  [default: devices times slots]",
)


def fleet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that trains on this machine's devices; together they make its `Wishes`."""
    for option in (grace_option, _workers_or_none, slots_option, devices_option):
        command = option(command)
    return command
