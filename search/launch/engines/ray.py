"""Ray: a study's workers as detached actors, which Ray places, gives a GPU each, and restarts when a machine dies.

The actors live in the cluster, not in the command that starts them. The storage's URL goes to them as an argument:
what Ray shows of an actor (its class, name and environment) holds no password.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.search.launch.engines.engine import EngineError, Order
from winnow.search.launch.engines.ray_actor import NAMESPACE, WorkerActor

REACH_SECONDS = 5.0


@dataclass(frozen=True)
class Ray:
    """Submits to a running Ray cluster: this machine's, or the one at `address`."""

    address: str | None = None
    name: str = "ray"

    def describe(self, order: Order) -> str:
        """Return the actors in words."""
        each = "1 GPU and 1 CPU" if order.gpus else "1 CPU"
        return (
            f"{order.workers} detached actors in the namespace {NAMESPACE!r} of the Ray cluster at "
            f"{self._place()}, each with {each} and restarted wherever there is room; each keeps\n"
            f"  winnow work {' '.join(order.worker_options)}\n"
            f"at work in {Path.cwd()}, with its messages in {order.logs}\n"
        )

    def refuse_impossible(self, order: Order) -> None:
        """Look whether the cluster answers; what it has no room for now, it may have tomorrow."""
        with self._connected():
            pass

    def start(self, order: Order, url: str) -> str:
        """Create the actors; gives the part of their names that they share."""
        job = f"{order.study}-{secrets.token_hex(3)}"
        # As sbatch hands its environment on: where files lie, and options that were given as variables.
        settings = {name: value for name, value in os.environ.items() if name.startswith("WINNOW_")}
        with self._connected() as ray:
            for number in range(order.workers):
                actor = ray.remote(WorkerActor).options(
                    name=f"{job}-{number}",
                    lifetime="detached",
                    max_restarts=-1,
                    num_cpus=1,
                    num_gpus=1 if order.gpus else 0,
                )
                log = order.logs / f"{job}-{number}.log"
                actor.remote(order.worker_options, {**settings, "OPTUNA_STORAGE": url}, str(Path.cwd()), str(log))
        return job

    def under_way(self, job: str) -> str:
        """Say which actors are not dead, by their names."""
        with self._connected() as ray:
            count = len(_names(ray, job))
        return f"{count} workers run or wait for room" if count else ""

    def cancel(self, job: str) -> None:
        """Tell the actors to stop, and kill those that do not hear it, which wait for room or hang."""
        with self._connected() as ray:
            told = {}
            for name in _names(ray, job):
                with _unless_gone():
                    actor = ray.get_actor(name)
                    told[actor.stop.remote()] = actor
            _, deaf = ray.wait(list(told), num_returns=len(told), timeout=REACH_SECONDS) if told else ([], [])
            for answer in deaf:
                ray.kill(told[answer], no_restart=True)

    def _place(self) -> str:
        return self.address or os.environ.get("RAY_ADDRESS") or "auto"

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            import ray
        except ImportError:
            raise EngineError("Ray is not installed here", "pip install 'winnow-hpo[ray]'") from None
        place = self._place()
        try:
            if place != "auto":
                _reach(place)
            ray.init(address=place, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ImportError, OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"no Ray cluster answers at {place}: {str(error).partition(chr(10))[0].rstrip('.')}",
                "run winnow on a machine of the cluster, or give --address HOST:PORT of its head",
            ) from None
        try:
            yield ray
        finally:
            ray.shutdown()


def _reach(place: str) -> None:
    """Knock at the head's door: Ray itself would go on trying for minutes. Raises OSError or ValueError."""
    host, _, port = place.partition("://")[2 if "://" in place else 0].rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("this is no HOST:PORT")
    with socket.create_connection((host, int(port)), timeout=REACH_SECONDS):
        pass


def _names(ray: Any, job: str) -> list[str]:
    return [name for name in ray.util.list_named_actors() if name.rpartition("-")[0] == job]


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Pass over an actor that ended a moment ago, which has no name any more."""
    try:
        yield
    except ValueError:
        return
