"""Winnow's own pages: the studies, one study as it runs, one trial, the login and the audit log."""

import logging
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from winnow.search.analysis import curve_reading, summary
from winnow.search.analysis.study_view import StudyView
from winnow.search.dashboard import chapters, one_trial
from winnow.search.dashboard.events import events
from winnow.search.dashboard.identity import COOKIE
from winnow.search.dashboard.live import Look
from winnow.search.dashboard.rendering import page, render
from winnow.search.dashboard.responses import StudyId, TrialNumber, look, read_study, seen, watching
from winnow.search.report.chapters import Chapter
from winnow.search.report.figures import curves
from winnow.search.report.report import plotly_library
from winnow.storage import Storage, audit_log, sessions, tokens
from winnow.storage.errors import StorageUnreachable

_log = logging.getLogger("winnow")
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("")
@router.get("/")
async def studies_page(request: Request) -> Response:
    """All studies."""
    found = await watching(request).entries.latest()
    return page(request, "studies.html.jinja", entries=found.seen or [], outage=found.outage)


@router.get("/events", response_class=EventSourceResponse)
async def studies_events(request: Request) -> AsyncIterator[ServerSentEvent]:
    """Send the list of studies whenever it changes."""

    def sections(found: Look[Any]) -> dict[str, Any]:
        return {"sections": {"studies": render("list.html.jinja", entries=found.seen or [])}}

    async for event in events(request, watching(request).entries, sections):
        yield event


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Where a token is given."""
    return page(request, "login.html.jinja", wrong="", next=_local(request.query_params.get("next", "")))


@router.post("/login")
async def login(request: Request) -> Response:
    """Open a session for a token."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    secret, target = fields.get("token", [""])[0].strip(), _local(fields.get("next", [""])[0])
    address, wrong_tokens = request.state.address, request.state.wrong_tokens
    database = watching(request).storage.database
    wait = 0.0

    def open_session() -> str | None:
        nonlocal wait
        token = tokens.find(database, secret)
        if token is not None:
            audit_log.begin(database, token.name, address, "login", "", status=303)
            return sessions.begin(database, token)
        wait = wrong_tokens.note(address)
        if not wait:  # a flood of wrong tokens fills no log
            audit_log.begin(database, "somebody", address, "login", "", status=401)
        return None

    try:
        session = await run_in_threadpool(open_session)
    except StorageUnreachable:
        return _wrong(request, target, "The database does not answer now. Try again in a moment.", 503)
    if session is None:
        return _wrong(request, target, "Invalid or expired token.", 429 if wait else 401)
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(sessions.HOURS * 3600),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session."""
    given = request.state.credentials
    if given is not None and given.by_cookie:
        await run_in_threadpool(sessions.end, watching(request).storage.database, given.secret)
        request.app.state.people.forget(given)
    answer = RedirectResponse("/winnow/login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@router.get("/audit")
def audit_page(request: Request) -> Response:
    """Return what was changed, by whom."""
    found = audit_log.entries(watching(request).storage.database)
    return page(request, "audit.html.jinja", entries=found)


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """Return a file that all pages share."""
    if name not in _FILES:
        raise HTTPException(404, "there is no such file")
    kind, content, tag = _file(name)
    headers = {"Cache-Control": "no-cache", "ETag": tag}  # kept, and asked for again: another version has other files
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@router.get("/studies/{study_id}")
async def study_page(request: Request, study_id: StudyId) -> Response:
    """One study, as it runs."""
    _, found = await look(request, study_id)
    if found.seen is None:
        return page(request, "outage.html.jinja", status=503, outage=found.outage)
    return page(request, "study.html.jinja", now=found.seen, outage=found.outage)


@router.get("/studies/{study_id}/events", response_class=EventSourceResponse, dependencies=[Depends(look)])
async def study_events(request: Request, study_id: StudyId) -> AsyncIterator[ServerSentEvent]:
    """Send what changes on a study's page, as it changes."""

    def sections(found: Look[Any]) -> dict[str, Any]:
        now = found.seen
        if now is None:
            return {}
        return {
            "sections": {
                "standing": render("standing.html.jinja", now=now),
                "workers": render("workers.html.jinja", now=now),
                "failures": render("failures.html.jinja", now=now),
            },
            "trials": now.trials_version,
            "conclusions": now.conclusions_version,
        }

    async for event in events(request, watching(request).channel(study_id), sections):
        yield event


@router.get("/studies/{study_id}/parts/{name}")
async def study_part(request: Request, study_id: StudyId, name: str) -> Response:
    """Return a part of a study's page that takes longer to make."""
    view, _ = await seen(request, study_id)
    if name not in _PARTS:
        raise HTTPException(404, "there is no such part")
    content = await read_study(_PARTS[name], watching(request).reading, view)
    return HTMLResponse(content)


@router.get("/studies/{study_id}/trials/{number}")
async def trial_page(request: Request, study_id: StudyId, number: TrialNumber) -> Response:
    """One trial."""
    view, now = await seen(request, study_id)
    trial = await read_study(view.trial, number)
    if trial is None:
        raise HTTPException(404, f"there is no trial {number} in this study")
    found = curve_reading.read(trial)

    def measured() -> tuple[list[one_trial.Seed], list[Chapter]]:
        storage, record = watching(request).reading, view.with_details([number])
        if not now.has_spec:
            return [], []
        try:
            return one_trial.seeds(storage, record, trial), one_trial.mistakes(storage, record, trial)
        except Exception as error:  # a spec or a record that somebody else wrote: the trial is shown all the same
            _log.warning("what was measured of trial %d of %s cannot be read: %r", number, now.study, error)
            return [], []

    seeds, wrong = await read_study(measured)
    return page(
        request,
        "trial.html.jinja",
        now=now,
        trial=trial,
        searched={name: trial.setting(name) for name in trial.parameters},
        figure=curves.one_trial(trial, now.metric),
        said=[*found.sentences, curve_reading.advice(trial, found)],
        seeds=seeds,
        chapters=wrong,
    )


@router.get("/{study:path}")
async def study_by_name(request: Request, study: str) -> Response:
    """Return the study of this name."""
    try:
        study_id = await run_in_threadpool(watching(request).named, study)
    except KeyError:
        raise HTTPException(404, f"there is no study {study!r}") from None
    return await study_page(request, study_id)


def _conclusions(storage: Storage, view: StudyView) -> str:
    record = view.record()
    if not record.finished:
        return ""
    said = chapters.first_words(storage, view)
    comparison = summary.comparison(record)
    return render("found.html.jinja", said=said, comparison=comparison, history=record, study_id=view.study_id) + (
        _chapters(chapters.concluded(storage, view))
    )


_PARTS: dict[str, Callable[[Storage, StudyView], str]] = {
    "pictures": lambda _, view: _chapters(chapters.pictures(view)),
    "conclusions": _conclusions,
    "hyperparameters": lambda _, view: _chapters(chapters.hyperparameters(view)),
}


def _chapters(found: list[Chapter]) -> str:
    return render("chapters.html.jinja", chapters=found)


def _wrong(request: Request, target: str, words: str, status: int) -> Response:
    return page(request, "login.html.jinja", status=status, wrong=words, next=target)


def _local(target: str) -> str:
    """Return a path of this dashboard to go on to; another site is none."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if safe and all(ord(letter) >= 32 for letter in target) else "/winnow/"


_KINDS = {".css": "text/css", ".js": "text/javascript"}
_PAGE = files("winnow.search.dashboard") / "page"
_FILES = {each.name for each in _PAGE.iterdir() if PurePath(each.name).suffix in _KINDS} | {"plotly.js"}


@lru_cache
def _file(name: str) -> tuple[str, bytes, str]:
    """Return the media type, the bytes and the tag of a file."""
    content = plotly_library().encode() if name == "plotly.js" else (_PAGE / name).read_bytes()
    return _KINDS[PurePath(name).suffix], content, f'"{sha256(content).hexdigest()[:32]}"'
