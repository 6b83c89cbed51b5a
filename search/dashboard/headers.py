"""What every answer tells a browser not to do: run strange scripts, guess types, be framed, be read by other sites."""

from starlette.datastructures import MutableHeaders

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SHARED = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_WINNOW = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    f"connect-src 'self'; {_SHARED}"
)
# optuna-dashboard's parallel coordinates compile their shaders by `eval`; its styles stand in its elements.
_STOCK = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' data: 'unsafe-inline'; "
    f"img-src 'self' data: blob:; connect-src 'self'; frame-src 'self'; {_SHARED}"
)
_FILE = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
# Kinds that a browser shows without running anything in them. SVG is not one of them, nor is HTML.
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/", "video/", "text/csv", "text/plain")


def protect(headers: MutableHeaders, path: str) -> None:
    """Add the headers of an answer to `path`, in place of those that optuna-dashboard set."""
    for name, value in _ALWAYS.items():
        headers[name] = value
    del headers["access-control-allow-origin"]
    if path.startswith("/artifacts/"):
        _as_file(headers)
    elif path.startswith("/winnow"):
        headers["Content-Security-Policy"] = _WINNOW
    else:
        headers["Content-Security-Policy"] = _STOCK
    if not path.startswith(("/static/", "/winnow/static/", "/favicon.ico")):
        headers["Cache-Control"] = "no-store"


def _as_file(headers: MutableHeaders) -> None:
    """Send what somebody uploaded: never as a page of this origin, and to be saved unless it is harmless."""
    headers["Content-Security-Policy"] = _FILE
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith(_SHOWN):
        headers["Content-Type"] = "application/octet-stream"
        headers["Content-Disposition"] = "attachment"
