"""`winnow run --engine`: the same search on the machines of a cluster, started by the cluster's own engine."""

from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any, TypeVar

import click

from winnow.search.api.fleet import FleetOptions, describe_budget
from winnow.search.api.study import create_study, read_spec
from winnow.search.launch.engines import jobs
from winnow.search.launch.engines.engine import Engine, EngineError, Order
from winnow.search.launch.engines.ray import Ray
from winnow.search.launch.engines.slurm import Slurm
from winnow.storage.opening import parse
from winnow.storage.stores import files_of


@dataclass(frozen=True)
class Cluster:
    """Which engine starts the workers, and its options (see `cluster_options`)."""

    engine: str
    gpus: int | None
    time: str | None
    partition: str | None
    sbatch: tuple[str, ...]
    address: str | None
    dry_run: bool

    def make(self) -> Engine:
        """Return the engine with its own options."""
        if self.engine == "ray":
            return Ray(self.address)
        return Slurm(self.time, self.partition, self.sbatch)


Command = TypeVar("Command", bound=Callable[..., Any])
LOCAL = "local"
# The engines that each option belongs to.
_ENGINES = {
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
        help="What starts the workers: this command, here; or Slurm or Ray on a cluster, and the command returns.",
    ),
    click.option("--gpus", type=click.IntRange(1, 4096), help="On a cluster: number of workers, each with one GPU."),
    click.option("--time", help="Slurm's time limit per worker, which is then requeued: 4:00:00 is four hours."),
    click.option("--partition", help="Slurm's partition."),
    click.option("--sbatch", multiple=True, metavar="OPTION", help="Another option for sbatch: --account=vision."),
    click.option("--address", help="Ray's address.  [default: RAY_ADDRESS, or this machine's cluster]"),
    click.option("--dry-run", is_flag=True, help="On a cluster: print what would be submitted, and do nothing."),
)


def cluster_options(command: Command) -> Command:
    """Add the options that choose an engine and say what it needs."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_cluster_options(engine: str, options: dict[str, Any]) -> Cluster:
    """Remove what `cluster_options` added from a command's options; raises EngineError for another engine's option."""
    taken = {name: options.pop(name) for name in _ENGINES}
    for name, engines in _ENGINES.items():
        if taken[name] and engine not in engines:
            flag = f"--{name.replace('_', '-')}"
            raise EngineError(f"{flag} has no effect with --engine {engine}", f"use it with {' or '.join(engines)}")
    return Cluster(engine, **taken)


def run_on_cluster(
    spec: Path, url: str, trials: int | None, as_json: bool, fleet: FleetOptions, cluster: Cluster, accept_code: bool
) -> None:
    """Have a cluster's engine start the workers of a study, unless they are running already; then return."""
    checked = read_spec(spec, trials=trials)
    if cluster.gpus is not None and checked.fleet.devices_per_trial > 1:
        raise EngineError(
            f"a worker on a cluster has one GPU, and devices_per_trial is {checked.fleet.devices_per_trial}",
            f"on a machine with several run winnow work {checked.name} --devices auto",
        )
    order = _order(checked.name, url, fleet, cluster.gpus)
    engine = cluster.make()
    if cluster.dry_run:
        click.echo(engine.describe(order), nl=False)
        return
    engine.refuse_impossible(order)
    study = create_study(checked, url, accept_code=accept_code)
    job, running = jobs.of(study), jobs.under_way(study, engine)
    done = study.status().is_done
    if not done and not running:
        job = jobs.start(study, engine, order)
    if as_json:
        click.echo(
            dumps({"study": study.name, "engine": cluster.engine, "job": job.name if job else None, "done": done})
        )
    elif done:
        click.echo(f"{study.name} is done. Next: winnow report {study.name}")
    elif running:
        click.echo(f"{study.name} is running as {job}: {running}. To stop it: winnow stop {study.name}")
    else:
        click.echo(f"{study.name}: {describe_budget(checked.storage_budget)} on {order.workers} workers, {job}.")
        click.echo(f"Next: winnow status {study.name}; to stop it: winnow stop {study.name}")


def _order(study: str, url: str, fleet: FleetOptions, gpus: int | None) -> Order:
    place = parse(url)
    if place.get_backend_name() == "sqlite":
        raise EngineError(
            f"{place.render_as_string()} is a local file, and the machines of a cluster need a storage that all of "
            "them reach",
            "give a database server: --storage postgresql://USER@HOST/DATABASE",
        )
    if fleet.devices != "auto" or fleet.slots:
        raise EngineError(
            "--devices and --slots are for the devices of this machine", "give --gpus or --workers for a cluster"
        )
    if (not fleet.workers) == (gpus is None):
        raise EngineError(
            "the number of workers on the cluster is not given",
            "give either --gpus for workers with one GPU each or --workers for workers without",
        )
    logs = files_of(place).absolute() / "logs"
    return Order(study, gpus or fleet.workers or 0, gpus is not None, fleet.grace_seconds, logs)
