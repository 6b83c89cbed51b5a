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

    methods: tuple[str, ...]
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


def _rule(methods: str, route: str, who: Who, why: str = "") -> Rule:
    return Rule(tuple(methods.split()), route, who, why)


WINNOW = (
    _rule("GET POST", "/winnow/login", "anyone"),
    _rule("GET", "/winnow/static/{name}", "anyone"),
    _rule("POST", "/winnow/logout", "reader"),
    _rule("GET", "/winnow/audit", "admin"),
    _rule("GET", "/winnow/events", "reader"),
    _rule("GET", "/winnow/studies/{id}", "reader"),
    _rule("GET", "/winnow/studies/{id}/events", "reader"),
    _rule("GET", "/winnow/studies/{id}/parts/{name}", "reader"),
    _rule("GET", "/winnow/studies/{id}/trials/{id}", "reader"),
    _rule("GET", "/winnow/api/openapi.json", "reader"),
    _rule("GET", "/winnow/api/studies", "reader"),
    _rule("POST", "/winnow/api/studies", "editor"),
    _rule("GET", "/winnow/api/studies/{id}", "reader"),
    _rule("DELETE", "/winnow/api/studies/{id}", "admin"),
    _rule("GET", "/winnow/api/studies/{id}/trials", "reader"),
    _rule("POST", "/winnow/api/studies/{id}/trials", "editor"),
    _rule("GET", "/winnow/api/studies/{id}/trials/{id}", "reader"),
    _rule("GET", "/winnow/api/studies/{id}/curves", "reader"),
    _rule("GET", "/winnow/api/studies/{id}/figures", "reader"),
    _rule("GET", "/winnow/api/studies/{id}/report", "reader"),
    _rule("GET", "/winnow/api/studies/{id}/export/{name}", "reader"),
    _rule("POST", "/winnow/api/studies/{id}/stop", "editor"),
    _rule("POST", "/winnow/api/studies/{id}/pause", "editor"),
    _rule("POST", "/winnow/api/studies/{id}/resume", "editor"),
    _rule("GET", "/winnow/api/studies/{id}/analyses", "reader"),
    _rule("POST", "/winnow/api/studies/{id}/analyses/{name}", "editor"),
    _rule("GET", "/winnow/api/audit", "admin"),
    _rule("GET POST PUT DELETE PATCH", "/winnow/api/{rest}", "nobody", "there is no such thing in the API"),
    _rule("GET", "/winnow", "reader"),
    _rule("GET", "/winnow/{rest}", "reader"),
)
STOCK = (
    _rule("GET", "", "reader"),
    _rule("GET", "/dashboard", "reader"),
    _rule("GET", "/dashboard/{rest}", "reader"),
    _rule("GET", "/favicon.ico", "anyone"),
    _rule("GET", "/static/{rest}", "reader"),
    _rule("GET", "/api/meta", "reader"),
    _rule("GET", "/api/studies", "reader"),
    _rule("POST", "/api/studies", "admin"),
    _rule("GET", "/api/studies/{id}", "reader"),
    _rule("DELETE", "/api/studies/{id}", "nobody", _DELETING),
    _rule("POST", "/api/studies/{id}/rename", "nobody", _RENAMING),
    _rule("GET", "/api/studies/{id}/param_importances", "reader"),
    _rule("GET", "/api/studies/{id}/plot/{name}", "reader"),
    _rule("PUT", "/api/studies/{id}/note", "editor"),
    _rule("PUT", "/api/studies/{id}/{id}/note", "editor"),
    _rule("POST", "/api/studies/{id}/{id}/skip", "editor"),
    _rule("POST", "/api/studies/{id}/preference", "editor"),
    _rule("POST DELETE", "/api/studies/{id}/preference/{name}", "editor"),
    _rule("PUT", "/api/studies/{id}/preference_feedback_component", "editor"),
    _rule("POST", "/api/trials/{id}/tell", "editor"),
    _rule("POST", "/api/trials/{id}/user-attrs", "editor"),
    _rule("GET", "/csv/{id}", "reader"),
    _rule("GET", "/artifacts/{id}/{name}", "reader"),
    _rule("GET", "/artifacts/{id}/{id}/{name}", "reader"),
    _rule("POST", "/api/artifacts/{id}", "admin"),
    _rule("POST", "/api/artifacts/{id}/{id}", "admin"),
    _rule("DELETE", "/api/artifacts/{id}/{name}", "admin"),
    _rule("DELETE", "/api/artifacts/{id}/{id}/{name}", "admin"),
    _rule("GET POST", "/incompatible-rdb-schema", "nobody", _UPGRADING),
    _rule("POST", "/api/llm/{name}", "nobody", _ASKING),
)
RULES: Sequence[Rule] = (*WINNOW, *STOCK)


def rule_for(method: str, path: str) -> Rule | None:
    """Return the first rule that a request falls under; None where it is to be refused."""
    wanted = "GET" if method == "HEAD" else method
    bare = path.rstrip("/")  # optuna-dashboard drops it too
    return next((rule for rule in RULES if wanted in rule.methods and rule.pattern.fullmatch(bare)), None)
