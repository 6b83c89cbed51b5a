"""The one door: every request is looked at here, whichever application answers it, and every change is written down."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from winnow.search.dashboard.access import Rule, rule_for
from winnow.search.dashboard.headers import protect
from winnow.search.dashboard.hosts import Hosts
from winnow.search.dashboard.identity import LOCAL, Credentials, People, Person, credentials
from winnow.search.dashboard.rate_limit import WrongTokens
from winnow.search.dashboard.rendering import refusal, wants_page
from winnow.storage import Storage, audit_log
from winnow.storage.errors import StorageUnreachable

_CHANGES = ("POST", "PUT", "PATCH", "DELETE")
_LARGEST = 1_000_000
"""Bytes of a request's body."""
_LARGEST_FILE = 64_000_000
"""Of an artifact's, which optuna-dashboard sends as text."""
_SECONDS = 20.0
"""For the body of a request to come; an artifact's has longer."""
_DEEPEST = 32
"""Levels of a JSON body."""
_LOGIN = "/winnow/login"


class _Refused(Exception):
    """The request is not let in."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Guard:
    """Lets requests through to `app` by the table of `access`, and adds the headers that protect the answers."""

    def __init__(self, app: ASGIApp, storage: Storage, people: People, hosts: Hosts) -> None:
        self._app = app
        self._storage = storage
        self._people = people
        self._hosts = hosts
        self._wrong_tokens = WrongTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path: str = scope["path"]

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message), path)
            await send(message)

        request = HTTPConnection(scope)
        try:
            await self._let_in(request, receive, protected)
        except _Refused as refused:
            await _refusal(request, refused)(scope, receive, protected)
        except StorageUnreachable as error:
            outage = _Refused(503, f"the database does not answer now: {error.problem}", **{"Retry-After": "5"})
            await _refusal(request, outage)(scope, receive, protected)

    async def _let_in(self, request: HTTPConnection, receive: Receive, send: Send) -> None:
        scope = request.scope
        method, path = scope["method"], scope["path"]
        changes = method in _CHANGES
        given = credentials(request)
        by_cookie = given is not None and given.by_cookie
        if refusal := self._hosts.refusal(request.headers, changes=changes, by_cookie=by_cookie):
            raise _Refused(403, refusal)
        person = await self._person(request, given)
        rule = rule_for(method, path)
        _check(rule, person)
        scope["state"] = {
            **scope.get("state", {}),
            "person": person,
            "credentials": given,
            "wrong_tokens": self._wrong_tokens,
            "address": _address(request),
        }
        if not changes:
            await self._app(scope, receive, send)
            return
        largest, seconds = (_LARGEST_FILE, 600) if path.startswith("/api/artifacts/") else (_LARGEST, _SECONDS)
        try:
            async with asyncio.timeout(seconds):
                body = await _body(receive, largest)
        except TimeoutError:
            raise _Refused(408, f"the request was not here in full after {seconds:.0f} seconds") from None
        _check_content(path, body)
        if path.rstrip("/") == _LOGIN:  # writes its own entry: the body is a secret
            await self._app(scope, _replay(body, receive), send)
        else:
            await self._write_down(request, person, body, receive, send)

    async def _person(self, request: HTTPConnection, given: Credentials | None) -> Person | None:
        """Return who asks; None where nobody is known by what they gave."""
        if await self._people.is_open():
            if "forwarded" in request.headers or "x-forwarded-for" in request.headers:
                raise _Refused(
                    403, "this dashboard is open to this machine alone; make a token for others: winnow token create"
                )
            return LOCAL
        if given is None:
            return None
        person = await self._people.find(given)
        if person is None and not given.by_cookie and (seconds := self._wrong_tokens.note(_address(request))):
            raise _Refused(429, "invalid or expired token", **{"Retry-After": f"{seconds:.0f}"})
        return person

    async def _write_down(
        self, request: HTTPConnection, person: Person | None, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Make a change between the two halves of its entry in the audit log."""
        scope = request.scope
        database = self._storage.database
        who = person.name if person else ""
        content = "" if scope["path"].startswith("/api/artifacts/") else body.decode("utf-8", "replace")
        action = f"{scope['method']} {scope['path']}"
        entry = await run_in_threadpool(audit_log.begin, database, who, _address(request), action, content)
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                await run_in_threadpool(audit_log.conclude, database, entry, message["status"])
            await send(message)

        try:
            await self._app(scope, _replay(body, receive), watched)
        finally:
            if not answered:
                await run_in_threadpool(audit_log.conclude, database, entry, 500)


def _check(rule: Rule | None, person: Person | None) -> None:
    """Refuse what this person may not do. To those whom nobody knows nothing is said of what there is."""
    if rule is not None and rule.who == "anyone":
        return
    if person is None:
        raise _Refused(401, "log in first", **{"WWW-Authenticate": "Bearer"})
    if rule is None:
        raise _Refused(404, "there is no such page")
    if rule.who == "nobody":
        raise _Refused(403, rule.why)
    if rule.who != "anyone" and not person.may(rule.who):
        raise _Refused(403, f"this takes the role {rule.who}; {person.name} is {person.role}")


def _check_content(path: str, body: bytes) -> None:
    """Refuse bodies of the API that are no plain JSON object, and to overwrite what Winnow keeps with a trial."""
    ours, attributes = path.startswith("/winnow/api/"), path.rstrip("/").endswith("/user-attrs")
    if not attributes and not (ours and body):
        return
    status = 422 if ours else 400
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or brackets without end
        raise _Refused(status, "the body is not a JSON object") from None
    if not isinstance(content, dict) or not _shallow(content):
        raise _Refused(status, f"the body is not a JSON object of at most {_DEEPEST} levels")
    names = content.get("user_attrs", {}) if attributes else {}
    if not isinstance(names, dict):
        raise _Refused(400, "the body is not a JSON object with user_attrs")
    if any(name.startswith("winnow:") for name in names):
        raise _Refused(403, "attributes named winnow:… are Winnow's own record of a trial")


def _shallow(content: Any) -> bool:
    """Return whether what is in it ends at some depth that everything behind can follow."""
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, dict | list)
        ]
    return not level


async def _body(receive: Receive, largest: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "the request broke off")
        body += message.get("body", b"")
        if len(body) > largest:
            raise _Refused(413, f"a request here holds at most {largest:,} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read already, then whatever comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refusal(request: HTTPConnection, refused: _Refused) -> Response:
    """Lead a person to the login page, and tell everybody else what is wrong."""
    if refused.status == 401 and wants_page(request):
        return RedirectResponse(f"{_LOGIN}?next={quote(request.scope['path'], safe='/')}", 303)
    return refusal(request, refused.reason, refused.status, refused.headers)


def _address(request: HTTPConnection) -> str:
    return request.client.host if request.client else "unknown"
