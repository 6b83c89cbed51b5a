"""`winnow run --engine`: the same search on the machines of a cluster, by the engine that the cluster has."""

from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from winnow.search.cli.commands.opening import open_storage, read_spec
from winnow.search.cli.commands.running import Wishes, budget_words

if TYPE_CHECKING:
    from winnow.search.launch.engines.engine import Engine, Order


@dataclass(frozen=True)
class Cluster:
    """What a person said of the engine that is to start the workers (see `cluster_options`)."""

    engine: str
    gpus: int | None
    time: str | None
    partition: str | None
    sbatch: tuple[str, ...]
    address: str | None
    dry_run: bool

    def make(self) -> "Engine":
        """The engine, told what is its own."""
        if self.engine == "ray":
            from winnow.search.launch.engines.ray import Ray

            return Ray(self.address)
        from winnow.search.launch.engines.slurm import Slurm

        return Slurm(self.time, self.partition, self.sbatch)


Command = TypeVar("Command", bound=Callable[..., Any])
LOCAL = "local"
_GO_WITH = {
    "gpus": ("slurm", "ray"),
    "time": ("slurm",),
    "partition": ("slurm",),
    "sbatch": ("slurm",),
    "address": ("ray",),
    "dry_run": ("slurm", "ray"),
}
_OPTIONS = (
    click.option(
        "--engine",
        type=click.Choice([LOCAL, "slurm", "ray"]),
        default=LOCAL,
        show_default=True,
        help="Who starts the workers: this command, here; or Slurm or Ray, on a cluster, where they go on without it.",
    ),
    click.option("--gpus", type=click.IntRange(1, 4096), help="On a cluster: so many workers, each with a GPU."),
    click.option("--time", help="Slurm's limit for a worker, after which it queues again: 4:00:00 is four hours."),
    click.option("--partition", help="Slurm's partition."),
    click.option("--sbatch", multiple=True, metavar="OPTION", help="A further option of sbatch, as --account=vision."),
    click.option("--address", help="Ray's address.  [default: RAY_ADDRESS, or this machine's cluster]"),
    click.option("--dry-run", is_flag=True, help="Print what would be submitted, and do nothing."),
)


def cluster_options(command: Command) -> Command:
    """Give a command the options that say which engine starts its workers, and how."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_cluster_options(engine: str, options: dict[str, Any]) -> "Cluster":
    """Take what `cluster_options` added out of a command's options; refuses what means nothing to the engine chosen."""
    from winnow.search.launch.engines.engine import EngineError

    mine = {name: options.pop(name) for name in _GO_WITH}
    for name, engines in _GO_WITH.items():
        if mine[name] and engine not in engines:
            flag = f"--{name.replace('_', '-')}"
            raise EngineError(f"{flag} means nothing to --engine {engine}", f"it goes with {' or '.join(engines)}")
    return Cluster(engine, **mine)


def run_on_cluster(
    spec: Path, url: str, trials: int | None, as_json: bool, wishes: "Wishes", cluster: "Cluster"
) -> None:
    """Have a cluster's engine start the workers of a study, unless they are under way; then return."""
    from winnow.search.analysis import status
    from winnow.search.launch.engines import jobs
    from winnow.search.study import study as studies

    checked = read_spec(spec, trials=trials)
    order = _order(checked.name, url, wishes, cluster.gpus)
    engine = cluster.make()
    if cluster.dry_run:
        click.echo(engine.describe(order), nl=False)
        return
    engine.refuse_impossible(order)
    study = studies.create(open_storage(url, create=True), checked)
    job, doing = jobs.of(study), jobs.under_way(study, engine)
    done = status.read(study).is_done
    if not done and not doing:
        job = jobs.start(study, engine, order)
    if as_json:
        click.echo(
            dumps({"study": study.name, "engine": cluster.engine, "job": job.name if job else None, "done": done})
        )
    elif done:
        click.echo(f"{study.name} is done. Next: winnow report {study.name}")
    elif doing:
        click.echo(f"{study.name} is under way as {job}: {doing}. To end it: winnow stop {study.name}")
    else:
        click.echo(f"{study.name}: {budget_words(checked.storage_budget)} on {order.workers} workers, {job}.")
        click.echo(f"Next: winnow status {study.name}; to end it: winnow stop {study.name}")


def _order(study: str, url: str, wishes: "Wishes", gpus: int | None) -> "Order":
    from winnow.search.launch.engines.engine import EngineError, Order
    from winnow.storage.opening import parse
    from winnow.storage.storage import files_of

    place = parse(url)
    if place.get_backend_name() == "sqlite":
        raise EngineError(
            f"{place.render_as_string()} is a file, and the machines of a cluster need a storage that they all reach",
            "give a server's: --storage postgresql://USER@HOST/DATABASE",
        )
    if wishes.devices != "auto" or wishes.slots:
        raise EngineError(
            "--devices and --slots are for this machine's devices", "a cluster's engine is told --gpus or --workers"
        )
    if (not wishes.workers) == (gpus is None):
        raise EngineError(
            "a cluster has to be told how many workers to start",
            "give either --gpus for workers with a GPU each or --workers for workers without",
        )
    logs = files_of(place).absolute() / "logs"
    return Order(study, gpus or wishes.workers or 0, gpus is not None, wishes.grace_seconds, logs)
