"""What has been measured about a search since it ended: its confirmation and its ablations, from their records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import optuna

from winnow.errors import StudyError
from winnow.records import RUN, SPEC
from winnow.search.analysis import ablation, confirm, repetitions, study_reader
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.commands import confirm_command, methods_command, quoted
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study import study as studies
from winnow.search.study.spec import Spec
from winnow.storage import Storage


@dataclass(frozen=True)
class Conclusions:
    """What a report may conclude from, beside the search itself; empty where nothing was measured."""

    confirmation: Confirmation | None = None
    ablations: tuple[Ablation, ...] = ()
    """The oldest first."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """What each cost in device time: by `confirmation`, `ablation`."""
    spec: Spec | None = None
    """What was searched; None of a study that Winnow did not make."""
    beside: Mapping[str, StudyRecord] = field(default_factory=dict)
    """The studies that its questions compare it with, by name, those that the storage has."""


def load(storage: Storage, record: StudyRecord) -> Conclusions:
    """Return all that `storage` holds about the study of `record`. Trains nothing, and reads no test data."""
    names = {study.study_name: study for study in storage.get_all_studies()}
    if SPEC not in names[record.study].user_attrs:
        return Conclusions()
    study = studies.load(storage, record.study)
    try:
        confirmation = confirm.recorded(study, record)
    except StudyError:
        confirmation = None  # the ledger does not hold its test scores, as an earlier version's does not
    try:
        ablations = tuple(ablation.conclude(plan) for plan in ablation.recorded_plans(study, record))
    except StudyError:
        ablations = ()  # of a search of this name that was deleted: its trials are not there
    cost = {
        "confirmation": _seconds(storage, repetitions.study_name(study.name)) if confirmation else 0.0,
        "ablation": sum(_seconds(storage, found.name) for found in ablations),
    }
    named = {name for question in study.spec.question for name in question.beside if name in names}
    beside = {name: study_reader.load(storage, name) for name in sorted(named)}
    known_cost = {name: seconds for name, seconds in cost.items() if seconds}
    return Conclusions(confirmation, ablations, known_cost, study.spec, beside)


def next_command(record: StudyRecord, found: Conclusions) -> str:
    """Return what would be done next of a search of which something was measured: what was not yet, or its report."""
    confirmed, methods = found.confirmation, methods_command(record) or ""
    if confirmed is None:
        wanted = confirm_command(record)
    elif methods.startswith("winnow confirm"):
        wanted = None if confirmed.compared else methods
    else:
        wanted = None if found.ablations else methods
    return wanted or f"winnow report {quoted(record)}"


def _seconds(storage: Storage, name: str) -> float:
    """Return the device time of all trials of a study, in seconds."""
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    return sum(float(trial.user_attrs.get(RUN, {}).get("device_seconds", 0.0)) for trial in trials)
