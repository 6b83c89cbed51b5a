"""The command line: the group that holds all commands, and how what Winnow refuses is said.

Commands (`winnow.search.cli.commands`) parse, call the service and print. Every option has an environment twin:
WINNOW_RUN_WORKERS for `winnow run --workers`, OPTUNA_STORAGE for --storage. Modules are imported where they are used,
so that `winnow --help` answers at once.
"""

import logging
from collections.abc import Callable
from typing import Any

import click

from winnow.errors import WinnowError
from winnow.search.cli.commands import concluding, looking, searching, serving, steering, working


class _Group(click.Group):
    """Prints what Winnow refuses as one sentence and leaves by its status; a traceback only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"winnow: {_sentence(error)}", err=True)
            ctx.exit(error.exit_code if isinstance(error, WinnowError) else 1)


def _sentence(error: Exception) -> str:
    if isinstance(error, WinnowError):
        return str(error)
    return f"{type(error).__name__}: {error} (this is a fault of Winnow's; --debug shows where)"


@click.group(cls=_Group, context_settings={"auto_envvar_prefix": "WINNOW", "help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks, and what happens inside.")
@click.version_option(package_name="winnow-hpo")
def cli(debug: bool) -> None:
    """Hyperparameter search for image models in PyTorch, on Optuna."""
    logging.basicConfig(format="winnow: %(message)s", level=logging.DEBUG if debug else logging.WARNING)
    for name in ("PIL", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


for _command in (
    searching.run,
    searching.create,
    working.work,
    searching.reap,
    steering.stop,
    steering.pause,
    steering.resume,
    searching.check,
    looking.status,
    looking.report,
    looking.importance,
    looking.front,
    looking.replay,
    looking.augmentations,
    looking.doctor,
    concluding.confirm,
    concluding.ablate,
    concluding.export,
    serving.dashboard,
    serving.token,
    serving.restore,
):
    cli.add_command(_command)

main: Callable[[], None] = cli
