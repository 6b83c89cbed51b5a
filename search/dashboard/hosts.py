"""Whether a request was made for this dashboard, from one of its own pages: against DNS rebinding and forgery.

A page of another site can have the browser send requests here, with the browser's cookies. It can neither choose the
`Host` (but by a name of its own that it points at this machine) nor the `Origin` nor `Sec-Fetch-Site`.
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_OWN = ("same-origin", "none")


class Hosts:
    """The names by which this dashboard may be called: addresses, this machine's own name, and those that are given."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        own = {"localhost", socket.gethostname(), socket.getfqdn()}
        self._names = {name.lower().rstrip(".") for name in (*own, *given)}

    def refusal(self, headers: Headers, *, changes: bool, by_cookie: bool) -> str:
        """Return why a request is refused, in words; empty where it is not. Of a change the origin must be known."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "this dashboard is not known by that name; start it with --allowed-host NAME"
        if not changes:
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if foreign or (site is not None and site not in _OWN):
            return "a change must be asked for from a page of this dashboard"
        if by_cookie and origin is None and site is None:
            return "a change that is made with a session must come from a browser; scripts send a bearer token"
        return ""

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)  # an address is nobody's name: it cannot be pointed elsewhere
        except ValueError:
            return False
        return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that is bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
