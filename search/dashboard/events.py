"""Server-sent events: what changed, as it changes, and that the database is away while it is."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request
from fastapi.sse import ServerSentEvent

from winnow.search.dashboard.live import Channel, Look
from winnow.storage.errors import StorageUnreachable


async def events(
    request: Request, channel: Channel[Any], sections: Callable[[Look[Any]], dict[str, Any]]
) -> AsyncIterator[ServerSentEvent]:
    """Yield what changed, or that the database is away, until the study or the session is gone."""
    try:
        async for found in channel.changes():
            if request.app.state.closing():
                return
            if not await _still_known(request):
                break
            if found is not None:
                yield ServerSentEvent(data={**sections(found), "outage": found.outage})
    except KeyError:  # the study was deleted
        pass
    yield ServerSentEvent(data={}, event="gone")


async def _still_known(request: Request) -> bool:
    """Return whether the session that opened the stream still stands; while the database is away it does."""
    people, given = request.app.state.people, request.state.credentials
    try:
        return await people.is_open() or (given is not None and await people.find(given) is not None)
    except StorageUnreachable:
        return True
