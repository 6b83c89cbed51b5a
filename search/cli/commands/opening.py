"""From what a command was given to the storage, study or history that it works on, and to a report of it."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winnow.search.analysis.study_record import StudyRecord
    from winnow.search.study.spec import Spec
    from winnow.search.study.study import WinnowStudy
    from winnow.storage import Storage


def open_storage(url: str, *, create: bool = False, patience: float = 0.0) -> "Storage":
    """The storage at a URL, made where it is missing if `create`; Optuna says nothing of its own from here on."""
    import optuna

    from winnow import storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return storage.open(url, create=create, patience=patience)


def load_study(name: str, url: str) -> "WinnowStudy":
    """A study that Winnow knows."""
    from winnow.search.study import study as studies

    return studies.load(open_storage(url), name)


def refuse_finished(study: "WinnowStudy") -> None:
    """Raise StudyError where a study has nothing left to do."""
    from winnow.errors import StudyError
    from winnow.search.analysis import status

    if why := status.end_of(study):
        raise StudyError(f"the study {study.name!r} is finished: {why}", "give it a larger budget: winnow create SPEC")


def create_study(path: Path, url: str, **budget: float | None) -> "WinnowStudy":
    """The study of a spec, made or continued; what is given of its `[budget]` takes the place of the spec's."""
    from winnow.search.study import study as studies

    return studies.create(open_storage(url, create=True), read_spec(path, **budget))


def read_spec(path: Path, **budget: float | None) -> "Spec":
    """A spec; what is given of its `[budget]` takes the place of its own."""
    from winnow.search.study import validation

    spec = validation.read(path)
    given = {key: value for key, value in budget.items() if value is not None}
    if not given:
        return spec
    content = spec.model_dump(mode="json")
    return validation.check({**content, "budget": {**content["budget"], **given}}, str(path))


def write_report(storage: "Storage", name: str, path: Path, as_markdown: bool = False) -> "StudyRecord":
    """Write the report of a study; returns what it was drawn from."""
    from winnow.search.analysis import conclusions, study_record
    from winnow.search.report import markdown, report

    record = study_record.load(storage, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if as_markdown:
        missing = markdown.write(record, path, conclusions.load(storage, record))
        if missing:
            logging.getLogger(__name__).warning("the report has no pictures: %s", missing)
    else:
        report.write(record, path, conclusions.load(storage, record))
    return record


def report_path(name: str, as_markdown: bool = False) -> Path:
    """Where the report of a study lies unless somebody says otherwise."""
    return Path("reports") / f"{name}{'.md' if as_markdown else '.html'}"
