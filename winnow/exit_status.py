"""How a process ended, in words."""

import signal


def ending(status: int) -> str:
    """Say how a process ended, by its status as `subprocess` gives it."""
    if status >= 0:
        return f"ended with status {status}"
    known = {each.value: each.name for each in signal.Signals}  # those of real time have numbers only
    return f"was killed by {known.get(-status, f'signal {-status}')}"
