"""Numbers elsewhere too: each trial as a run of TensorBoard, MLflow or Weights & Biases (`[log]`).

What ended on this machine is delivered from the storage, in a thread of the fleet's process: training waits for
nothing, and a server that is away costs nothing. What was delivered is noted in a file, so that a later run delivers
the rest.
"""

import fcntl
import json
import logging
import math
import platform
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from winnow.errors import StudyError
from winnow.records import RUN
from winnow.search.analysis import study_reader
from winnow.search.analysis.study_record import TrialRecord
from winnow.search.study.spec import LogSection
from winnow.search.study.study import WinnowStudy
from winnow.search.worker import plain_data
from winnow.storage import epochs

LOOK_SECONDS = 5.0
LAST_SECONDS = 20.0
"""How long the end of a run waits for the last deliveries."""
Tracker = Callable[[str, TrialRecord], None]
"""Writes one trial of a study; raises whatever its library does."""
_log = logging.getLogger("winnow")


class Tracking:
    """Deliver a study's trials while it is open; of several processes on a machine one does."""

    def __init__(self, study: WinnowStudy) -> None:
        """Raise StudyError where a library is missing."""
        self._study = study
        self._trackers = trackers(study.spec.log)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def __enter__(self) -> Self:
        if self._trackers:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._trackers:
            self._thread.join(LAST_SECONDS)

    def _work(self) -> None:
        folder = self._study.storage.files / "tracked"
        folder.mkdir(parents=True, exist_ok=True)
        home = self._study.storage.home(self._study.study_id).replace("/", "-")
        with ExitStack() as opened, suppress(BlockingIOError):
            lock = opened.enter_context((folder / f"{home}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            failed: set[str] = set()
            over = False
            while not over:
                over = self._over.wait(LOOK_SECONDS)  # what ended last is delivered too
                for name, tracker in self._trackers.items():
                    try:
                        self._deliver(tracker, folder / f"{home}.{name}")
                    except Exception as error:
                        if name not in failed:
                            study = self._study.name
                            _log.warning("%s gets the numbers of %s later: %s", name, study, plain_data.reason(error))
                        failed.add(name)

    def _deliver(self, tracker: Tracker, delivered: Path) -> None:
        """Deliver every trial that ended on this machine and was not; raises what the tracker does."""
        known = set(delivered.read_text().split()) if delivered.exists() else set()
        ended = [
            trial
            for trial in self._study.storage.get_all_trials(self._study.study_id, deepcopy=False)
            if trial.state.is_finished() and str(trial.number) not in known
            if trial.user_attrs.get(RUN, {}).get("host") in (None, platform.node())
        ]
        curves = epochs.read(self._study.storage.database, self._study.study_id) if ended else {}
        for trial in ended:
            tracker(self._study.name, study_reader.read_trial(trial, curves.get(trial.number, ())))
            with delivered.open("a") as file:
                file.write(f"{trial.number}\n")


def trackers(log: LogSection) -> dict[str, Tracker]:
    """Return what a `[log]` asks for, by its name; raises StudyError where a library is missing."""
    made: dict[str, Tracker] = {}
    try:
        if log.tensorboard:
            made["tensorboard"] = _tensorboard()
        if log.mlflow:
            made["mlflow"] = _mlflow(log.mlflow)
        if log.wandb:
            made["wandb"] = _wandb(log.wandb)
    except ImportError as error:
        extra = (error.name or "").partition(".")[0].lower().removesuffix("x")
        raise StudyError(
            f"[log] names {extra}, and its package is missing ({error})", f"pip install 'winnow-hpo[{extra}]'"
        ) from None
    return made


def scalars(record: TrialRecord) -> list[tuple[int, dict[str, float]]]:
    """Return what a trial measured, epoch by epoch: numbers that are finite, the value by the name `value`."""
    curve = [(epoch.epoch, {"value": epoch.value, **epoch.metrics}) for epoch in record.curve]
    return [
        (number, {name: value for name, value in measured.items() if value is not None and math.isfinite(value)})
        for number, measured in curve
    ]


def parameters(record: TrialRecord) -> dict[str, Any]:
    """Return the configuration that was trained, or else what was searched; lists as text."""
    given = record.config or record.parameters
    return {name: value if isinstance(value, int | float | str) else json.dumps(value) for name, value in given.items()}


def _tensorboard() -> Tracker:
    from tensorboardX import SummaryWriter

    def write(study: str, record: TrialRecord) -> None:
        with SummaryWriter(f"tensorboard/{study}/trial-{record.number}") as writer:
            for epoch, measured in scalars(record):
                for name, value in measured.items():
                    writer.add_scalar(name, value, epoch)
            if record.value is not None:
                writer.add_hparams(parameters(record), {"result": record.value}, name=".")

    return write


def _mlflow(uri: str) -> Tracker:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    def write(study: str, record: TrialRecord) -> None:
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(study)
        identity = experiment.experiment_id if experiment else client.create_experiment(study)
        started, ended = (int(1000 * at.timestamp()) if at else 0 for at in (record.started, record.ended))
        tags = {"state": record.state, "host": record.host, "reason": record.reason}
        run = client.create_run(identity, started, tags=tags, run_name=f"trial {record.number}").info.run_id
        metrics = [
            Metric(name, value, ended, epoch) for epoch, measured in scalars(record) for name, value in measured.items()
        ]
        if record.value is not None:
            metrics.append(Metric("result", record.value, ended, 0))
        for first in range(0, len(metrics), 1000):  # more it takes in no request
            client.log_batch(run, metrics[first : first + 1000])
        client.log_batch(run, params=[Param(name, str(value)) for name, value in parameters(record).items()])
        client.set_terminated(run, "FAILED" if record.state == "FAIL" else "FINISHED", ended)

    return write


def _wandb(project: str) -> Tracker:
    import wandb

    def write(study: str, record: TrialRecord) -> None:
        settings = wandb.Settings(silent=True)
        name, config = f"trial {record.number}", parameters(record)
        with wandb.init(
            project=project, group=study, name=name, config=config, reinit="create_new", settings=settings
        ) as run:
            for epoch, measured in scalars(record):
                run.log(measured, step=epoch)
            run.summary.update({"result": record.value, "state": record.state})

    return write
