"""What an objective calls on its trial and its study, answered by Optuna's own in the supervisor's process."""

import threading

import optuna

from winnow.search.worker import plain_data
from winnow.search.worker.messages import Answer, Call
from winnow.storage.errors import LeaseLost, StorageUnreachable

_OF_TRIAL = {
    *("suggest_float", "suggest_int", "suggest_categorical", "set_user_attr", "set_system_attr", "set_constraint"),
    *("params", "distributions", "datetime_start", "system_attrs"),
}
_OF_STUDY = {"directions", "direction", "study_name", "user_attrs", "best_trial", "best_value", "get_trials"}


def answer(
    call: Call, study: optuna.Study, trial: optuna.trial.Trial, trial_id: int, sampler_lock: threading.Lock
) -> Answer:
    """Do what a trial's objective calls; any error is its answer, but for LeaseLost and StorageUnreachable."""
    place, _, method = call.method.rpartition(".")
    if method not in (_OF_STUDY if place else _OF_TRIAL):
        return Answer(error=AttributeError(f"a trial has no {call.method} here"))
    try:
        if method == "set_system_attr":
            trial.storage.set_trial_system_attr(trial_id, *call.arguments)
            return Answer()
        if method == "system_attrs":
            return Answer(trial.storage.get_trial(trial_id).system_attrs)
        with sampler_lock:  # samplers are not made for several threads
            found = getattr(study if place else trial, method)
            return Answer(found(*call.arguments, **call.options) if callable(found) else found)
    except (LeaseLost, StorageUnreachable):
        raise
    except Exception as error:
        return Answer(error=error if type(error).__module__ == "builtins" else RuntimeError(plain_data.reason(error)))
