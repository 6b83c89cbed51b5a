"""Analyses that an editor starts on a page: each is its command in a process beside, whose trainings the pool takes.

The command writes what is to be trained into the storage, waits for workers elsewhere, and concludes; where the
dashboard ends meanwhile, the command is asked for again and goes on with what is there.
"""

import json
import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from winnow.errors import StudyError
from winnow.search.analysis import ablation, power, repetitions
from winnow.search.analysis.formatting import counted, duration
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.processes import module_command

Kind = Literal["confirm", "ablate", "range"]
_WORDS = 4000
"""Characters of a command's output that are read."""


@dataclass
class Command:
    """A command that was started for a study."""

    process: subprocess.Popen[bytes]
    output: Path
    """What it printed as its result."""
    messages: Path
    """What it said meanwhile."""
    asked_by: str

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def failure(self) -> str:
        """Why it ended without a result; empty where it has one or runs."""
        if self.is_running or self.process.returncode == 0:
            return ""
        said = self.messages.read_bytes()[-_WORDS:].decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(said) if line.strip()), f"it ended with {self.process.returncode}")


class Analyses:
    """The commands of this dashboard: one of a kind at a time for each study."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._lock = threading.Lock()
        self._commands: dict[tuple[int, Kind], Command] = {}

    def start(self, study: WinnowStudy, kind: Kind, options: dict[str, int], asked_by: str) -> None:
        """Start the command of an analysis; raise StudyError where it runs already, or has nothing to do."""
        given = [word for name, number in options.items() for word in (f"--{name}", str(number))]
        target = study.name
        if kind == "confirm":
            repetitions.plan_confirmation(study, options.get("top", 5), options.get("seeds", 5))
        elif kind == "ablate":
            ablation.plan_ablation(study, **options)  # type: ignore[arg-type]
        elif not study.spec.built_in:
            raise StudyError(f"{study.name} has an objective of its own, whose training Winnow does not know")
        with self._lock:
            running = self._commands.get((study.study_id, kind))
            if running is not None and running.is_running:
                raise StudyError(f"winnow {kind} of {study.name!r} runs already, asked for by {running.asked_by}")
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{study.study_id}-{kind}"
            if kind == "range":
                spec = self._folder / f"{name}.spec.json"
                spec.write_text(json.dumps(study.spec.model_dump(mode="json")))
                target = str(spec)
            else:
                given += ["--workers", "0"]
            output, messages = self._folder / f"{name}.json", self._folder / f"{name}.log"
            with output.open("wb") as result, messages.open("wb") as told:
                process = subprocess.Popen(
                    [*module_command("winnow", kind), "--json", *given, "--", target],
                    env={**os.environ, "OPTUNA_STORAGE": self._url, "NO_COLOR": "1", "COLUMNS": "200"},
                    stdin=subprocess.DEVNULL,
                    stdout=result,
                    stderr=told,
                )
            self._commands[study.study_id, kind] = Command(process, output, messages, asked_by)

    def of(self, study_id: int) -> dict[Kind, Command]:
        """Return the commands that were started for a study."""
        with self._lock:
            return {kind: command for (of, kind), command in self._commands.items() if of == study_id}

    def result(self, study_id: int, kind: Kind) -> dict[str, Any] | None:
        """Return what the last command of a kind printed as its result; None where there is none."""
        with suppress(OSError, ValueError):
            content = json.loads((self._folder / f"{study_id}-{kind}.json").read_bytes())
            return content if isinstance(content, dict) else None
        return None

    def close(self) -> None:
        """End the commands that run: what the pool has trained for them stays."""
        with self._lock:
            for command in self._commands.values():
                if command.is_running:
                    command.process.terminate()
            for command in self._commands.values():
                with suppress(subprocess.TimeoutExpired):
                    command.process.wait(10)


def costs(study: WinnowStudy, record: StudyRecord) -> dict[str, str]:
    """Return what the analyses of a search will take, by kind, in a sentence: of those that can be made."""
    found: dict[str, str] = {}
    seconds = [trial.seconds for trial in record.ranked if trial.seconds]
    each = sum(seconds) / len(seconds) if seconds else 0.0
    with suppress(StudyError):
        plan = repetitions.plan_confirmation(study, 5, 5)
        others = " and the baseline" if plan.baseline else ""
        time = f", about {duration(each * plan.most_trainings)} of training time" if each else ""
        test = " Test data are read once." if plan.reads_test else ""
        found["confirm"] = (
            f"With the numbers below, {counted(len(plan.candidates), 'configuration')}{others} on 5 fresh seeds, then "
            f"the winner{others} on 5 others: up to {plan.most_trainings} trainings{time}.{test}"
        )
    with suppress(StudyError):
        found["ablate"] = power.sentences(ablation.plan_ablation(study, record=record).design)[0]
    if study.spec.built_in:
        found["range"] = "The learning rate rises with every step of a short training of the baseline, on 3 seeds."
    return found
