"""Server-sent events: what changed, as it changes, and that the database is away while it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from winnow.search.dashboard.live import Look
from winnow.storage.errors import StorageUnreachable

_KEEP_ALIVE = 15
"""Seconds of silence after which an event stream says that it is still there."""


def stream(
    request: Request, changes: AsyncIterator[Look[Any]], sections: Callable[[Look[Any]], dict[str, Any]]
) -> Response:
    """A stream of events: what changed, or that the database is away."""

    async def events() -> AsyncIterator[str]:
        waiting: asyncio.Task[Look[Any]] | None = None
        silent = 0
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(changes))
                done, _ = await asyncio.wait([waiting], timeout=1)
                silent += 1
                if request.app.state.closing():
                    return
                if not await _still_known(request):
                    yield "event: gone\ndata: {}\n\n"
                    return
                if not done:
                    if silent % _KEEP_ALIVE == 0:
                        yield ": still here\n\n"
                    continue
                found, waiting, silent = waiting.result(), None, 0
                content = {**sections(found), "outage": found.outage}
                yield f"data: {json.dumps(content)}\n\n"
        except (KeyError, StopAsyncIteration):
            yield "event: gone\ndata: {}\n\n"
        finally:
            if waiting is not None:
                waiting.cancel()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _still_known(request: Request) -> bool:
    """Whether the session that opened the stream still stands; while the database is away it does."""
    people, given = request.app.state.people, request.state.credentials
    try:
        return await people.is_open() or (given is not None and await people.find(given) is not None)
    except StorageUnreachable:
        return True
