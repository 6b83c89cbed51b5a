"""optuna-dashboard as it comes, on Winnow's storage: its own application, with what it cannot know put right.

Constraints of Optuna 5 are shown where it looks for those of Optuna 4, the best trial is the best feasible one, an
artifact that is deleted there is put aside, a table that it gives away holds no formulas, and its JSON (28 MB of it at
10,000 trials) is written by orjson.
"""

import copy
import csv
import io
import json
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FrozenTrial, TrialState

from winnow.search.analysis.export import without_formula
from winnow.storage import Storage

_OLD_KEY = "constraints"


def application(storage: Storage, artifacts: Path) -> Any:
    """Return the WSGI application that answers at `/`."""
    import bottle
    import optuna_dashboard

    artifacts.mkdir(parents=True, exist_ok=True)
    stock = optuna_dashboard.wsgi(_Shown(storage), artifact_store=_KeptArtifacts(str(artifacts)))
    stock.uninstall(bottle.JSONPlugin)
    stock.install(bottle.JSONPlugin(json_dumps=_to_json))
    return _without_formulas(stock)


def _to_json(content: Any) -> bytes:
    import orjson

    try:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(content).encode()


class _Shown(Storage):
    """The same storage, connections and memory included, whose trials carry their constraints under the older key."""

    def __init__(self, storage: Storage) -> None:
        vars(self).update(vars(storage))
        self._plain = storage
        self._with_constraints: dict[int, FrozenTrial] = {}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Behave as Optuna's."""
        found = super().get_all_trials(study_id, deepcopy, states)
        return [self._constrained(trial) for trial in found]

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best feasible trial; the best of all where none is."""
        study = optuna.load_study(study_name=self.get_study_name_from_id(study_id), storage=self._plain)
        try:
            best = study.best_trial
        except (ValueError, TypeError):  # no trial keeps every limit, or a foreign script wrote nonsense
            best = super().get_best_trial(study_id)
        return self._constrained(best)

    def _constrained(self, trial: FrozenTrial) -> FrozenTrial:
        known = self._with_constraints.get(trial._trial_id)
        if known is None:
            try:
                constraints: dict[str, Any] = trial.constraints
            except TypeError:  # of a foreign script: no list under the older key
                constraints = {"": None}
            if not constraints:
                return trial
            known = copy.copy(trial)
            values = [excess if isinstance(excess, int | float) else 1.0 for excess in constraints.values()]
            known._system_attrs = {**trial._system_attrs, _OLD_KEY: values}
            if trial.state.is_finished():
                self._with_constraints[trial._trial_id] = known
        return known


class _KeptArtifacts(FileSystemArtifactStore):
    """Artifacts in a folder; what is removed is put aside and can be put back by hand."""

    def remove(self, artifact_id: str) -> None:
        aside = Path(self._base_path, "removed")
        aside.mkdir(exist_ok=True)
        try:
            Path(self._base_path, artifact_id).rename(aside / artifact_id)
        except FileNotFoundError as error:
            raise optuna.artifacts.exceptions.ArtifactNotFound("not found") from error


def _without_formulas(stock: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return the same application, whose CSV files a spreadsheet does not run."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # which it takes to be there
        if not environ.get("PATH_INFO", "").startswith("/csv/"):
            return stock(environ, start_response)
        started: list[Any] = []
        body = b"".join(stock(environ, lambda *given: started.extend(given)))
        status, headers = started[0], started[1]
        rows = csv.reader(io.StringIO(body.decode()))
        cleaned = io.StringIO()
        csv.writer(cleaned).writerows([_cell(cell) for cell in row] for row in rows)
        content = cleaned.getvalue().encode()
        kept = [(name, value) for name, value in headers if name.lower() not in ("content-length", "content-type")]
        kept += [("Content-Length", str(len(content))), ("Content-Type", "text/csv; charset=utf-8")]
        start_response(status, kept)
        return [content]

    return answer


def _cell(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return without_formula(text)
    return text
