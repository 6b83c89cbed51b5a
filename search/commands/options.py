"""Options and arguments that several commands take, each said once."""

from pathlib import Path

import click

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
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Worker processes.  [default: one a GPU, or one a CPU core]"
)
lease_option = click.option(
    "--lease-seconds",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    help="A trial whose worker gives no sign for so long goes to another.",
)
study_argument = click.argument("study")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
