"""Who may do what: the table against the applications, and every row of it against the running server."""

import re
from itertools import product
from typing import Any, get_args

import optuna
import pytest

from dashboard_server import Served
from winnow.search.dashboard import api, measuring, pages
from winnow.search.dashboard.access import RULES, WINNOW, Rule, rule_for
from winnow.storage.tokens import ROLES, Role

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EXAMPLES = {"{id}": "987654", "{name}": "abc", "{rest}": "abc"}


def example(rule: Rule) -> str:
    """A path that falls under a rule, of things that are not there."""
    path = rule.route
    for part, text in EXAMPLES.items():
        path = path.replace(part, text)
    return path or "/"


def test_every_route_of_optuna_dashboard_is_in_the_table() -> None:
    import optuna_dashboard

    stock: Any = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage())
    routes = [(route.method, re.sub(r"<(\w*):?(\w*)[^<>]*>", one_of, route.rule)) for route in stock.routes]
    assert len(routes) > 30
    for method, path in routes:
        assert rule_for(method, path) is not None, f"{method} {path}"


def one_of(wildcard: re.Match[str]) -> str:
    """What a wildcard of Bottle may stand for."""
    name, kind = wildcard.groups()
    return "" if not name else "7" if kind == "int" else "abc"


def test_every_route_of_winnow_is_in_the_table() -> None:
    own = [rule for rule in WINNOW if not rule.route.endswith("{rest}")]
    shown: list[Any] = [*pages.router.routes, *measuring.pages.routes]
    routes: list[Any] = [*shown, *api.router.routes, *measuring.api.routes]
    assert len(routes) > 20
    for route in routes:
        path = ("/winnow" if route in shown else "/winnow/api") + route.path
        if path == "/winnow/{study:path}":
            continue
        concrete = path.rstrip("/")
        for name in ("{study_id}", "{number}"):
            concrete = concrete.replace(name, "7")
        concrete = concrete.replace("{wish}", "stop").replace("{kind}", "confirm")
        concrete = concrete.replace("{name}", "abc").replace("{file}", "abc")
        for method in route.methods:
            matching = [rule for rule in own if method in rule.methods and rule.pattern.fullmatch(concrete)]
            assert matching, f"{method} {path} has no rule of its own"


def test_what_is_not_in_the_table_does_not_exist(served: Served) -> None:
    with served.client("admin") as admin:
        for method, path in [("PATCH", "/api/studies/1"), ("GET", "/api/new"), ("PUT", "/"), ("GET", "/artifacts/1")]:
            assert rule_for(method, path) is None
            assert admin.request(method, path).status_code == 404


@pytest.mark.parametrize("role", [None, *get_args(Role)])
def test_the_server_does_what_the_table_says(served: Served, role: Role | None) -> None:
    served.client("admin").close()
    with served.client(role) as client:
        for rule, method in product(RULES, METHODS):
            path = example(rule)
            found = rule_for(method, path)
            with client.stream(method, path) as answer:
                status = answer.status_code
                said = answer.read().decode() if status in (401, 403, 404) and method != "HEAD" else ""
            where = f"{role} {method} {path}: {status}"
            if found is not None and found.who == "anyone":
                assert status not in (401, 403) or path == "/winnow/login", where
            elif role is None:
                assert status == 401, where
            elif found is None:
                assert status == 404, where
                assert method == "HEAD" or "there is no such page" in said, where
            elif found.who == "nobody":
                assert status == 403, where
                assert method == "HEAD" or found.why in said, where
            elif ROLES.index(role) < ROLES.index(found.who):
                assert status == 403, where
                assert method == "HEAD" or f"this takes the role {found.who}" in said, where
            else:
                assert status not in (401, 403, 429), where
                assert "there is no such page" not in said, where


def test_a_reader_changes_nothing_and_an_editor_deletes_nothing() -> None:
    changing = [rule for rule in RULES if {"POST", "PUT", "PATCH", "DELETE"} & {*rule.methods.split()}]
    assert {rule.route for rule in changing if rule.who in ("anyone", "reader")} == {"/winnow/login", "/winnow/logout"}
    deleting = {rule.route for rule in changing if "DELETE" in rule.methods.split() and rule.who == "editor"}
    assert deleting == {"/api/studies/{id}/preference/{name}"}


def test_slashes_and_tricks_in_a_path_open_nothing(served: Served) -> None:
    with served.client("reader") as reader:
        for path in ("/api/studies/1/", "/api/studies/1//", "/api/./studies/1", "//api/studies/1", "/api/studies/%31"):
            assert reader.request("DELETE", path).status_code in (403, 404)
        assert reader.request("GET", "/api/studies", headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200
