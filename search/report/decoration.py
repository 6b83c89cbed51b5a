"""What Winnow concluded, put into optuna-dashboard's own pages: plots with fixed ids, notes, a picture.

It is written into the study, so that a stock `optuna-dashboard` shows it too. A note that a person wrote stays.
"""

import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import optuna
from optuna.study import Study

from winnow.garbage import uncollected
from winnow.objectives.methods import method_of
from winnow.search.analysis import conclusions, importance, summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report import conclusions as measured
from winnow.search.report.chapters import Chapter, Picture
from winnow.search.report.figures import curves, effects
from winnow.search.study.spec import Spec
from winnow.storage import Storage

ARTIFACTS = "optuna-artifacts"
"""The folder of Optuna's artifacts, beside Winnow's own files."""
_PICTURE = "augmentations.png"
_SIGN = "*Written by Winnow, and written anew after each run.*"
_MOST_NOTES = 100
"""Failed trials that get a note: each is a row of the study."""


def add(storage: Storage, record: StudyRecord) -> None:
    """Put plots and notes into the study of `record`; does nothing where optuna-dashboard is not installed."""
    if find_spec("optuna_dashboard") is None:
        return
    from optuna_dashboard import save_plotly_graph_object

    study = optuna.load_study(study_name=record.study, storage=storage)
    found = conclusions.load(storage, record)
    for picture in _pictures(record, found):
        save_plotly_graph_object(study, picture.titled(), graph_object_id=f"winnow-{picture.name}")
    _note(study, None, "\n\n".join(summary.sentences(record, found)))
    failed = [trial for trial in record.trials if trial.state == "FAIL"]
    ids = {trial.number: trial._trial_id for trial in study.get_trials(deepcopy=False)}
    for trial in failed[-_MOST_NOTES:]:
        _note(study, ids[trial.number], f"It failed:\n\n{_as_text(trial.reason or 'nobody said why')}")


def prepare(storage: Storage, spec: Spec) -> None:
    """Do what a report needs and no result changes, seconds that its reader need not wait for: imports, a picture."""
    with uncollected():
        for name in ("sklearn.ensemble", "optuna.importance", "plotly.graph_objects", "jinja2", "optuna_dashboard"):
            with suppress(ImportError):
                import_module(name)
    add_augmentations(storage, spec)


def add_augmentations(storage: Storage, spec: Spec) -> None:
    """Put a picture of what each augmentation does into the study, once, where it searches or fixes any of them."""
    names = [name for name in (*spec.search, *spec.fixed) if method_of(name) == "augmentation"]
    if not spec.built_in or not names:
        return
    # Here, since the one imports torch and the other boto3.
    from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

    from winnow.objectives.augmentation import gallery

    study = optuna.load_study(study_name=spec.name, storage=storage)
    if any(artifact.filename == _PICTURE for artifact in get_all_artifact_meta(study)):
        return
    folder = storage.files / ARTIFACTS
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, _PICTURE)
        gallery.write(spec.data_spec, path, gallery.strongest(spec.space, spec.fixed))
        store = FileSystemArtifactStore(str(folder))
        upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=study)


def _pictures(record: StudyRecord, found: Conclusions) -> list[Picture]:
    """Return what optuna-dashboard has not: curves over a band, importance with intervals, later measurements."""
    drawn = [Picture("curves", "Learning curves", "", curves.learning_curves(record))]
    shares, _ = importance.assess_if_enough(record)
    if shares is not None:
        drawn.append(Picture("importance", "Importance", "", effects.importance_bars(shares)))
    chapters = [Chapter("The search", pictures=drawn), *measured.chapters(record, found)]
    return [picture for chapter in chapters for picture in chapter.pictures]


def _note(study: Study, trial_id: int | None, text: str) -> None:
    """Write a note, unless it would replace one that a person wrote or say again what it says."""
    from optuna_dashboard import _note as notes  # its public functions cannot name a trial that has ended

    body = f"{text}\n\n{_SIGN}"
    attributes = study._storage.get_study_system_attrs(study._study_id)
    before = notes.get_note_from_system_attrs(attributes, trial_id)
    if before["body"] == body or (before["body"] and not before["body"].endswith(_SIGN)):
        return
    notes.save_note_with_version(study._storage, study._study_id, trial_id, before["version"] + 1, body)


def _as_text(words: str) -> str:
    """Return words that Markdown shows as they are."""
    return "\n".join(f"    {line}" for line in words.splitlines())
