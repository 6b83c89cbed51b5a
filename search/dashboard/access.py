"""Who may do what: every route of the dashboard, optuna-dashboard's own included. What is not here does not exist.

Roles hold what those before them may: a reader looks, an editor writes notes, tells, enqueues and stops, an admin
makes and deletes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from winnow.storage.tokens import Role

Who = Role | Literal["anyone", "nobody"]
_RENAMING = (
    "a study's workers, spec and analyses know it by its name, so it is not renamed here; create a study of the other "
    "name instead"
)
_DELETING = "a study is deleted at /winnow/STUDY, where its name has to be typed"
_UPGRADING = "a storage is upgraded on the command line: optuna storage upgrade"
_ASKING = "no language model is set up"
_PARTS = {"{id}": r"[0-9]+", "{name}": r"[^/]+", "{rest}": r".*"}


@dataclass(frozen=True)
class Rule:
    """One kind of request and who may make it."""

    methods: str
    """In one text, with a space between them."""
    route: str
    """A path; `{id}` stands for a number, `{name}` for anything without a slash, `{rest}` for anything."""
    who: Who
    why: str = ""
    """Said to those whom it refuses, where nobody may."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the path, without a slash at its end."""
        parts = re.split(r"(\{\w+\})", self.route)
        return re.compile("".join(_PARTS.get(part, re.escape(part)) for part in parts))


WINNOW = (
    Rule("GET POST", "/winnow/login", "anyone"),
    Rule("GET", "/winnow/static/{name}", "anyone"),
    Rule("POST", "/winnow/logout", "reader"),
    Rule("GET", "/winnow/audit", "admin"),
    Rule("GET", "/winnow/events", "reader"),
    Rule("GET", "/winnow/studies/{id}", "reader"),
    Rule("GET", "/winnow/studies/{id}/events", "reader"),
    Rule("GET", "/winnow/studies/{id}/parts/{name}", "reader"),
    Rule("GET", "/winnow/studies/{id}/trials/{id}", "reader"),
    Rule("GET", "/winnow/api/openapi.json", "reader"),
    Rule("GET", "/winnow/api/studies", "reader"),
    Rule("POST", "/winnow/api/studies", "editor"),
    Rule("GET", "/winnow/api/studies/{id}", "reader"),
    Rule("DELETE", "/winnow/api/studies/{id}", "admin"),
    Rule("GET", "/winnow/api/studies/{id}/trials", "reader"),
    Rule("POST", "/winnow/api/studies/{id}/trials", "editor"),
    Rule("GET", "/winnow/api/studies/{id}/trials/{id}", "reader"),
    Rule("GET", "/winnow/api/studies/{id}/curves", "reader"),
    Rule("GET", "/winnow/api/studies/{id}/figures", "reader"),
    Rule("GET", "/winnow/api/studies/{id}/report", "reader"),
    Rule("GET", "/winnow/api/studies/{id}/export/{name}", "reader"),
    Rule("POST", "/winnow/api/studies/{id}/stop", "editor"),
    Rule("POST", "/winnow/api/studies/{id}/pause", "editor"),
    Rule("POST", "/winnow/api/studies/{id}/resume", "editor"),
    Rule("GET", "/winnow/api/studies/{id}/analyses", "reader"),
    Rule("POST", "/winnow/api/studies/{id}/analyses/{name}", "editor"),
    Rule("GET", "/winnow/api/audit", "admin"),
    Rule("GET POST PUT DELETE PATCH", "/winnow/api/{rest}", "nobody", "there is no such thing in the API"),
    Rule("GET", "/winnow", "reader"),
    Rule("GET", "/winnow/{rest}", "reader"),
)
STOCK = (
    Rule("GET", "", "reader"),
    Rule("GET", "/dashboard", "reader"),
    Rule("GET", "/dashboard/{rest}", "reader"),
    Rule("GET", "/favicon.ico", "anyone"),
    Rule("GET", "/static/{rest}", "reader"),
    Rule("GET", "/api/meta", "reader"),
    Rule("GET", "/api/studies", "reader"),
    Rule("POST", "/api/studies", "admin"),
    Rule("GET", "/api/studies/{id}", "reader"),
    Rule("DELETE", "/api/studies/{id}", "nobody", _DELETING),
    Rule("POST", "/api/studies/{id}/rename", "nobody", _RENAMING),
    Rule("GET", "/api/studies/{id}/param_importances", "reader"),
    Rule("GET", "/api/studies/{id}/plot/{name}", "reader"),
    Rule("PUT", "/api/studies/{id}/note", "editor"),
    Rule("PUT", "/api/studies/{id}/{id}/note", "editor"),
    Rule("POST", "/api/studies/{id}/{id}/skip", "editor"),
    Rule("POST", "/api/studies/{id}/preference", "editor"),
    Rule("POST DELETE", "/api/studies/{id}/preference/{name}", "editor"),
    Rule("PUT", "/api/studies/{id}/preference_feedback_component", "editor"),
    Rule("POST", "/api/trials/{id}/tell", "editor"),
    Rule("POST", "/api/trials/{id}/user-attrs", "editor"),
    Rule("GET", "/csv/{id}", "reader"),
    Rule("GET", "/artifacts/{id}/{name}", "reader"),
    Rule("GET", "/artifacts/{id}/{id}/{name}", "reader"),
    Rule("POST", "/api/artifacts/{id}", "admin"),
    Rule("POST", "/api/artifacts/{id}/{id}", "admin"),
    Rule("DELETE", "/api/artifacts/{id}/{name}", "admin"),
    Rule("DELETE", "/api/artifacts/{id}/{id}/{name}", "admin"),
    Rule("GET POST", "/incompatible-rdb-schema", "nobody", _UPGRADING),
    Rule("POST", "/api/llm/{name}", "nobody", _ASKING),
)
RULES: Sequence[Rule] = (*WINNOW, *STOCK)


def rule_for(method: str, path: str) -> Rule | None:
    """Return the first rule that a request falls under; None where it is to be refused."""
    wanted = "GET" if method == "HEAD" else method
    bare = path.rstrip("/")  # optuna-dashboard drops it too
    return next((rule for rule in RULES if wanted in rule.methods.split() and rule.pattern.fullmatch(bare)), None)
