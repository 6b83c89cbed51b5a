"""Tell a person of a study by any service that apprise knows (mail, a chat, a webhook): how it ended, what ails it."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from winnow.errors import StudyError, WinnowError
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_view import StudyView
from winnow.search.launch.troubles import Troubles, ended
from winnow.search.study.sections import NotifySection
from winnow.search.study.study import WinnowStudy
from winnow.storage.errors import StorageError

LOOK_SECONDS = 20.0
Send = Callable[[str, str], None]
_log = logging.getLogger("winnow")


@contextmanager
def notifying(study: WinnowStudy, urls: Sequence[str]) -> Iterator[None]:
    """Send to each of apprise's `urls` what `[notify]` asks for while something is done here, and how it ends.

    Nothing is sent for Ctrl-C. Raise StudyError where apprise is missing or takes one of them for none of its services.
    """
    if not urls:
        yield
        return
    send, asked = sender(urls), study.spec.notify
    meanwhile = asked.model_copy(update={"on": tuple(each for each in asked.on if each != "end")})
    view = StudyView.of(study)
    try:
        with watching(lambda: [(meanwhile, view.status())], send):
            yield
    except WinnowError as error:
        send(f"Winnow: {study.name} cannot go on", str(error))
        raise
    now = StudyView.of(study).status()
    if "end" in asked.on:
        send(f"Winnow: {study.name} is {'done' if now.is_done else now.standing}", ended(now))


@contextmanager
def watching(
    look: Callable[[], Iterable[tuple[NotifySection, Status]]], send: Send, every: float = LOOK_SECONDS
) -> Iterator[None]:
    """Look at studies every so many seconds, in a thread, and send what is to be told of each.

    What a first look finds ended is known already.
    """
    over = threading.Event()
    known: dict[int, Troubles] = {}

    def work() -> None:
        while not over.wait(every):
            try:
                for asked, now in look():
                    old = now.study_id not in known and now.is_done
                    said = known.setdefault(now.study_id, Troubles(asked)).look(now, time.monotonic())
                    for title, words in [] if old else said:
                        send(title, words)
            except (StorageError, KeyError) as error:
                _log.debug("studies could not be looked at: %s", error)

    thread = threading.Thread(target=work, name="notifying", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sender(urls: Sequence[str]) -> Send:
    """Return what sends a title and a body to all services; raise StudyError as `notifying` does."""
    try:
        import apprise
    except ImportError:
        raise StudyError("--notify needs the package apprise", "pip install 'winnow-hpo[notify]'") from None
    services = apprise.Apprise()
    for place, url in enumerate(urls, start=1):
        if not services.add(url):  # which may hold a secret, and is not said again
            raise StudyError(f"apprise knows no service of URL {place} of --notify", "see its list of services")

    def send(title: str, body: str) -> None:
        if not services.notify(title=title, body=body):
            _log.warning("nobody could be told: %s: %s", title, body)

    return send
