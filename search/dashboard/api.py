"""The JSON API under /winnow/api: what the pages show as numbers, and what an editor may ask for.

Every refusal is {"reason": a sentence}.
"""

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from winnow.errors import SpecError, StudyError
from winnow.search.analysis import conclusions, export, study_reader
from winnow.search.analysis.json_numbers import finite, finite_object
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.dashboard import enqueue as wishes
from winnow.search.dashboard.chapters import concluded, curve_numbers, pictures
from winnow.search.dashboard.responses import LARGEST_ID, StudyId, TrialNumber, person, read_study, seen, watching
from winnow.search.launch import study_control
from winnow.search.report import report
from winnow.search.study import study as studies
from winnow.search.study.validation import check
from winnow.storage import audit_log, deletions
from winnow.storage.activity import State

router = APIRouter(tags=["winnow"])
_MOST = 10_000
_CLOCKS = timedelta(seconds=10)
_STATES = {"stop": State.STOPPED, "pause": State.PAUSED, "resume": State.ACTIVE}


class Refusal(BaseModel):
    """Why a request was refused."""

    reason: str


class Submission(BaseModel):
    """A study spec, as its TOML file says it."""

    spec: dict[str, Any]


class Wish(BaseModel):
    """Hyperparameters that a worker is to try next; those that are left out are sampled."""

    parameters: dict[str, bool | int | float | str] = Field(min_length=1)


class Confirmed(BaseModel):
    """The study's own name, typed once more."""

    confirm: str


class Made(BaseModel):
    """What was made."""

    study_id: int
    study: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": words}
    for status, words in {
        400: "The request cannot be read.",
        401: "Nobody is logged in.",
        403: "The role does not allow it.",
        404: "There is no such study or trial.",
        409: "It cannot be done now, or not to this study.",
        413: "The request is too large.",
        422: "The request says something that cannot be.",
        429: "Too many wrong tokens.",
        503: "The database does not answer.",
    }.items()
}


PAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The report.", "content": {"text/html": {}}}}
TABLES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The table.", "content": {"text/csv": {}, "application/json": {}}}
}


@router.get("/openapi.json", include_in_schema=False)
def description(request: Request) -> JSONResponse:
    """This API, described."""
    summary = (__doc__ or "").partition("\n")[0]
    whole = get_openapi(title="Winnow", version="1", description=summary, routes=request.app.routes)
    return JSONResponse(whole)


@router.get("/studies", responses=REFUSALS)
async def list_studies(request: Request) -> list[dict[str, Any]]:
    """Every study with its trials by state and its best feasible value."""
    found = await watching(request).entries.latest()
    if found.seen is None:
        raise HTTPException(503, found.outage)
    return [finite_object({**vars(entry), "finished": entry.finished}) for entry in found.seen]


@router.post("/studies", status_code=201, responses=REFUSALS)
def submit(request: Request, submission: Submission) -> Made:
    """Make the study of a spec, or give the one that there is its budget; workers on it begin by themselves."""
    try:
        spec = check(submission.spec, "spec")
    except SpecError as error:
        raise HTTPException(422, str(error)) from None
    if not spec.built_in:
        raise HTTPException(
            422, "an objective of one's own is code: create its study where the code is, with winnow create"
        )
    made = studies.create(watching(request).storage, spec)
    return Made(study_id=made.study_id, study=made.name)


@router.get("/studies/{study_id}", responses=REFUSALS)
async def status(request: Request, study_id: StudyId) -> dict[str, Any]:
    """Where a study stands: trials, workers, best, device time, failures."""
    _, now = await seen(request, study_id)
    return now.as_dict()


@router.delete("/studies/{study_id}", status_code=204, responses=REFUSALS)
async def remove(request: Request, study_id: StudyId, typed: Confirmed) -> Response:
    """Delete a study, so that `winnow restore` brings it back within thirty days."""
    _, now = await seen(request, study_id)
    if typed.confirm != now.study:
        raise HTTPException(422, f"type the study's name to delete it: {now.study}")
    database = watching(request).storage.database
    await run_in_threadpool(deletions.remove, database, study_id, person(request).name)
    watching(request).forget(study_id)
    return Response(status_code=204)


@router.get("/studies/{study_id}/trials", responses=REFUSALS)
async def trials(
    request: Request,
    study_id: StudyId,
    after: Annotated[int, Query(ge=-1, le=LARGEST_ID, description="Only trials of larger numbers.")] = -1,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 200,
    ended_since: Annotated[datetime | None, Query(description="Also those that ended since, or have not.")] = None,
) -> list[dict[str, Any]]:
    """Trials with their parameters, in order of their numbers, without their curves."""
    view, _ = await seen(request, study_id)

    def write() -> bytes:
        record = view.searched()
        chosen = [trial for trial in record.trials if trial.number > after or _changed(trial, ended_since)]
        return json.dumps([_brief(trial) for trial in chosen[:limit]]).encode()

    return Response(await read_study(write), media_type="application/json")  # type: ignore[return-value]


@router.post("/studies/{study_id}/trials", status_code=201, responses=REFUSALS)
async def enqueue(request: Request, study_id: StudyId, wish: Wish) -> dict[str, Any]:
    """Have a worker try these hyperparameters next."""
    _, now = await seen(request, study_id)

    def queue() -> None:
        wishes.enqueue(studies.load(watching(request).storage, now.study), wish.parameters)

    await run_in_threadpool(queue)
    return {"study": now.study, "parameters": wish.parameters}


@router.get("/studies/{study_id}/trials/{number}", responses=REFUSALS)
async def trial(request: Request, study_id: StudyId, number: TrialNumber) -> dict[str, Any]:
    """One trial in full, with its curve."""
    view, _ = await seen(request, study_id)
    found = await read_study(view.trial, number)
    if found is None:
        raise HTTPException(404, f"there is no trial {number} in this study")
    rest = {"config": dict(found.config), "training": dict(found.training), "run": dict(found.run)}
    return {**_brief(found), **finite_object(rest), "curve": finite([vars(epoch) for epoch in found.curve])}


@router.post("/studies/{study_id}/{wish}", responses=REFUSALS)
async def steer(request: Request, study_id: StudyId, wish: Literal["stop", "pause", "resume"]) -> dict[str, Any]:
    """Have the workers of a study hand their trials back and leave, or wait, or go on, wherever they are.

    A stop ends its job on a cluster too, where this machine reaches the cluster's engine; the answer says so.
    """
    _, now = await seen(request, study_id)
    if not now.has_spec:
        raise StudyError(f"the study {now.study!r} was not made by Winnow, whose workers alone would hear this")
    loaded = await run_in_threadpool(studies.load, watching(request).storage, now.study)
    of_the_job = await run_in_threadpool(study_control.set_state, loaded, _STATES[wish])
    watching(request).channel(study_id).expire()
    said = " ".join(filter(None, [f"{now.study} is {_STATES[wish]}.", of_the_job]))
    return {"study": now.study, "state": _STATES[wish], "answer": said}


@router.get("/studies/{study_id}/curves", responses=REFUSALS)
async def curves(request: Request, study_id: StudyId) -> dict[str, Any]:
    """Return the curves of the best trials and of the baseline, and the band of an even sample of all."""
    view, _ = await seen(request, study_id)
    return finite_object(curve_numbers(await read_study(view.sample)))


@router.get("/studies/{study_id}/figures", responses=REFUSALS)
async def figures(request: Request, study_id: StudyId) -> list[dict[str, Any]]:
    """Every figure of the page as plotly reads it, with its title and what it shows in words."""
    view, _ = await seen(request, study_id)

    def draw() -> list[dict[str, Any]]:
        chapters = [*pictures(view), *concluded(watching(request).reading, view)]
        return [
            {
                "name": picture.name,
                "title": picture.title,
                "caption": picture.caption,
                "figure": picture.figure.to_plotly_json(),
            }
            for chapter in chapters
            for picture in chapter.pictures
        ]

    from plotly.utils import PlotlyJSONEncoder

    content = await read_study(lambda: PlotlyJSONEncoder().encode(draw()))
    return Response(content, media_type="application/json")  # type: ignore[return-value]


@router.get("/studies/{study_id}/report", response_model=None, responses={**REFUSALS, **PAGE})
async def download_report(request: Request, study_id: StudyId) -> Response:
    """Return the report: one HTML file that needs no network."""
    _, now = await seen(request, study_id)

    def render() -> str:
        storage = watching(request).reading
        record = _whole(request, now.study)
        return report.render(record, conclusions.load(storage, record))

    content = await read_study(render)
    headers = {"Content-Disposition": f'attachment; filename="report-{study_id}.html"'}
    return Response(content, media_type="text/html", headers=headers)


@router.get("/studies/{study_id}/export/{file}", response_model=None, responses={**REFUSALS, **TABLES})
async def download_table(
    request: Request,
    study_id: StudyId,
    file: Literal["trials.csv", "trials.json", "epochs.csv", "epochs.json", "ablation.csv", "ablation.json"],
) -> Response:
    """One table of `winnow export`."""
    _, now = await seen(request, study_id)
    kind: Literal["csv", "json"] = "csv" if file.endswith(".csv") else "json"

    def write() -> bytes:
        record = _whole(request, now.study)
        with tempfile.TemporaryDirectory() as folder:
            found = conclusions.load(watching(request).reading, record).ablations
            for path in export.write(record, found, Path(folder), kind):
                if path.name == file:
                    return path.read_bytes()
        raise HTTPException(404, "that table has no rows")

    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    media = "text/csv" if kind == "csv" else "application/json"
    return Response(await read_study(write), media_type=media, headers=headers)


@router.get("/audit", responses=REFUSALS)
def audit(request: Request) -> list[dict[str, Any]]:
    """Return the latest changes that were asked for: who, when, what, and how it ended."""
    return [finite_object(vars(entry)) for entry in audit_log.entries(watching(request).storage.database)]


def _whole(request: Request, name: str) -> StudyRecord:
    """Return the study with all its epochs: what a file to take away holds."""
    return study_reader.load(watching(request).reading, name)


def _changed(trial: TrialRecord, since: datetime | None) -> bool:
    """Return whether a trial may have changed since a moment: hosts' clocks may differ by seconds."""
    if since is None or trial.ended is None:
        return since is not None
    return trial.ended >= (since if since.tzinfo else since.replace(tzinfo=trial.ended.tzinfo)) - _CLOCKS


def _brief(trial: TrialRecord) -> dict[str, Any]:
    return finite_object(
        {
            "number": trial.number,
            "state": trial.state,
            "value": trial.value,
            "parameters": dict(trial.parameters),
            "trained": {
                name: trial.setting(name) for name, value in trial.parameters.items() if trial.setting(name) != value
            },
            "reason": trial.reason,
            "baseline": trial.baseline,
            "feasible": trial.feasible,
            "seconds": trial.seconds or None,
            "started": trial.started and trial.started.isoformat(),
            "ended": trial.ended and trial.ended.isoformat(),
        }
    )
