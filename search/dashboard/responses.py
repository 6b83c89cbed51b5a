"""What the pages and the API share: the study that a path names, and what is said where something is refused."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Path, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from winnow.errors import WinnowError
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_view import StudyView
from winnow.search.dashboard.identity import Person
from winnow.search.dashboard.live import Look
from winnow.search.dashboard.rendering import refusal
from winnow.search.dashboard.watch import Watching, unreadable
from winnow.storage.errors import StorageUnreachable

Result = TypeVar("Result")
_log = logging.getLogger("winnow")
LARGEST_ID = 2**31 - 1
StudyId = Annotated[int, Path(ge=0, le=LARGEST_ID, description="The study's id: see GET /winnow/api/studies.")]
TrialNumber = Annotated[int, Path(ge=0, le=LARGEST_ID, description="The trial's number in its study, from 0.")]


def watching(request: Request) -> Watching:
    """Return what the dashboard watches."""
    found: Watching = request.app.state.watching
    return found


def person(request: Request) -> Person:
    """Return who asks; the guard has made sure that somebody does."""
    found: Person = request.state.person
    return found


async def look(request: Request, study_id: StudyId) -> tuple[StudyView, Look[Status]]:
    """Return a study as it stands; ends in 404 where there is none."""
    everything = watching(request)
    try:
        view = await run_in_threadpool(everything.view, study_id)
        return view, await everything.channel(study_id).latest()
    except KeyError:
        raise HTTPException(404, f"there is no study with the id {study_id}") from None
    except Exception as error:
        raise HTTPException(409, unreadable(error)) from error


async def seen(request: Request, study_id: int) -> tuple[StudyView, Status]:
    """Return a study as it was last seen; ends in 503 where it never was and the database does not answer."""
    view, found = await look(request, study_id)
    if found.seen is None:
        raise HTTPException(503, found.outage)
    return view, found.seen


async def read_study(work: Callable[..., Result], *given: Any) -> Result:
    """Do in a thread what reads a study; end in 409 where its rows are not as Optuna or Winnow writes them."""
    try:
        return await run_in_threadpool(work, *given)
    except (WinnowError, HTTPException):
        raise
    except Exception as error:
        _log.warning("%s", unreadable(error), exc_info=error)
        raise HTTPException(409, unreadable(error)) from error


def describe_errors(app: FastAPI) -> None:
    """Answer every refusal in one form: {"reason": a sentence}, as optuna-dashboard does; to a browser as a page."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return refusal(request, str(error.detail), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return refusal(request, f"{place}: {first['msg']}", 422)

    @app.exception_handler(WinnowError)
    async def not_possible(request: Request, error: WinnowError) -> Response:
        return refusal(request, str(error), 503 if isinstance(error, StorageUnreachable) else 409)
