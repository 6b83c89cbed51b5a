"""Tell a person how a run ended, by any service that apprise knows: mail, a chat, a webhook."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from winnow.errors import StudyError, WinnowError
from winnow.search.analysis.formatting import counted, number
from winnow.search.analysis.study_view import StudyView
from winnow.search.study.study import WinnowStudy

_log = logging.getLogger("winnow")


@contextmanager
def notifying(study: WinnowStudy, urls: Sequence[str]) -> Iterator[None]:
    """Send a message to each of apprise's `urls` when what is done here ends, or cannot go on; none for Ctrl-C.

    Raise StudyError where apprise is missing or takes one of them for none of its services.
    """
    send = _sender(urls) if urls else None
    try:
        yield
    except WinnowError as error:
        if send is not None:
            send(f"Winnow: {study.name} cannot go on", str(error))
        raise
    if send is not None:
        now = StudyView.of(study).status()
        best = f"best {number(now.best.value)} (trial {now.best.number})" if now.best else "no result"
        failed = now.states.get("FAIL", 0)
        ended = f"{counted(now.finished, 'trial')} finished, {failed} failed, {best}"
        send(f"Winnow: {study.name} is {'done' if now.is_done else now.standing}", ended)


def _sender(urls: Sequence[str]) -> Callable[[str, str], None]:
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
