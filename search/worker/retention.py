"""What a study keeps: the weights of its best trials, and so many checkpoints of paused ones as there is room for."""

import logging

from optuna.trial import FrozenTrial, TrialState

from winnow.records import WEIGHTS
from winnow.search.study.study import WinnowStudy
from winnow.storage import artifacts, checkpoints, pauses

_log = logging.getLogger("winnow")


def keep_best(study: WinnowStudy) -> None:
    """Remove the weights of all finished trials but the best; what cannot be removed now goes the next time."""
    most = study.spec.keep.weights
    if not most:
        return
    finished = [trial for trial in study.optuna.get_trials(deepcopy=False) if trial.state.is_finished()]
    owned = {trial.user_attrs[WEIGHTS] for trial in finished if WEIGHTS in trial.user_attrs}
    kept = {trial.user_attrs.get(WEIGHTS) for trial in _best_first(study, finished)[:most]}
    try:
        for name in artifacts.names(study.storage.store, study.storage.home(study.study_id)):
            if name in owned - kept:
                artifacts.remove(study.storage.store, name)
    except OSError as error:
        _log.warning("weights that nobody needs stay for now: %s", error)


def make_room(study: WinnowStudy) -> None:
    """End the least promising of the paused trials where their checkpoints take more than `[keep] checkpoints_gb`."""
    store, most = study.storage.store, study.spec.keep.checkpoints_gb * 1e9
    maximize = study.spec.optimises == "maximize"
    for number, claims in pauses.make_room(study.storage.database, study.study_id, most, maximize):
        _log.info("trial %d: %s", number, pauses.NO_ROOM)
        checkpoints.remove_files(store, study.storage.home(study.study_id), number, claims)


def _best_first(study: WinnowStudy, finished: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the feasible complete trials by their value (of two, by the first)."""
    sign = -1 if study.spec.optimises == "maximize" else 1
    feasible = [
        trial
        for trial in finished
        if trial.state is TrialState.COMPLETE and all(excess <= 0 for excess in trial.constraints.values())
    ]
    return sorted(feasible, key=lambda trial: (sign * trial.values[0], trial.number))
