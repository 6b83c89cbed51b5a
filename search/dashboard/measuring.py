"""What an editor has measured further: asked for over the API, and shown on the study's page as far as it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from winnow.search.analysis import ablation, repetitions
from winnow.search.analysis.json_numbers import finite_object
from winnow.search.dashboard.analyses import Analyses, Kind, costs
from winnow.search.dashboard.rendering import render
from winnow.search.dashboard.responses import StudyId, person, read_study, seen, watching
from winnow.search.dashboard.watch import Entry
from winnow.search.report.figures import curves
from winnow.search.study import study as studies

api = APIRouter(tags=["winnow"])
pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Count = Annotated[int | None, Field(default=None, ge=1, le=100)]


class Asked(BaseModel):
    """How much an analysis trains; what is left out is as the command has it."""

    model_config = ConfigDict(extra="forbid")
    top: Count
    """Of a confirmation: how many of the best."""
    seeds: Count
    looks: Annotated[int | None, Field(default=None, ge=1, le=6)]
    """Of an ablation."""


class Started(BaseModel):
    """What was started, in a sentence."""

    answer: str


def analyses(request: Request) -> Analyses:
    """Return the commands of this dashboard."""
    found: Analyses = request.app.state.analyses
    return found


@api.post("/studies/{study_id}/analyses/{kind}", status_code=202)
async def start(request: Request, study_id: StudyId, kind: Kind, asked: Asked) -> Started:
    """Have a confirmation, an ablation or a test of learning rates made; the pool's workers train what it takes."""
    _, now = await seen(request, study_id)

    def begin() -> None:
        study = studies.load(watching(request).storage, now.study)
        analyses(request).start(study, kind, asked.model_dump(exclude_none=True), person(request).name)

    await read_study(begin)
    return Started(answer="Asked for: what comes of it is shown below.")


@api.get("/studies/{study_id}/analyses")
async def progress(request: Request, study_id: StudyId) -> dict[str, Any]:
    """Return how far the analyses of a study are: their commands, and the studies of their trainings."""
    _, now = await seen(request, study_id)
    commands, trained = analyses(request).of(study_id), await _trained(request, now)
    return {
        "commands": {
            kind: {"running": command.is_running, "failure": command.failure, "asked_by": command.asked_by}
            for kind, command in commands.items()
        },
        "trained": [finite_object({**vars(entry), "finished": entry.finished}) for entry in trained],
    }


@pages.get("/studies/{study_id}/parts/analyses")
async def part(request: Request, study_id: StudyId) -> Response:
    """Return the part of a study's page that says what is measured, and what that will take."""
    view, now = await seen(request, study_id)
    trained = await _trained(request, now)
    rates = await run_in_threadpool(analyses(request).result, study_id, "range")

    def write() -> str:
        study = studies.load(watching(request).reading, now.study) if now.has_spec else None
        record = view.record()
        return render(
            "analyses.html.jinja",
            commands=analyses(request).of(study_id),
            costs=costs(study, record) if study and record.best and not record.is_analysis else {},
            trained=trained,
            idle=any(entry.states.get("RUNNING", 0) == 0 and entry.finished < (entry.budget or 0) for entry in trained),
            figure=curves.rate_range(rates) if rates else None,
            rates=rates,
        )

    return HTMLResponse(await read_study(write))


async def _trained(request: Request, now: Any) -> list[Entry]:
    """Return the studies whose trainings belong to the analyses of a search."""
    confirmation, ablations = repetitions.study_name(now.study), ablation.names_begin(now.study)
    entries = (await watching(request).entries.latest()).seen or []
    return [entry for entry in entries if entry.study == confirmation or entry.study.startswith(ablations)]
