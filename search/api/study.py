"""A study as a notebook, a script and the commands see it: created or loaded, run, read, confirmed and ablated."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

import optuna

from winnow import defaults
from winnow import storage as storages
from winnow.errors import StudyError
from winnow.objectives.space import Range
from winnow.search.analysis import ablation, readings, repetitions, study_reader
from winnow.search.analysis import confirm as confirmations
from winnow.search.analysis.repetitions import ConfirmationPlan
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.analysis.study_view import StudyView
from winnow.search.api import model_export, notebook, results
from winnow.search.api.fleet import FleetArguments, FleetOptions, run_here, train_in_rounds
from winnow.search.api.results import Ablation, Confirmation, TableName
from winnow.search.report import conclusions, decoration
from winnow.search.study import hyperparameter_checks, objective_checks, validation
from winnow.search.study import study as studies
from winnow.search.study.spec import Spec
from winnow.search.study.study import WinnowStudy
from winnow.search.worker import liveness
from winnow.storage import Storage

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

_log = logging.getLogger(__name__)
SpecLike = str | Path | Mapping[str, Any] | Spec


class Study(WinnowStudy):
    """A study in a storage, made by `create_study` or `load_study`.

    `name`, `spec` and `storage` are what it was made of; `optuna` is the plain Optuna study. Everything that it tells
    is read from the storage when it is asked for. What trains takes the same keyword arguments: `devices` ("auto",
    "cpu", "cuda:0,cuda:1"), `workers` in all, `slots` per device, and `grace_seconds` to finish an epoch when
    interrupted. Ctrl-C hands the trials back and raises KeyboardInterrupt; the same call continues.
    """

    @classmethod
    def of(cls, study: WinnowStudy) -> Self:
        """Return the same study with this class's methods."""
        return cls(study.storage, study.spec, study.study_id)

    def __getattr__(self, name: str) -> NoReturn:
        """Say where what Optuna's own study has is found."""
        there = f"; Optuna's own study has it: study.optuna.{name}" if hasattr(optuna.Study, name) else ""
        raise AttributeError(f"a Winnow study has no attribute {name!r}{there}")

    # --- training

    def run(self, *, accept_code: bool = False, **fleet: Unpack[FleetArguments]) -> Status:
        """Search on this machine, with progress, until the budget is spent or the study is stopped.

        With `accept_code` it goes on with other code than it began with. Raises DeviceError, and WorkerFailed where no
        worker can be kept running or every trial fails.
        """
        if accept_code:
            studies.accept_code(self)
        options = FleetOptions(**fleet)
        options.check(self.spec)
        return run_here(self, options)

    def confirm(
        self, *, top: int = repetitions.TOP, seeds: int = repetitions.SEEDS, **fleet: Unpack[FleetArguments]
    ) -> Confirmation:
        """Train the best `top` trials and the baseline again with `seeds` fresh seeds, then read test data once.

        Raises StudyError where there is nothing to confirm, DeviceError, WorkerFailed.
        """
        return carry_out(repetitions.plan_confirmation(self, top, seeds), FleetOptions(**fleet))

    def ablate(
        self,
        *,
        start: int | None = None,
        goal: int | None = None,
        methods: Mapping[str, Sequence[str]] | None = None,
        seeds: int | None = None,
        looks: int | None = None,
        trainings: int | None = None,
        train: bool = True,
        **fleet: Unpack[FleetArguments],
    ) -> Ablation:
        """Measure each method between two trials (the baseline and the best) by training with and without it.

        `methods` names hyperparameters that are switched together; `seeds` (5) are those of the first of `looks` (3)
        looks, each of which doubles them; `trainings` limits how many there are. With `train=False` it says what the
        trainings so far show, judged as they were asked for. Raises StudyError, DeviceError, WorkerFailed.
        """
        options = FleetOptions(**fleet)
        options.check(self.spec)
        planned = ablation.plan_ablation if train else ablation.recorded_plan
        plan = planned(self, start, goal, groups=methods, seeds=seeds, looks=looks, trainings=trainings)
        if train:
            train_in_rounds(
                lambda: plan.design.next_trainings(ablation.read_scores(plan)),
                lambda wanted: ablation.add_trainings(plan, wanted),
                options,
                plan.record,
            )
            decoration.add(self.storage, plan.record)
        return Ablation.of(ablation.conclude(plan), plan.record)

    # --- what it has come to

    def status(self) -> Status:
        """Return where it stands: trials by state, best value, budget, workers, failures."""
        return StudyView.of(self).status()

    @property
    def record(self) -> StudyRecord:
        """All its trials as plain data, ranked, with every epoch."""
        return study_reader.load(self.storage, self.name)

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial, in order of number."""
        return self.record.trials

    @property
    def best(self) -> TrialRecord | None:
        """The best completed trial; None while there is none."""
        return self.record.best

    @property
    def baseline(self) -> TrialRecord | None:
        """The trial of all defaults, which the others are compared with; None where there is none."""
        return self.record.baseline

    def to_dataframe(self, table: TableName = "trials") -> "DataFrame":
        """Return the trials, the epochs or the ablation as a pandas DataFrame (docs/export.md)."""
        return results.to_dataframe(self.storage, self.name, table)

    def figures(self) -> "dict[str, Figure]":
        """Draw every figure of the report and return them by name, as plotly figures."""
        return results.figures(self.storage, self.name)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML file, and return its path, by default reports/NAME.html; raises OSError."""
        return results.write_all(self.storage, self.spec, self.record, None if path is None else Path(path))

    def export_model(self, folder: str | Path) -> None:
        """Write the confirmed winner to a folder: weights, configuration, model card, script.

        Raises StudyError where the study has not been confirmed, OSError.
        """
        model_export.write(*self.confirmed(), Path(folder))

    def confirmed(self) -> tuple[ConfirmationPlan, Confirmation]:
        """Return the last confirmation and its plan from the storage; raises StudyError where there is none."""
        record = self.record
        plan, found = repetitions.recorded_plan(self, record), confirmations.recorded(self, record)
        if plan is None or found is None:
            raise StudyError(
                f"the study {self.name!r} has no confirmed winner", f"confirm it first: winnow confirm {self.name}"
            )
        return plan, Confirmation.of(found)

    def _repr_html_(self) -> str:
        return notebook.document(conclusions.outcome(self.record))


def carry_out(plan: ConfirmationPlan, options: FleetOptions) -> Confirmation:
    """Train what a confirmation still needs, and conclude it; raises DeviceError, WorkerFailed, StudyError."""
    options.check(plan.study.spec)
    repetitions.put_failed_aside(plan)
    train_in_rounds(
        lambda: repetitions.missing_rows(plan, repetitions.read_scores(plan)),
        lambda rows: readings.add_rows(plan, rows),
        options,
        plan.record,
    )
    found = confirmations.conclude(plan, repetitions.read_scores(plan))
    decoration.add(plan.study.storage, plan.record)
    return Confirmation.of(found)


def open_storage(url: str | None = None, *, create: bool = True, patience: float = 0.0) -> Storage:
    """Open the storage at an SQLAlchemy URL: OPTUNA_STORAGE, or winnow.db in this folder, where none is given.

    It is a full Optuna storage. With `create` its tables are made where they are missing; `patience` is how many
    seconds to wait for the database. Raises StorageError.
    """
    return storages.open(url or os.environ.get("OPTUNA_STORAGE") or defaults.STORAGE, create=create, patience=patience)


def create_study(
    spec: SpecLike,
    storage: str | Storage | None = None,
    *,
    trials: int | None = None,
    priority: float | None = None,
    accept_code: bool = False,
) -> Study:
    """Create the study of a spec, or continue the one that exists.

    `spec` is the path of a TOML file, TOML itself (a text of several lines) or a dict of the same shape; `storage` is
    an open one or its URL, by default as in `open_storage`. `trials` and `priority` replace those of the spec's
    [budget]. With `accept_code` the study goes on with other code than it began with, and says so wherever it is shown.
    Raises SpecError, StudyError where another study has this name, StorageError.
    """
    checked = read_spec(spec, trials=trials, priority=priority)
    opened = _opened(storage, create=checked.start is None)
    liveness.requeue_of_dead(opened.database)  # who died here a moment ago holds no new beginning up
    study = Study.of(studies.create(opened, checked))
    if accept_code:
        studies.accept_code(study)
    return study


def load_study(name: str, storage: str | Storage | None = None) -> Study:
    """Load a study that Winnow made; raises StudyError where there is none, StorageError."""
    return Study.of(studies.load(_opened(storage, create=False), name))


def read_spec(spec: SpecLike, **budget: float | None) -> Spec:
    """Return the checked spec; what is given of its [budget] replaces its own. Raises SpecError.

    The function of an objective of the user's own is examined too.
    """
    if isinstance(spec, Spec):
        checked, file = spec, f"study {spec.name}"
    elif isinstance(spec, Mapping):
        checked, file = validation.check(spec, "the spec"), "the spec"
    elif isinstance(spec, str) and "\n" in spec:
        checked, file = validation.parse(spec, "the spec"), "the spec"
    elif not isinstance(spec, str | Path):
        remedy = (
            'give the path of a TOML file, its text, or a dict of the same shape, with objective = "module:function"'
        )
        raise StudyError(f"a study is made of a spec, and this is a {type(spec).__name__}", remedy)
    else:
        checked, file = validation.read(Path(spec)), str(spec)
    given = {key: value for key, value in budget.items() if value is not None}
    if given:
        content = checked.model_dump(mode="json")
        checked = validation.check({**content, "budget": {**content["budget"], **given}}, file)
    if not isinstance(spec, Spec):  # one that was read already was examined then
        objective_checks.examine(checked, file)
        for name, entry in checked.space.items():
            if isinstance(entry, Range) and (doubt := hyperparameter_checks.doubt(entry)):
                _log.warning("[search] %s: %s", name, doubt)
    return checked


def _opened(storage: str | Storage | None, *, create: bool) -> Storage:
    return storage if isinstance(storage, Storage) else open_storage(storage, create=create)
