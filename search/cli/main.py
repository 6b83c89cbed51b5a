"""The command line: the group that holds all commands, and how an error is shown.

A command is imported when it is called, so that `winnow --help` answers at once. Commands parse, call the public API or
an analysis, and print. Every option has an environment twin: WINNOW_RUN_WORKERS for `winnow run --workers`,
OPTUNA_STORAGE for --storage.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Any

import click

from winnow.errors import WinnowError
from winnow.search.cli import places, start
from winnow.search.worker.processes import refuse_deleted_folder
from winnow.search.worker.supervision import SUPERVISOR

# The command by its name: the module and the function that make it, and its line in `winnow --help`.
COMMANDS = {
    "new": ("new", "new", "Write the spec of a first search on a folder of images."),
    "run": ("run", "run", "Search, here or on a cluster; run it again to continue."),
    "create": ("create", "create", "Create a study, or change its budget, and train nothing."),
    "work": ("work", "work", "Work on a study, or on all of them, on this machine."),
    "stop": ("control", "stop", "Stop a study: its workers hand their trials back and exit."),
    "pause": ("control", "pause", "Pause a study: its workers hand their trials back and wait."),
    "resume": ("control", "resume", "Resume a study that is paused or stopped."),
    "reap": ("work", "reap", "Requeue the trials of workers that are gone."),
    "check": ("create", "check", "Check a spec and say what it would search."),
    "layers": ("rehearsal", "layers", "Show the layers of the baseline network, and what each costs."),
    "range": ("rehearsal", "rate_range", "Test which learning rates train the baseline of a spec."),
    "overfit": ("rehearsal", "overfit", "Check that the baseline network can fit 20 examples."),
    "studies": ("studies", "studies", "List the ready studies, with question and cost."),
    "augmentations": ("augmentations", "augmentations", "Draw what each augmentation does to sixteen images."),
    "status": ("status", "status", "Show the trials, best value, time and workers of a study."),
    "report": ("report", "report", "Write the report of a study, one HTML file."),
    "confirm": ("confirm", "confirm", "Repeat the best with fresh seeds, then read test data once."),
    "predict": ("predict", "predict", "Say what the confirmed winner sees in new images."),
    "ablate": ("ablate", "ablate", "Train with and without each method between baseline and best."),
    "importance": ("importance", "importance", "Show hyperparameter importance, alone and in pairs."),
    "front": ("importance", "front", "Show the Pareto front of value and cost."),
    "replay": ("replay", "replay", "Train a recorded trial again and compare, to the bit."),
    "export": ("export", "export", "Write trials, epochs and ablations as tables."),
    "dashboard": ("dashboard", "dashboard", "Serve live pages of all studies."),
    "token": ("dashboard", "token", "Create, list and revoke access tokens of the dashboard."),
    "restore": ("dashboard", "restore", "Restore a study that was deleted on the dashboard."),
    "doctor": ("doctor", "doctor", "Check devices, storage and versions."),
}
NOISY_LOGGERS = ("alembic", "optuna", "PIL", "urllib3")


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is called; prints an error of Winnow's as one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"winnow.search.cli.{module}"), function)
        assert isinstance(command, click.Command)
        # Here, since Optuna sets its logger's level when it is imported.
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; leave by the error's exit code, or by 128 and the number of the signal that ended it."""
        try:
            if SUPERVISOR not in os.environ:  # a worker of a fleet has to tell that, too
                refuse_deleted_folder()
            with _leaving_when_told():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            ctx.exit(130)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"winnow: {_sentence(error)}", err=True)
            ctx.exit(error.exit_code if isinstance(error, WinnowError) else 1)


@contextmanager
def _leaving_when_told() -> Iterator[None]:
    """Leave in order at SIGTERM and SIGHUP, as at Ctrl-C, wherever a command has no better way."""
    # nohup has SIGHUP ignored
    taken = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _sentence(error: Exception) -> str:
    if isinstance(error, WinnowError):
        return str(error)
    if at_fault := places.fault(error):
        return str(at_fault)
    with suppress(Exception):  # a package that says nothing of itself
        if isinstance(error, ImportError) and (misfit := import_module("winnow.search.cli.packages").misfit()):
            return str(misfit)
    return f"{type(error).__name__}: {error} (this is a bug in Winnow; --debug shows the traceback)"


@click.group(cls=LazyGroup, context_settings={"auto_envvar_prefix": "WINNOW", "help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks and log messages.")
@click.version_option(package_name="winnow-hpo")
def cli(debug: bool) -> None:
    """Hyperparameter search for image models in PyTorch, on Optuna."""
    start.imported()  # the group is called when its command was
    logging.basicConfig(format="winnow: %(message)s", level=logging.DEBUG if debug else logging.WARNING)
    if debug:
        os.environ["WINNOW_DEBUG"] = "1"  # all that it starts is asked the same, on a cluster too


main: Callable[[], None] = cli
