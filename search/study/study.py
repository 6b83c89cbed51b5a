"""A study in the storage: made from a spec, continued, taken over from stock Optuna, matched, loaded.

Everything that a worker needs lies with the study, in Optuna's own study attributes: the whole spec and the source of
its objective. Its presence means that the study is ready; its budget lies beside it (winnow.storage.budget).
"""

import copy
import logging
import random
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from winnow.errors import StudyError
from winnow.objectives import user_code
from winnow.objectives.space import baseline
from winnow.records import (
    ACCEPT_CODE,
    BASELINE,
    CODE,
    CODE_OF,
    GIVEN,
    KEEP_WEIGHTS,
    SPEC,
    STARTED_FROM,
    STOPPING,
    Budget,
)
from winnow.search.study import matching, samplers
from winnow.search.study.objective import BUILT_IN, code_of
from winnow.search.study.spec import Spec
from winnow.search.study.start import configurations
from winnow.search.study.validation import check
from winnow.storage import Storage, deletions, designs, notifications, settled, workers
from winnow.storage.budget import set_budget

MAKING_SECONDS = 10.0
"""How long a study that another process seems to be making is waited for."""
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class WinnowStudy:
    """A study with its spec, as a process works with it."""

    storage: Storage
    spec: Spec
    study_id: int

    @property
    def name(self) -> str:
        """The study's name in the storage."""
        return self.spec.name

    def handle(self, number: int) -> optuna.Study:
        """Return an Optuna study for trial `number` alone, whose sampler is about to draw it.

        Optuna's samplers go by the trials that a handle saw first until `ask` or `tell`, which no worker calls: on one
        handle for all trials, TPE would draw at random for ever.
        """
        made = copy.copy(self.optuna)
        made.sampler = self.sampler_of(number)
        return made

    @cached_property
    def optuna(self) -> optuna.Study:
        """The Optuna study with the spec's sampler and pruner."""
        ends = self.spec.scheduler is None  # a scheduler pauses trials, and nothing ends them beside it
        pruner = self.spec.pruner.build(self.spec) if ends else optuna.pruners.NopPruner()
        sampler = self._with_prior(self._sampler)
        return optuna.load_study(study_name=self.name, storage=self.storage, sampler=sampler, pruner=pruner)

    def sampler_of(self, number: int) -> BaseSampler:
        """Return the study's sampler, about to draw trial `number`: from the study's seed and that number."""
        if isinstance(self._sampler, samplers.ByNumber):
            return self._sampler
        return self._with_prior(self.spec.sampler.seeded(self.spec, self._sampler, self._draw_seed(number)))

    @cached_property
    def _sampler(self) -> BaseSampler:
        rows = designs.read(self.storage.database, self.study_id)
        if rows:
            return samplers.PlannedSampler([row.parameters for row in rows])
        return self.spec.sampler.build(self.spec, self._draw_seed(0))

    def _with_prior(self, sampler: BaseSampler) -> BaseSampler:
        if isinstance(sampler, samplers.ByNumber) or not self.spec.has_prior:
            return sampler
        from winnow.search.study.prior import PriorSampler  # imports SciPy, which a trainer needs not

        return PriorSampler(sampler, self.spec.space, self.spec.seed)

    def _draw_seed(self, number: int) -> int:
        return random.Random(f"sampler {self.spec.seed} {number}").getrandbits(32)


def create(storage: Storage, spec: Spec, design: Sequence[designs.Row] = ()) -> WinnowStudy:
    """Make the study of a spec, or continue it; a study made by stock Optuna is taken over.

    A search begins with its baseline; an analysis has a `design` instead, to which a continued one may add rows.
    A continued study takes the spec's budget; one of which every trial failed makes way for a new one. Raises
    StudyError where the study is another one than the spec says.
    """
    for named in spec.imports:
        user_code.find(named)
    spec = matching.pinned(spec)
    if not design and _is_made(storage, spec.name):
        _put_aside_where_all_failed(storage, spec.name)
    started = {} if design or _is_made(storage, spec.name) else configurations(storage, spec)
    try:
        study = optuna.create_study(study_name=spec.name, storage=storage, directions=spec.directions)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=spec.name, storage=storage)
    study_id = storage.get_study_id_from_name(spec.name)
    first = set_budget(storage.database, study_id, _budget(study, spec), spec.budget.priority)
    if not first:
        _wait_until_ready(study)
    if SPEC in study.user_attrs:
        known = _loaded(storage, study, study_id)
        spec = matching.with_same_weights(spec, known.spec)
        matching.refuse_another(known.spec, spec)
    else:
        _refuse_other_direction(study, spec)
        if (
            not design
            and spec.has_baseline
            and not any(BASELINE in trial.user_attrs for trial in study.get_trials(deepcopy=False))
        ):
            _enqueue_baseline(study, spec)
        if spec.start is not None:
            _enqueue_start(study, spec.start.study, started)
    if design:
        designs.extend(storage.database, study_id, design)
    if spec.metric_names:
        with warnings.catch_warnings():  # experimental, and no business of whoever names a metric
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(spec.metric_names)
    study.set_user_attr(SPEC, spec.model_dump(mode="json"))
    notifications.ring_now(storage.database)
    return WinnowStudy(storage, spec, study_id)


def analysis(search: Spec, name: str, description: str) -> Spec:
    """Return the spec of an analysis that trains on the data of a search, nothing sampled and nothing pruned."""
    kept = {"objective", "extensions", "metric", "direction", "seed", "data", "limits"}
    if not search.built_in:  # of the user's own function they say what goes by keyword
        kept |= {"fixed", "search"}
    content: dict[str, Any] = {
        "name": name,
        "description": description,
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
        "budget": {"trials": 1},
        **search.model_dump(mode="json", include=kept),
    }
    return check(content, f"the study {name}")


def grow(storage: Storage, spec: Spec, rows: Sequence[designs.Row], *, keep_weights: bool = False) -> WinnowStudy:
    """Return the study of an analysis with all of `rows`: made, or continued with those that it lacks.

    Its budget becomes the number of its rows. With `keep_weights` its trials keep their trained weights.
    """
    known: list[designs.Row] = []
    if spec.name in {study.study_name for study in storage.get_all_studies()}:
        study_id = storage.get_study_id_from_name(spec.name)
        known = designs.read(storage.database, study_id)
    there = {frozenset(row.parameters.items()) for row in known}
    design = [*known, *(row for row in rows if frozenset(row.parameters.items()) not in there)]
    if known:
        designs.extend(storage.database, study_id, design)  # before the budget, which lets workers ask for them
    whole = check({**spec.model_dump(mode="json"), "budget": {"trials": len(design)}}, f"the study {spec.name}")
    study = create(storage, whole, design)
    if keep_weights:
        study.optuna.set_user_attr(KEEP_WEIGHTS, True)
    return study


def id_of(storage: Storage, name: str) -> int:
    """Return the id of any study, one of stock Optuna included; raises StudyError where there is none."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        names = [each.study_name for each in storage.get_all_studies()]
        raise StudyError(
            f"there is no study {name!r} in {storage.place}",
            f"there are {', '.join(sorted(names))}" if names else "make one with winnow create SPEC",
        ) from None


def load(storage: Storage, name: str) -> WinnowStudy:
    """Return a study that Winnow knows; raises StudyError."""
    study_id = id_of(storage, name)
    study = optuna.load_study(study_name=name, storage=storage)
    if SPEC not in study.user_attrs:
        raise StudyError(
            f"the study {name!r} was not made by Winnow and has no spec", "give it one: winnow create SPEC"
        )
    return _loaded(storage, study, study_id)


def accept_code(study: WinnowStudy) -> None:
    """Let code that differs from what began a study go on with it; every status and report then says so."""
    settled.settle(study.storage.database, study.study_id, ACCEPT_CODE, True)


def refuse_other_code(study: WinnowStudy, code: Mapping[str, str]) -> None:
    """Settle what code trains a study; raise StudyError where `code` is not what began it and nobody accepted that."""
    database, study_id = study.storage.database, study.study_id
    if settled.settled(database, study_id, ACCEPT_CODE):
        return
    first = settled.settle(database, study_id, CODE, dict(code))
    for module, digest in sorted(code.items()):
        known = first[module] if module in first else settled.settle(database, study_id, CODE_OF + module, digest)
        if known == digest:
            continue
        file = getattr(sys.modules.get(module), "__file__", None) or f"{module.replace('.', '/')}.py"
        other = f"the module {module} ({file}) is not the code that"
        if module == BUILT_IN:
            other = f"Winnow's training is version {digest} here and not {known}, which"
        raise StudyError(
            f"{other} the study {study.name!r} began with",
            "bring back that code, begin a study under another name, or accept both: --accept-code of winnow run, "
            "create or work",
        )


def refuse_other_training(study: WinnowStudy) -> None:
    """Raise StudyError where a study with a built-in objective began with another training version than this."""
    if study.spec.built_in:
        refuse_other_code(study, code_of(study.spec))


def _loaded(storage: Storage, study: optuna.Study, study_id: int) -> WinnowStudy:
    content = study.user_attrs[SPEC]
    return WinnowStudy(storage, check(content, f"study {study.study_name}", stored=True), study_id)


def _budget(study: optuna.Study, spec: Spec) -> Budget:
    """Return the spec's budget; of a study that its rule stopped under the same `[budget]`, what it had used up."""
    stopped = study.user_attrs.get(STOPPING)
    if stopped and _rules(study.user_attrs[SPEC]) == _rules(spec.model_dump(mode="json")):
        return replace(spec.storage_budget, trials=stopped["trials"])
    return spec.storage_budget


def _rules(spec: dict[str, Any]) -> dict[str, Any]:
    """Return `[budget]` without what says nothing of when to stop."""
    return {key: value for key, value in spec["budget"].items() if key != "priority"}


def _wait_until_ready(study: optuna.Study) -> None:
    """Wait for another process that may be making this study now; where it died at that, this one goes on."""
    deadline = time.monotonic() + MAKING_SECONDS
    while SPEC not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.1)


def _refuse_other_direction(study: optuna.Study, spec: Spec) -> None:
    directions = [direction.name.lower() for direction in study.directions]
    if directions != spec.directions:
        remedy = (
            f"make it with: optuna create-study --direction{'s' if spec.against else ''} {' '.join(spec.directions)}"
        )
        if not spec.built_in and len(directions) == len(spec.directions) == 1:
            remedy = f'write direction = "{directions[0]}" at the top of the spec, or {remedy}'
        raise StudyError(
            f"the study {spec.name!r} was made to {' and '.join(directions)}, and this spec's values are to "
            f"{' and '.join(spec.directions)}",
            remedy,
        )


def _enqueue_baseline(study: optuna.Study, spec: Spec) -> None:
    attributes: dict[str, Any] = {BASELINE: True}
    parameters: dict[str, Any] = dict(spec.baseline)
    if spec.search or spec.built_in:
        parameters, attributes[GIVEN] = baseline(spec.space, spec.fixed, spec.baseline)
    study.enqueue_trial(parameters, user_attrs=attributes)


def _is_made(storage: Storage, name: str) -> bool:
    known = {study.study_name: study for study in storage.get_all_studies()}
    return name in known and SPEC in known[name].user_attrs


def _put_aside_where_all_failed(storage: Storage, name: str) -> None:
    """Delete a study, so that it can be restored, of which all that ended has failed and nothing else was begun.

    Whoever mended what failed finds neither the baseline nor the budget used up by it, nor their new code refused.
    """
    study_id = storage.get_study_id_from_name(name)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    fails = any(trial.state is TrialState.FAIL for trial in trials)
    nothing_else = all(trial.state is TrialState.FAIL or _is_no_loss(trial) for trial in trials)
    at_work = any(each.age < workers.SILENT_SECONDS for each in workers.present(storage.database, study_id))
    if fails and nothing_else and not at_work:
        deletions.remove(storage.database, study_id, "winnow run")
        _log.warning("%s begins anew, as every trial of it had failed; they are kept: winnow restore", name)


def _is_no_loss(trial: FrozenTrial) -> bool:
    """Return whether a trial waits that has no epoch, and that no person queued."""
    queued = "fixed_params" in trial.system_attrs and not {BASELINE, STARTED_FROM} & trial.user_attrs.keys()
    return trial.state is TrialState.WAITING and not trial.intermediate_values and not queued


def _enqueue_start(study: optuna.Study, earlier: str, started: Mapping[int, dict[str, Any]]) -> None:
    """Queue what a search begins with, but for what another process, which died at it, has queued."""
    known = [STARTED_FROM.of(trial.user_attrs) for trial in study.get_trials(deepcopy=False)]
    for number, parameters in started.items():
        source = {"study": earlier, "trial": number}
        if source not in known:
            study.enqueue_trial(parameters, user_attrs={STARTED_FROM: source})
