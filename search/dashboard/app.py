"""The dashboard as one ASGI application: Winnow's pages and API, optuna-dashboard for all else, a guard before both."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from winnow.search.dashboard import api, measuring, pages, stock
from winnow.search.dashboard import responses as answering
from winnow.search.dashboard.analyses import Analyses
from winnow.search.dashboard.hosts import Hosts
from winnow.search.dashboard.identity import People
from winnow.search.dashboard.middleware import Guard
from winnow.search.dashboard.watch import Watching
from winnow.storage import Storage


class Dashboard(Guard):
    """The guard and what lies behind it."""

    own: FastAPI


def build(storage: Storage, artifacts: Path, *, allowed_hosts: Iterable[str] = (), local: bool) -> Dashboard:
    """Return the dashboard on `storage`; `local` lets everybody in as admin, where only this machine reaches it.

    Who serves it sets `own.state.closing`, by which pages that listen for changes are told to let go.
    """
    people = People(storage, local=local)
    own = FastAPI(title="Winnow", openapi_url=None, docs_url=None, redoc_url=None)
    own.state.watching = Watching(storage)
    own.state.people = people
    own.state.analyses = Analyses(storage.files / "analyses", storage.database.url)
    own.state.closing = lambda: False
    own.include_router(measuring.api, prefix="/winnow/api", responses=api.REFUSALS)
    own.include_router(measuring.pages, prefix="/winnow")
    own.include_router(api.router, prefix="/winnow/api")
    own.include_router(pages.router, prefix="/winnow")
    answering.describe_errors(own)
    others: Any = WSGIMiddleware(stock.application(storage, artifacts))
    both = _Both(GZipMiddleware(own, minimum_size=2000), others)
    whole = Dashboard(both, storage, people, Hosts(allowed_hosts))
    whole.own = own
    return whole


class _Both:
    """Gives what lies under /winnow to Winnow, and all else to optuna-dashboard, which must own `/`."""

    def __init__(self, own: ASGIApp, others: ASGIApp) -> None:
        self._own = own
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        ours = scope["type"] == "lifespan" or path == "/winnow" or path.startswith("/winnow/")
        await (self._own if ours else self._others)(scope, receive, send)
