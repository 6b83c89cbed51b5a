"""The objective of a spec: what trains a configuration, whoever wrote it."""

from winnow.objectives import TRAINING_VERSION, user_code
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.own_objective import OwnObjective
from winnow.objectives.training_objective import TrainingObjective
from winnow.search.study.objective_checks import misfits
from winnow.search.study.spec import Spec

Objective = TrainingObjective | OwnObjective
"""Called with a trial, and with the checkpoint of an earlier attempt: a configuration in, epochs and a score out."""
BUILT_IN = "winnow.objectives"
"""By this name the training version of Winnow's own objective stands among the modules."""


def load(spec: Spec, device: str = "cpu") -> Objective:
    """Return the objective of a spec, ready to be called with a trial.

    Raises StudyError or ObjectiveError where the user's function is not there or does not fit, or what its import
    raises.
    """
    if spec.built_in:
        limits = spec.limits
        return TrainingObjective(
            spec.data_spec,
            spec.space,
            spec.fixed,
            spec.seed,
            device,
            limits.max_parameters,
            limits.trial_minutes,
            metric=spec.metric,
            keep_layers=spec.keep.layers,
            keep_outputs=spec.keep.outputs,
        )
    function = user_code.load(spec.objective)
    for _, problem, remedy in misfits(spec, function):
        raise ObjectiveError(problem, remedy)
    return OwnObjective(function, spec.space, spec.fixed, spec.seed)


def code_of(spec: Spec) -> dict[str, str]:
    """Return what trains a spec's trials in this process, once its objective is imported, by module and fingerprint."""
    users = user_code.imported() if spec.imports else {}
    return {**users, BUILT_IN: str(TRAINING_VERSION)} if spec.built_in else users
