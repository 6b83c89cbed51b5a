"""Where a search begins beside its baseline: at the best configurations of an earlier study (`[start] from`)."""

from collections.abc import Mapping
from typing import Any

import optuna

from winnow.errors import StudyError
from winnow.objectives.space import Space
from winnow.search.study.spec import Spec
from winnow.search.study.stopping import is_result
from winnow.storage import Storage


def configurations(storage: Storage, spec: Spec) -> dict[int, dict[str, Any]]:
    """Return the parameters that the first trials of a search are to have, by the numbers of the earlier trials.

    Those are the best of the study that `[start]` names, as far as this search has them: what it lacks or does not
    offer is left to its sampler, and of configurations that are then equal the best stands for all. Raises StudyError
    where there is no such study, it was judged the other way round, or the two have nothing in common.
    """
    if spec.start is None:
        return {}
    name = spec.start.study
    try:
        earlier = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        problem = f"[start] from: there is no study {name!r} in {storage.place}"
        raise StudyError(problem, "name one that winnow status lists") from None
    direction = earlier.directions[0].name.lower()
    if direction != spec.optimises:
        problem = f"[start] from: the values of {name!r} are to {direction}, and this search's to {spec.optimises}"
        raise StudyError(problem, "name a study that was judged alike, or leave [start] out")
    sign = -1 if direction == "maximize" else 1
    results = [trial for trial in earlier.get_trials(deepcopy=False) if is_result(trial)]
    found: dict[int, dict[str, Any]] = {}
    for trial in sorted(results, key=lambda trial: (sign * trial.values[0], trial.number)):
        parameters = _shared(trial.params, spec.space)
        if parameters and parameters not in found.values() and len(found) < spec.start.trials:
            found[trial.number] = parameters
    if results and not found:
        raise StudyError(
            f"[start] from: the best of {name!r} have no parameter whose value [search] offers",
            "name a study with an overlapping space, or leave [start] out",
        )
    return found


def _shared(parameters: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return what of some parameters a space offers; all of it where the space is not declared."""
    if not space:
        return dict(parameters)
    return {name: value for name, value in parameters.items() if name in space and space[name].offers(value)}
