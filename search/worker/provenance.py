"""Where a result comes from: Winnow's version and the commit of the code it was started in."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def winnow_version() -> str:
    """Return the installed version of Winnow."""
    try:
        return version("winnow-hpo")
    except PackageNotFoundError:
        return "unknown"


@cache
def git_commit() -> str | None:
    """Return the commit of the folder that winnow was started in, with `+` where files differ from it.

    None outside of git.
    """
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout else "")
