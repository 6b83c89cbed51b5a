"""Templates to HTML: what people wrote is escaped, whatever it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response

from winnow.search.analysis import formatting
from winnow.search.analysis.study_record import mixed_code_words
from winnow.search.dashboard.sparkline import points
from winnow.search.report import report

_RESERVED = ("api", "audit", "events", "login", "logout", "static", "studies")


def study_link(study_id: int, name: str) -> str:
    """Return where a study's page lies: under its name, but where another page is called that."""
    taken = name.partition("/")[0] in _RESERVED or name.strip("/.") != name or "\\" in name
    return f"/winnow/studies/{study_id}" if taken or not name else f"/winnow/{quote(name, safe='')}"


@lru_cache
def _environment() -> Any:
    found = report.html("winnow.search.dashboard", "winnow.search.report")
    found.filters.update(
        duration=formatting.duration,
        moment=_moment,
        recorded=formatting.recorded,
        mixed_code_words=mixed_code_words,
    )
    found.globals.update(study_link=study_link, sparkline=points)
    return found


def render(template: str, **content: Any) -> str:
    """Return a template with its content, all of it escaped."""
    return str(_environment().get_template(template).render(content))


def page(
    request: HTTPConnection,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **content: Any,
) -> Response:
    """Return a whole page for whoever asks."""
    someone = getattr(request.state, "person", None)
    return HTMLResponse(render(template, person=someone, **content), status, headers)


def refusal(request: HTTPConnection, reason: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Say why a request is refused: to a person on a page, to a script as {"reason": a sentence}."""
    if wants_page(request) and not request.scope["path"].startswith(("/api/", "/winnow/api/")):
        return page(request, "refused.html.jinja", status=status, headers=headers, reason=reason)
    return JSONResponse({"reason": reason}, status, headers)


def wants_page(request: HTTPConnection) -> bool:
    """Return whether a browser asks for what it shows."""
    return request.scope["method"] == "GET" and "text/html" in request.headers.get("accept", "")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
