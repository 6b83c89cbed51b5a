"""What a large study costs on the dashboard: the live page in Chromium, and optuna-dashboard's data on two storages.

    python -m bench.dashboard --sizes 1000 10000

One PostgreSQL of its own is started. A trial has five hyperparameters, up to ten epochs and the attributes that Winnow
records. Printed are: the live page in a new browser, from a server that runs and from one that has just started (first
useful paint is when the best value and the counts stand on the screen), the bytes of all that it loads, what
optuna-dashboard's page asks for when it opens and at each later poll, with stock Optuna's storage and with ours, and
the statements that ten open pages cost.
"""

import argparse
import gzip
import io
import json
import os
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import optuna
from sqlalchemy import event

from bench.storage import databases
from winnow import storage

CONFIG = {"model": "mlp", "optimizer": "adam", "epochs": 10, "widths": [256, 256], "dropout": 0.1, "lr": 0.001}
CONFIG |= {"weight_decay": 0.0001, "batch_size": 128, "schedule": "cosine", "label_smoothing": 0.1, "seed": 1}
TRAINING = {"parameters": 996_376, "threads": 1, "precision": "fp32", "data": "0123456789abcdef", "device": "cpu"}
RUN = {"worker": "node-1:4242", "host": "node-1", "device": "cuda:0", "device_seconds": 61.5, "wall_seconds": 62.25}
RUN |= {"peak_memory": 1_234_567_890, "torch": "2.9", "optuna": "5.0", "winnow": "0.1"}
ATTRIBUTES = {"winnow:config": CONFIG, "winnow:training": TRAINING, "winnow:run": RUN}
EPOCHS_AT_LARGE = re.compile(r"\b(winnow_epochs|trial_intermediate_values)\b")


def dress(url: str) -> None:
    """Give every trial the attributes and the epoch rows that a worker would have written."""
    opened = storage.open(url)

    def work(connection: Any) -> None:
        for key, content in ATTRIBUTES.items():
            connection.exec_driver_sql(
                "INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT trial_id, %s, %s FROM trials",
                (key, json.dumps(content)),
            )
        connection.exec_driver_sql(
            "INSERT INTO winnow_epochs (trial_id, epoch, value, validation_loss) "
            "SELECT trial_id, step, intermediate_value, intermediate_value FROM trial_intermediate_values"
        )
        connection.exec_driver_sql(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
            "SELECT trial_id, 'winnow:reason', '\"below the others\"' FROM trials WHERE state = 'PRUNED'"
        )

    opened.database.write(work)
    with opened.database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    opened.database.release()


@contextmanager
def served(storage_url: str) -> Iterator[tuple[str, Any, list[str]]]:
    """A dashboard that has just started: its URL, its application, and every statement that it makes from now on."""
    import uvicorn

    from winnow.search.dashboard import app

    opened = storage.open(storage_url)
    statements: list[str] = []
    event.listen(
        opened.database.engine, "after_cursor_execute", lambda c, cursor, statement, *_: statements.append(statement)
    )
    with tempfile.TemporaryDirectory() as folder:
        made = app.build(opened, Path(folder), local=True)
        server = uvicorn.Server(uvicorn.Config(made, port=0, log_level="error", access_log=False, ws="none"))
        made.own.state.closing = lambda: server.should_exit
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", made, statements
        finally:
            server.should_exit = True
            thread.join()
            opened.database.release()


# --- the live page


def live_page(storage_url: str, repeats: int) -> None:
    """The page in Chromium, and its parts without one."""
    from playwright.sync_api import sync_playwright

    paints, warm, pictures, parts = [], [], [], {}
    for _ in range(repeats):
        with served(storage_url) as (url, _, statements), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto("about:blank")
            page.goto(f"{url}/winnow/s", wait_until="commit")
            page.locator("#standing .large a").wait_for()
            paints.append(page.evaluate(PAINT))
            page.locator("#history ~ .picture .main-svg").first.wait_for(timeout=120_000)
            page.locator("#curves ~ .picture .main-svg").first.wait_for(timeout=120_000)
            pictures.append(page.evaluate("performance.now()"))
            again = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            again.goto(f"{url}/winnow/s", wait_until="commit")
            again.locator("#standing .large a").wait_for()
            warm.append(again.evaluate(PAINT))
            browser.close()
            careless = [text for text in statements if EPOCHS_AT_LARGE.search(text) and " IN (" not in text]
    with served(storage_url) as (url, _, _):
        for name in ("", "/parts/pictures", "/parts/conclusions", "/parts/hyperparameters", "/parts/trials"):
            started = time.perf_counter()
            content = httpx.get(f"{url}/winnow/studies/1{name}", timeout=600).content
            parts[name or "/"] = (time.perf_counter() - started, len(content), len(gzip.compress(content)))
        for name in ("", "/curves"):
            started = time.perf_counter()
            content = httpx.get(f"{url}/winnow/api/studies/1{name}", timeout=600).content
            parts["api" + name] = (time.perf_counter() - started, len(content), len(gzip.compress(content)))
    print(f"  first useful paint  {statistics.median(warm) / 1000:.2f} s ({_range(warm)})")
    print(f"  - just started      {statistics.median(paints) / 1000:.2f} s ({_range(paints)})")
    print(f"  all figures drawn   {statistics.median(pictures) / 1000:.2f} s ({_range(pictures)})")
    for name, (seconds, size, packed) in parts.items():
        print(f"  {name:22} {seconds:6.2f} s {size / 1000:8.1f} kB {packed / 1000:8.1f} kB packed")
    print(f"  statements that read all epochs: {len(careless)}")


PAINT = """new Promise((resolve) => {
  const first = () => performance.getEntriesByName("first-contentful-paint")[0];
  const look = () => first() ? resolve(first().startTime) : requestAnimationFrame(look);
  look();
})"""


def _range(milliseconds: list[float]) -> str:
    return f"{min(milliseconds) / 1000:.2f} to {max(milliseconds) / 1000:.2f}"


# --- optuna-dashboard's own page


def stock_page(storage_url: str, size: int, repeats: int) -> None:
    """What optuna-dashboard's page asks for when it opens, and at a later poll with nothing new."""
    import optuna_dashboard

    from winnow.search.dashboard import stock
    from winnow.search.dashboard.watch import Watching

    def ours(folder: str, *, warm: bool) -> Any:
        opened = storage.open(storage_url)
        if warm:  # as a dashboard does when it starts
            Watching(opened).warm()
        return stock.application(opened, Path(folder))

    kinds: dict[str, Callable[[str], Any]] = {
        "stock": lambda _: optuna_dashboard.wsgi(optuna.storages.RDBStorage(storage_url)),
        "ours": lambda folder: ours(folder, warm=True),
        "ours, nothing read before": lambda folder: ours(folder, warm=False),
    }
    openings: dict[str, list[float]] = {kind: [] for kind in kinds}
    polls: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind, make in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                application = make(folder)
                started = time.perf_counter()
                content = _ask(application, "/api/studies/1", "after=0")
                openings[kind].append(time.perf_counter() - started)
                time.sleep(11)  # optuna-dashboard keeps what it read for ten seconds
                started = time.perf_counter()
                _ask(application, "/api/studies/1", f"after={size}")
                polls[kind].append(time.perf_counter() - started)
    print(f"  optuna-dashboard's data: {len(content) / 1e6:.1f} MB")
    for name, found in (("opening", openings), ("a poll with nothing new", polls)):
        usual = statistics.median(found["stock"])
        for kind, seconds in found.items():
            taken = statistics.median(seconds)
            print(
                f"  {name}, {kind:26} {taken:7.2f} s ({min(seconds):.2f} to {max(seconds):.2f})  {usual / taken:5.1f}x"
            )


def _ask(application: Any, path: str, query: str) -> bytes:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO()}
    environ |= {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_ACCEPT_ENCODING": ""}
    return b"".join(application(environ, lambda *_: None))


# --- many open pages


def open_pages(storage_url: str, seconds: float) -> None:
    """The statements of one open page and of ten, in so many seconds."""
    for pages in (1, 10):
        with served(storage_url) as (url, made, statements):
            httpx.get(f"{url}/winnow/studies/1", timeout=600)
            streams = [httpx.stream("GET", f"{url}/winnow/studies/1/events", timeout=600) for _ in range(pages)]
            heard = [stream.__enter__().iter_bytes() for stream in streams]
            for one in heard:
                next(one)
            looks, before = made.own.state.watching.channel(1).looks, len(statements)
            time.sleep(seconds)
            looks = made.own.state.watching.channel(1).looks - looks
            print(f"  {pages:2} open pages: {looks} looks, {len(statements) - before} statements in {seconds:.0f} s")
            for stream in streams:
                stream.__exit__(None, None, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"load {os.getloadavg()[0]:.1f}")
    with databases("postgresql") as of_size:
        for size in chosen.sizes:
            dressed = of_size(size)()
            dress(dressed)
            print(f"{size:,} trials")
            live_page(dressed, chosen.repeats)
            open_pages(dressed, 10.0)
            stock_page(dressed, size, chosen.repeats)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
