"""What workers cost the database's server: connections, transactions and CPU, while they train for thirty seconds.

    python -m bench.server --workers 8 --epoch-seconds 1

Real workers on a PostgreSQL of its own (started here), with an objective that only waits, so that a machine with few
cores holds many of them. CPU is the server's own, of all its processes; it depends little on what else runs.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from faults.fleet_under_fire import Fleet
from storage_servers import TEMPLATE, PostgresServer
from winnow import storage

SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epoch-seconds", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "server").mkdir()
        server = PostgresServer(folder / "server")
        server.init()
        server.start()
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        storage.open(server.url(TEMPLATE)).database.release()
        database = server.clone()
        fixed = {"epochs": chosen.epochs, "epoch_seconds": chosen.epoch_seconds}
        fleet = Fleet(folder, server.url(database), trials=100_000, lease_seconds=30.0, **fixed)
        try:
            fleet.start(chosen.workers)
            fleet.wait_trained(2 * chosen.workers, seconds=300)
            print(json.dumps(watched(server, database, fleet)))
        finally:
            fleet.end()
            server.stop("immediate")


def watched(server: PostgresServer, database: str, fleet: Fleet) -> dict[str, float]:
    """What the server did for the workers while they trained."""
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
    committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
    root = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    with psycopg.connect(host=str(server.folder), user="postgres", autocommit=True) as watcher:

        def ask(query: Any) -> int:
            return int(watcher.execute(query, [database]).fetchall()[0][0])

        began, cpu, epochs, transactions = time.monotonic(), seconds(root), trained(fleet), ask(committed)
        connections = 0
        while time.monotonic() < began + SECONDS:
            connections = max(connections, ask(ours))
            time.sleep(1.0)
        epochs = trained(fleet) - epochs
        return {
            "workers": len(fleet.workers),
            "epochs": epochs,
            "connections_at_most": connections - 1,  # one is the benchmark's own
            "transactions_an_epoch": round((ask(committed) - transactions) / epochs, 2),
            "server_cpu_ms_an_epoch": round(1000 * (seconds(root) - cpu) / epochs, 2),
        }


def trained(fleet: Fleet) -> int:
    return len(fleet.trained.read_text().splitlines())


def seconds(root: psutil.Process) -> float:
    """CPU seconds of a server and of all that it started, those that have ended included."""
    ended = root.cpu_times()
    total = ended.children_user + ended.children_system
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return float(total)


if __name__ == "__main__":
    main()
