"""A study as a notebook, a script and the commands see it: created or loaded, run, read, confirmed and ablated."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from winnow import storage as storages
from winnow.errors import StudyError
from winnow.search.analysis import ablation, model_export, repetitions, status, study_record
from winnow.search.analysis import confirm as confirmations
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.analysis.study_view import StudyView
from winnow.search.api import results
from winnow.search.api.fleet import FleetOptions, run_here, train_in_rounds
from winnow.search.report import decoration
from winnow.search.study import study as studies
from winnow.search.study import validation
from winnow.search.study.spec import Spec
from winnow.search.study.study import WinnowStudy
from winnow.storage import Storage

DEFAULT_STORAGE = "sqlite:///winnow.db"


class Study(WinnowStudy):
    """A study in a storage, made by `create_study` or `load_study`; `study.optuna` is the plain Optuna study."""

    @classmethod
    def of(cls, study: WinnowStudy) -> Self:
        """Return the same study with this class's methods."""
        return cls(study.storage, study.spec, study.source, study.study_id)

    # --- what it has come to, read from the storage at each call

    @property
    def record(self) -> StudyRecord:
        """All its trials as plain data, with every epoch."""
        return study_record.load(self.storage, self.name)

    def status(self) -> Status:
        """Return where it stands: trials by state, best value, budget, workers, failures."""
        return StudyView.of(self).status()

    def refuse_finished(self) -> None:
        """Raise StudyError where nothing is left to do."""
        if why := status.end_of(self):
            raise StudyError(
                f"the study {self.name!r} is finished: {why}", "give it a larger budget: winnow create SPEC"
            )

    # --- training

    def train(self, options: FleetOptions) -> Status:
        """Run it on this machine until it is done or stopped; see `fleet.run_here`."""
        return run_here(self, options)

    def confirm(self, *, top: int = 5, seeds: int = 5, **fleet: Any) -> Confirmation:
        """Train the best `top` trials and the baseline again with fresh seeds, then read test data once.

        Raises StudyError where there is nothing to confirm, DeviceError.
        """
        options = FleetOptions(**fleet)
        options.check()
        plan = repetitions.plan_confirmation(self, top, seeds)
        train_in_rounds(
            lambda: repetitions.missing_rows(plan, repetitions.read_scores(plan)),
            lambda rows: repetitions.add_rows(plan, rows),
            options,
        )
        found = confirmations.conclude(plan, repetitions.read_scores(plan))
        decoration.add(self.storage, plan.record)
        return found

    def ablate(
        self,
        *,
        start: int | None = None,
        goal: int | None = None,
        methods: Mapping[str, Sequence[str]] | None = None,
        seeds: int = 5,
        looks: int = 3,
        trainings: int | None = None,
        train: bool = True,
        **fleet: Any,
    ) -> Ablation:
        """Measure each method between two trials (the baseline and the best) by training with and without it.

        `methods` names hyperparameters to switch together. With `train=False` it says what the trainings so far show.
        Raises StudyError, DeviceError.
        """
        options = FleetOptions(**fleet)
        options.check()
        plan = ablation.plan_ablation(self, start, goal, methods, seeds=seeds, looks=looks, trainings=trainings)
        if train:
            train_in_rounds(
                lambda: plan.design.next_trainings(ablation.read_scores(plan)),
                lambda wanted: ablation.add_trainings(plan, wanted),
                options,
            )
            decoration.add(self.storage, plan.record)
        return ablation.conclude(plan)

    # --- files

    def report(self, path: Path | None = None) -> Path:
        """Write its report and return the path, by default reports/NAME.html."""
        path = results.write_report(self.storage, self.name, path)
        decoration.add(self.storage, self.record)
        decoration.add_augmentations(self.storage, self.spec)
        return path

    def export_model(self, folder: Path) -> None:
        """Write the confirmed winner to a folder: weights, configuration, model card; raises StudyError, OSError."""
        record = self.record
        plan, found = repetitions.recorded_plan(self, record), confirmations.recorded(self, record)
        if plan is None or found is None:
            raise StudyError(
                f"the study {self.name!r} has no confirmed winner", f"confirm it first: winnow confirm {self.name}"
            )
        model_export.write(plan, found, folder)


def open_storage(url: str | None = None, *, create: bool = True, patience: float = 0.0) -> Storage:
    """Open the storage at an SQLAlchemy URL: OPTUNA_STORAGE, or winnow.db in this folder, where none is given.

    It is a full Optuna storage. With `create` its tables are made where they are missing; `patience` is how many
    seconds to wait for the database. Raises StorageError.
    """
    return storages.open(url or os.environ.get("OPTUNA_STORAGE") or DEFAULT_STORAGE, create=create, patience=patience)


def create_study(
    spec: Path | Spec, storage: str | Storage | None = None, *, trials: int | None = None, priority: float | None = None
) -> Study:
    """Create the study of a spec, or continue it where it exists.

    `trials` and `priority` replace those of the spec's [budget]. Raises SpecError, StudyError, StorageError.
    """
    checked = read_spec(spec, trials=trials, priority=priority)
    return Study.of(studies.create(_opened(storage, create=True), checked))


def load_study(name: str, storage: str | Storage | None = None) -> Study:
    """Load a study that Winnow made; raises StudyError, StorageError."""
    return Study.of(studies.load(_opened(storage, create=False), name))


def read_spec(spec: Path | Spec, **budget: float | None) -> Spec:
    """Return the checked spec; what is given of its [budget] replaces its own. Raises SpecError."""
    checked = validation.read(spec) if isinstance(spec, Path) else spec
    given = {key: value for key, value in budget.items() if value is not None}
    if not given:
        return checked
    content = checked.model_dump(mode="json")
    return validation.check({**content, "budget": {**content["budget"], **given}}, str(spec))


def _opened(storage: str | Storage | None, *, create: bool) -> Storage:
    return storage if isinstance(storage, Storage) else open_storage(storage, create=create)
