"""Samplers and pruners by `module:Class`: Optuna's others, those of an OptunaHub checkout, and one's own."""

import difflib
import inspect
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Self

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from pydantic import ConfigDict, model_validator

from winnow.objectives import user_code
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.space import suggest
from winnow.search.study.schedulers import Direction
from winnow.search.study.sections import PrunerSection, SamplerSection, StudyContext, Wrong

TRIED = 3
"""So many trials a sampler draws to show that it takes a space: the second is the first that knows another's value."""


class ImportedSampler(SamplerSection):
    """A sampler's class as it is named; its other keys are what the class is called with, besides a `seed` it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        _refuse_misfit(self.name, "sampler", BaseSampler, self.options)
        return self

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make it."""
        made: BaseSampler = user_code.load_part(self.name, "sampler")(
            **{**({"seed": seed} if self._is_seeded else {}), **self.options}
        )
        return made

    def seeded(self, study: StudyContext, sampler: BaseSampler, seed: int) -> BaseSampler:
        """Make it anew where it takes a seed; any other goes on as it is."""
        return self.build(study, seed) if self._is_seeded else sampler

    def misfits(self, study: StudyContext, directions: Sequence[Direction]) -> Iterator[Wrong]:
        """Draw some trials, in a study beside: that shows whether the sampler takes the space."""

        def draw(trial: optuna.Trial) -> list[float]:
            suggest(trial, study.space, study.fixed)
            return [float(trial.number)] * len(directions)

        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # or the study is announced, and an error told twice
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                optuna.create_study(sampler=self.build(study, 0), directions=directions).optimize(draw, n_trials=TRIED)
        except Exception as error:
            problem = f"{self.name} cannot draw from [search]: {type(error).__name__}: {error}"
            yield "[sampler] name", problem, "give it ranges that it takes, or choose another sampler"
        finally:
            optuna.logging.set_verbosity(verbosity)

    @property
    def _is_seeded(self) -> bool:
        return "seed" in inspect.signature(user_code.load_part(self.name, "sampler")).parameters


class ImportedPruner(PrunerSection):
    """A pruner's class as it is named; its other keys, but for `audit`, are what the class is called with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        _refuse_misfit(self.name, "pruner", BasePruner, self.options)
        return self

    def build(self, study: StudyContext) -> BasePruner:
        """Make it."""
        made: BasePruner = user_code.load_part(self.name, "pruner")(**self.options)
        return made


def _refuse_misfit(name: str, what: str, base: type, options: dict[str, Any]) -> None:
    """Raise ValueError, in pydantic's way `problem|remedy`, where a class is not there or is called with other keys."""
    try:
        found = user_code.load_part(name, what)
    except ObjectiveError as error:
        raise ValueError(f"{error.problem}|{error.remedy}") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{name} is no {what} of Optuna's kind|derive it from optuna.{what}s.{base.__name__}")
    known = inspect.signature(found).parameters
    for key in options:
        if key not in known and not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known) or 'nothing'}"
            raise ValueError(f"{name} takes no {key!r}|{remedy}")
    needed = [
        each.name
        for each in known.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    if missing := [each for each in needed if each not in options]:
        raise ValueError(f"{name} needs {', '.join(missing)}|give it in the same table")
