"""Slurm: a study's workers as an array of tasks, each of which joins the queue again after its time limit.

Everything goes through Slurm's own commands. What is submitted is a plain script that a person can read, change and
submit by hand; the storage's URL, which may hold a password, is not in it: sbatch hands the environment on.
"""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass

from winnow.search.launch.engines.engine import EngineError, Order
from winnow.search.worker.processes import module_command

WARNING_SECONDS = 120
"""So long before its time limit a task is told to hand its trial back; Slurm may be a minute early."""
SHORTEST_MINUTES = 5.0
ANSWER_SECONDS = 60.0
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")


@dataclass(frozen=True)
class Slurm:
    """Submits to the cluster whose commands are on the PATH."""

    time: str | None = None
    """A task's time limit as Slurm writes it (`4:00:00`); None is the partition's own."""
    partition: str | None = None
    more: tuple[str, ...] = ()
    """Further options of sbatch, such as `--account=vision`."""
    name: str = "slurm"
    address: str | None = None

    def describe(self, order: Order) -> str:
        """Return the script."""
        options = [
            f"--job-name=winnow-{order.study}",
            f"--array=0-{order.workers - 1}",
            "--ntasks=1",
            *(["--gres=gpu:1"] if order.gpus else []),
            *([f"--time={_checked_time(self.time)}"] if self.time else []),
            *([f"--partition={self.partition}"] if self.partition else []),
            "--requeue",
            f"--signal=B:TERM@{WARNING_SECONDS}",
            "--export=ALL",
            "--open-mode=append",
            f'--output="{order.logs}/{order.study}-%A_%a.log"',
            *(_one_line(option) for option in self.more),
        ]
        worker = module_command("winnow.search.launch.engines.slurm_task", *order.worker_options)
        lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in options), f"exec {shlex.join(worker)}"]
        return "\n".join(lines) + "\n"

    def refuse_impossible(self, order: Order) -> None:
        """Have Slurm plan the job without queueing it."""
        _ask("sbatch", "--test-only", script=self.describe(order))

    def start(self, order: Order, url: str) -> str:
        """Submit the script; gives the array's number."""
        order.logs.mkdir(parents=True, exist_ok=True)  # Slurm makes no folder for a task's output
        answer = _ask("sbatch", "--parsable", script=self.describe(order), storage=url)
        return answer.strip().partition(";")[0]

    def under_way(self, job: str) -> str:
        """Say what squeue tells of the array's tasks."""
        states = [state for state in tasks(job) if state not in ("CANCELLED", "COMPLETED", "FAILED", "TIMEOUT")]
        waiting = states.count("PENDING")
        return f"{len(states) - waiting} running, {waiting} waiting" if states else ""

    def cancel(self, job: str) -> None:
        """Stop the array by scancel."""
        _ask("scancel", "--quiet", job)


def tasks(job: str) -> list[str]:
    """Return the state of each task of an array or task that Slurm still holds.

    It forgets the finished after a while.
    """
    try:
        return _ask("squeue", "--noheader", "--array", "--jobs", job, "--format", "%T").split()
    except EngineError as error:
        if "Invalid job id" in str(error):
            return []
        raise


def requeue(task: str) -> None:
    """Send a running task back to the queue; Slurm ends the process that asks."""
    _ask("scontrol", "requeue", task)


def cancel_waiting(job: str) -> None:
    """Take those tasks of an array out of the queue that have not begun."""
    _ask("scancel", "--quiet", "--state=PENDING", job)


def _checked_time(time: str) -> str:
    found = _TIME.fullmatch(time)
    if found is None:
        raise EngineError(f"--time {time} is not a time limit", "write hours:minutes:seconds (4:00:00) or days-hours")
    if (minutes := _minutes(found)) < SHORTEST_MINUTES:
        raise EngineError(
            f"--time {time} is {minutes:g} minutes to Slurm, and a worker hands its trial back two to three minutes "
            "before the end",
            f"give {SHORTEST_MINUTES:g} minutes at least; hours are written 4:00:00",
        )
    return time


def _minutes(time: re.Match[str]) -> float:
    """Slurm reads minutes, minutes:seconds, hours:minutes:seconds; after days- it begins with hours."""
    parts = [int(part) for part in time["parts"].split(":")]
    if time["days"] is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, *[*parts, 0][:2]
    return 24 * 60 * int(time["days"] or 0) + 60 * hours + minutes + seconds / 60


def _one_line(option: str) -> str:
    if not option.startswith("-") or "\n" in option:
        raise EngineError(f"--sbatch {option!r} is not an option of sbatch", "write it as --sbatch=--account=NAME")
    return option


def _ask(*command: str, script: str | None = None, storage: str | None = None) -> str:
    """Return what one of Slurm's commands prints; raises EngineError with its own reason where it refuses."""
    environment = None if storage is None else {**os.environ, "OPTUNA_STORAGE": storage}
    try:
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, timeout=ANSWER_SECONDS, env=environment
        )
    except FileNotFoundError:
        raise EngineError(
            f"Slurm's {command[0]} is not installed here", "run winnow where you would run sbatch, on a login node"
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"Slurm's controller does not answer {command[0]} within {ANSWER_SECONDS:.0f} s",
            "look whether it is up: scontrol ping",
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"status {done.returncode}"]
        raise EngineError(f"Slurm's {command[0]} refuses: {lines[-1].removeprefix(f'{command[0]}: error: ')}")
    return done.stdout
