"""Options and arguments that several commands take, each defined once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from winnow import defaults
from winnow.defaults import AUTO

storage_option = click.option(
    "--storage",
    "url",
    default=defaults.STORAGE,
    envvar="OPTUNA_STORAGE",
    show_envvar=True,
    show_default=True,
    help="SQLAlchemy URL of the storage that all workers share.",
)
json_option = click.option("--json", is_flag=True, help="Print JSON.")
devices_option = click.option(
    "--devices",
    default=AUTO,
    show_default=True,
    help="Where to train: cpu, mps, or GPUs separated by commas (cuda:0,cuda:1). auto: every GPU, or else the CPU.",
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
    help="Workers per device. auto: as many as fit and speed up the search, measured on the first trials.  "
    "[default: one per GPU, one per core of the CPU]",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Total number of worker processes; 0: none here, wait for workers elsewhere.  [default: devices times slots]",
)
lease_option = click.option(
    "--lease-seconds",
    type=click.FloatRange(1),
    default=defaults.LEASE_SECONDS,
    show_default=True,
    help="A trial whose worker sends no heartbeat for this long is requeued.",
)
grace_option = click.option(
    "--grace-seconds",
    type=click.FloatRange(0),
    default=defaults.GRACE_SECONDS,
    show_default=True,
    help="How long a trainer may take to finish its epoch after SIGTERM, winnow stop or winnow pause.",
)
notify_option = click.option(
    "--notify",
    multiple=True,
    envvar="WINNOW_NOTIFY",
    help="Tell of the end and of troubles to a URL of apprise's: mail, a chat, a webhook. In WINNOW_NOTIFY, separated "
    "by spaces.",
)
trials_option = click.option("--trials", type=click.IntRange(1), help="Number of trials, instead of the spec's.")
study_argument = click.argument("study")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
"""A file, or the name of a ready study."""


def fleet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that trains on this machine: the fields of `FleetOptions`."""
    for option in (grace_option, workers_option, slots_option, devices_option):
        command = option(command)
    return command


accept_code_option = click.option(
    "--accept-code", is_flag=True, help="Go on with a study that other code began; status and report then say so."
)
