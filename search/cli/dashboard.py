"""Serving: dashboard, token, restore."""

import getpass
from dataclasses import asdict, replace
from datetime import datetime
from json import dumps
from pathlib import Path

import click

from winnow.errors import WinnowError
from winnow.search.api.study import open_storage
from winnow.search.cli.options import json_option, notify_option, storage_option
from winnow.storage import audit_log, deletions, tokens

_PATIENCE = 60.0
"""Seconds: where the database starts together with the dashboard, it may be the later one."""


@click.command()
@storage_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 is any that is free."
)
@click.option("--allowed-host", "allowed_hosts", multiple=True, help="Another name that it is called by; repeatable.")
@click.option(
    "--trusted-proxy",
    default="127.0.0.1",
    show_default=True,
    help="Address of a proxy whose X-Forwarded-… count.",
)
@click.option("--tls-certificate", "certificate", type=click.Path(exists=True, path_type=Path), help="PEM file: HTTPS.")
@click.option("--tls-key", "key", type=click.Path(exists=True, path_type=Path), help="PEM file of its key.")
@click.option(
    "--artifacts", type=click.Path(path_type=Path), help="Optuna's artifacts.  [default: FILES/optuna-artifacts]"
)
@notify_option
def dashboard(
    url: str,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    trusted_proxy: str,
    certificate: Path | None,
    key: Path | None,
    artifacts: Path | None,
    notify: tuple[str, ...],
) -> None:
    """Serve live pages of all studies, with optuna-dashboard around them; off this machine, to those with a token."""
    try:
        from winnow.search.dashboard import server
        from winnow.search.report import decoration
    except ImportError:
        raise WinnowError("the dashboard is not installed", "pip install 'winnow-hpo[dashboard]'") from None
    if (certificate is None) != (key is None):
        raise WinnowError("--tls-certificate and --tls-key go together", "give both, or neither")
    storage = open_storage(url, create=False, patience=_PATIENCE)
    place = server.Place(host, port, allowed_hosts, trusted_proxy, certificate, key)
    local = server.is_open(storage, place)
    listening = server.listen(place)
    place = replace(place, port=listening.getsockname()[1])
    click.echo(f"Dashboard: {place.url}")
    if local:
        click.echo("Only this machine can reach it, and everybody on it may do everything. Press Ctrl-C to end it.")
    elif not any(each.valid for each in tokens.everything(storage.database)):
        click.echo("No token is valid: make one with winnow token create NAME --role admin")
    files = artifacts or storage.files / decoration.ARTIFACTS
    server.serve(storage, place, listening, files, local=local, notify=notify)


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that open the dashboard."""


@token.command("create")
@click.argument("name")
@storage_option
@click.option("--role", type=click.Choice(["reader", "editor", "admin"]), required=True, help="What it may do.")
@click.option("--days", type=click.FloatRange(0, min_open=True), default=90.0, show_default=True, help="Its life.")
@click.option("--forever", is_flag=True, help="Let it never expire.")
def create_token(name: str, url: str, role: str, days: float, forever: bool) -> None:
    """Make a token for NAME and show it, once: it is kept as a hash."""
    storage = open_storage(url, create=False)
    secret = tokens.create(storage.database, name, role, None if forever else days)  # type: ignore[arg-type]
    audit_log.begin(storage.database, getpass.getuser(), "", "token create", f"{name}, {role}", status=0)
    click.echo(secret)
    life = "for ever" if forever else f"for {days:g} days"
    click.echo(f"This is {name}'s {role} token, good {life}. It is shown only now.", err=True)


@token.command("list")
@storage_option
@json_option
def list_tokens(url: str, json: bool) -> None:
    """All tokens that were ever made, without their secrets."""
    found = tokens.everything(open_storage(url, create=False).database)
    if json:
        click.echo(dumps([asdict(each) for each in found], indent=2))
        return
    for each in found:
        until = "for ever" if each.expires_at is None else f"until {_day(each.expires_at)}"
        state = f"good {until}" if each.valid else "revoked" if each.revoked_at else f"expired {_day(each.expires_at)}"
        click.echo(f"{each.name:24} {each.role:8} {state}")
    if not found:
        click.echo("There is no token. Make one: winnow token create NAME --role reader")


@token.command("revoke")
@click.argument("name")
@storage_option
def revoke_token(name: str, url: str) -> None:
    """End NAME's token and the sessions that were opened with it, within ten seconds."""
    storage = open_storage(url, create=False)
    if not tokens.revoke(storage.database, name):
        raise WinnowError(f"there is no token {name!r} to revoke", "see winnow token list")
    audit_log.begin(storage.database, getpass.getuser(), "", "token revoke", name, status=0)
    click.echo(f"{name}'s token opens nothing any more.")


@click.command()
@click.argument("study", required=False)
@storage_option
def restore(study: str | None, url: str) -> None:
    """Bring back STUDY, which was deleted on the dashboard; without STUDY, list what can be brought back."""
    storage = open_storage(url, create=False)
    if study is not None:
        deletions.restore(storage.database, study)
        audit_log.begin(storage.database, getpass.getuser(), "", "restore", study, status=0)
        click.echo(f"The study {study} is back. It is stopped: winnow run or winnow create lets it go on.")
        return
    for each in deletions.everything(storage.database):
        click.echo(f"{each.name}: deleted {_day(each.deleted_at)} by {each.deleted_by}")


def _day(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
