"""What a container or a cluster's job may use of this machine, CPU time and memory, by Linux's control groups."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MINE = Path("/proc/self/cgroup")
"""Where this process stands in each tree of groups: the one of version 2, and of version 1 one a controller."""


def cpu_quota() -> float:
    """Return how many cores' time this process may use; infinite where nothing limits it."""
    limits = [math.inf]
    for group in _groups("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            limits.append(int(quota) / int(period))  # "max" is none
        with suppress(OSError, ValueError, ZeroDivisionError):
            of_1 = _number(group / "cpu.cfs_quota_us") / _number(group / "cpu.cfs_period_us")
            limits.append(of_1 if of_1 > 0 else math.inf)
    return min(limits)


def memory_limit() -> float:
    """Return how many bytes this process and those beside it in its groups may use; infinite without a limit."""
    return min((limit for limit, _ in _memory()), default=math.inf)


def free_memory() -> float:
    """Return how many of these bytes are left; infinite without a limit."""
    return min((limit - used for limit, used in _memory()), default=math.inf)


def _memory() -> Iterator[tuple[int, int]]:
    """Yield limit and use of each group that has a limit."""
    for group in _groups("memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with suppress(OSError, ValueError):
                yield _number(group / limit), _number(group / used)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, and of all groups around them, as far as they can be seen."""
    yield ROOT
    lines = []
    with suppress(OSError):
        lines = MINE.read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        tree = ROOT / controllers  # empty in version 2
        mine = tree / path.strip("/")
        yield from (group for group in (mine, *mine.parents) if group.is_relative_to(tree))


def _number(file: Path) -> int:
    return int(file.read_text())
