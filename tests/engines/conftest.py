"""Every test here runs workers on a real cluster engine, with all its machines on this one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.ray_cluster import RayCluster
from engines.search_on_cluster import SearchOnCluster
from engines.slurm_cluster import SlurmCluster
from storage_servers import PostgresServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A Slurm with two machines of two GPUs each."""
    with SlurmCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A Ray cluster with two machines of two GPUs each."""
    with RayCluster(tmp_path_factory.mktemp("ray") / "log") as cluster:
        yield cluster


@pytest.fixture
def search(tmp_path: Path, postgres: PostgresServer, postgres_url: str) -> Iterator[Callable[..., SearchOnCluster]]:
    """Makes a study to be searched, on a PostgreSQL database of its own."""
    made: list[SearchOnCluster] = []

    def make(**options: Any) -> SearchOnCluster:
        made.append(SearchOnCluster(tmp_path, postgres_url, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()
