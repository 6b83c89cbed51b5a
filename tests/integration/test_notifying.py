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
from winnow.search.dashboard.watch import Watching
from winnow.search.launch.notifying import notifying, sender, watching

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
    assert first["message"] == "3 trials finished, 1 failed, best 0.75 (trial 1)"
    assert second["title"] == "Winnow: told cannot go on"
    assert second["message"] == "the first 5 trials all failed; mend it"


def test_the_dashboard_tells_of_a_study_that_finds_no_worker(
    tmp_path: Path, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, heard = webhook
    study = told(tmp_path, [0.5, 0.75, None])
    watched = Watching(study.storage)
    ((asked, _),) = watched.asked_for()
    assert asked == study.spec.notify
    soon = asked.model_copy(update={"minutes": 0.0001})
    with watching(lambda: [(soon, now) for _, now in watched.asked_for()], sender([url]), every=0.02):
        assert came.wait(60)
    assert heard[0]["title"] == "Winnow: told finds no worker"
    assert heard[0]["message"] == "winnow work told starts one"
    study.storage.database.release()


def test_a_service_that_is_away_or_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study = told(tmp_path, [0.5])
    with notifying(study, ["json://127.0.0.1:9/"]):
        pass
    assert "nobody could be told: Winnow: told is" in caplog.text
    with pytest.raises(StudyError, match="apprise knows no service of URL 1"), notifying(study, ["nothing"]):
        pass
