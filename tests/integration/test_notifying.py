"""`winnow run --notify`: who asked for it hears of the end, and of what cannot go on, wherever apprise reaches."""

import json
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from example_study import told
from winnow.errors import StudyError, WorkerFailed
from winnow.records import Budget
from winnow.search.analysis.status import Status
from winnow.search.dashboard.watch import Watching
from winnow.search.launch.notifying import notifying, sender, watching
from winnow.search.study.sections import NotifySection
from winnow.storage import budget, workers

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of modules of Python's that its libraries still use
    pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


came = threading.Event()
"""Set when a message came."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []
    came.clear()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/", heard
    server.shutdown()
    server.server_close()


def test_the_end_and_what_cannot_go_on_are_told(tmp_path: Path, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    url, heard = webhook
    study = told(tmp_path, [0.5, 0.75, None])
    with notifying(study, [url]):
        pass
    with pytest.raises(WorkerFailed), notifying(study, [url]):
        raise WorkerFailed("the first 5 trials all failed", "mend it")
    with pytest.raises(KeyboardInterrupt), notifying(study, [url]):
        raise KeyboardInterrupt
    first, second = heard
    assert first["message"] == "3 trials finished, 1 failed, best 0.7500 (trial 1)"
    assert second["title"] == "Winnow: told cannot go on"
    assert second["message"] == "the first 5 trials all failed; mend it"


@pytest.mark.parametrize(
    ("trouble", "values", "title", "words"),
    [
        ("end", [0.5], "is done", "1 trial finished, 0 failed, best 0.5000 (trial 0)"),
        ("no_worker", [0.5], "finds no worker", "winnow work told starts one"),
        ("stall", [0.5], "stalls", "no epoch has ended for 6 ms, though 1 worker gave signs of life"),
        ("failures", [0.5, *[None] * 5], "fails often", "5 of 6 trials failed, most: no reason given"),
    ],
)
def test_the_dashboard_tells_of_each_trouble_that_is_asked_for(
    trouble: str,
    values: list[float | None],
    title: str,
    words: str,
    tmp_path: Path,
    webhook: tuple[str, list[dict[str, Any]]],
) -> None:
    url, heard = webhook
    study = told(tmp_path, values)
    database, watched = study.storage.database, Watching(study.storage)
    ((asked, _),) = watched.asked_for()
    assert asked == study.spec.notify
    soon = asked.model_copy(update={"on": (trouble,), "minutes": 0.0001})
    if trouble == "stall":
        workers.register(database, study.study_id, "w", "node1", 1, "cpu")
    looks = 0

    def look() -> list[tuple[NotifySection, Status]]:
        nonlocal looks
        if (looks := looks + 1) == 2 and trouble == "end":  # a study that was done at the first look is no news
            budget.set_budget(database, study.study_id, Budget(trials=1))
        return [(soon, now) for _, now in watched.asked_for()]

    with watching(look, sender([url]), every=0.02):
        assert came.wait(60)
    assert heard[0]["title"] == f"Winnow: told {title}"
    assert heard[0]["message"] == words
    database.release()


def test_a_service_that_is_away_or_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study = told(tmp_path, [0.5])
    with notifying(study, ["json://127.0.0.1:9/"]):
        pass
    assert "nobody could be told: Winnow: told is" in caplog.text
    with pytest.raises(StudyError, match="apprise knows no service of URL 1"), notifying(study, ["nothing"]):
        pass
