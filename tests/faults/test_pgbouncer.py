"""Many workers on few connections: a pooler between them and PostgreSQL that lends its own by the transaction."""

from pathlib import Path

from faults.fleet_under_fire import Fleet
from faults.pgbouncer import PgBouncer
from storage_servers import PostgresServer

CONNECTIONS = 2


def test_workers_share_connections_that_they_do_not_keep(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    database = postgres_url.partition("@/")[2].partition("?")[0]
    with PgBouncer(postgres, database, CONNECTIONS) as pooler:
        ours = Fleet(tmp_path, pooler.url, trials=24)
        try:
            ours.start()
            ours.wait_trained(60)
            ours_alone = f"datname = '{database}' AND backend_type = 'client backend'"
            seen = postgres.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {ours_alone}")
            assert seen == [(CONNECTIONS,)], "for eight workers"
            ours.workers[0].kill()
            ours.wait_done()
            ours.prove(kills=1)
        finally:
            ours.end()
