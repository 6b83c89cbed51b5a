"""Where samplers and pruners are registered: tables of the spec, `[sampler]` and `[pruner]`, that make Optuna's own.

A table is one class: its fields are the spec's keys, `name` says which it is, and `build` makes what Optuna calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from pydantic import BaseModel, ConfigDict, Field

from winnow.objectives.space import Space
from winnow.search.study.schedulers import Direction, Scheduler

Cost = Literal["parameters", "seconds"]
"""What a trial costs, beside its value."""
Wrong = tuple[str, str, str]
"""A key of a spec, what is wrong with it, and what would be right."""


class Section(BaseModel):
    """A table of the spec; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NotifySection(Section):
    """What a person is told of a study, where a command or the dashboard was given `--notify`."""

    on: tuple[Literal["end", "stall", "no_worker", "failures"], ...] = ("end", "stall", "no_worker", "failures")
    minutes: float = Field(10.0, gt=0)
    """Without a worker, or without an epoch that ends, before it is told."""
    failures: int = Field(5, ge=1)
    """At least so many trials have failed, and more than `failed_share` of all, before it is told."""
    failed_share: float = Field(0.2, ge=0, le=1)


class StudyContext(Protocol):
    """What a sampler or pruner may know of its study: a part of the spec."""

    @property
    def space(self) -> Space:
        """`[search]` as the objectives take it."""

    @property
    def fixed(self) -> Mapping[str, Any]:
        """`[fixed]`."""

    @property
    def baseline(self) -> Mapping[str, Any]:
        """`[baseline]`."""

    @property
    def has_baseline(self) -> bool:
        """Whether trial 0 is the baseline."""

    @property
    def seed(self) -> int:
        """The study's seed."""

    @property
    def optimises(self) -> Direction:
        """Whether the trials' values are to be large or small."""

    @property
    def pruner(self) -> "PrunerSection":
        """`[pruner]`."""


class SamplerSection(Section):
    """A `[sampler]`: a class with a `name` and the keys that it takes, registered by `@sampler`."""

    name: str
    shares_shapes: ClassVar[bool] = False
    """Whether it, or its scheduler, can be asked for a trial of which some parameters are given."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside the name, as Optuna's sampler of that name takes them."""
        return self.model_dump(exclude={"name"})

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make the sampler; what it draws comes from `seed`, which differs from trial to trial."""
        raise NotImplementedError

    def seeded(self, study: StudyContext, sampler: BaseSampler, seed: int) -> BaseSampler:
        """Have what `build` made draw the next trial from `seed`: here by making it anew."""
        return self.build(study, seed)

    def misfits(self, study: StudyContext, directions: Sequence[Direction]) -> Iterator[Wrong]:
        """Yield what of a spec the sampler does not take; of Optuna's that are named here nothing."""
        yield from ()

    def scheduler(self, study: StudyContext) -> Scheduler | None:
        """Make the scheduler of a sampler that also says which trial goes on next; other samplers have none."""
        return None


class PrunerSection(Section):
    """A `[pruner]`: a class with a `name` and the keys that it takes, registered by `@pruner`.

    A step is an epoch, counted from 1.
    """

    stops: ClassVar[bool] = True
    """Whether it may stop a trial for good before its end, which `audit` shows the price of."""

    name: str
    audit: float = Field(0.0, ge=0, le=1)
    """The share of trials that are let finish though the pruner would stop them: they say how often it is wrong."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside the name, as Optuna's pruner of that name takes them."""
        return self.model_dump(exclude={"name", "audit"})

    def build(self, study: StudyContext) -> BasePruner:
        """Make the pruner; where trials pause, none is asked."""
        return NopPruner()

    def scheduler(self, study: StudyContext) -> Scheduler | None:
        """Make the scheduler of a method that pauses trials and goes on with some; where none is, trials only end."""
        return None


SAMPLERS: dict[str, type[SamplerSection]] = {}
PRUNERS: dict[str, type[PrunerSection]] = {}
NewSampler = TypeVar("NewSampler", bound=type[SamplerSection])
NewPruner = TypeVar("NewPruner", bound=type[PrunerSection])


def sampler(name: str) -> Callable[[NewSampler], NewSampler]:
    """Register a `[sampler]` under its name; raises ValueError where that is taken."""
    return _registered(SAMPLERS, name)


def pruner(name: str) -> Callable[[NewPruner], NewPruner]:
    """Register a `[pruner]` under its name; raises ValueError where that is taken."""
    return _registered(PRUNERS, name)


def _registered(registry: dict[str, Any], name: str) -> Callable[[Any], Any]:
    def register(section: Any) -> Any:
        if registry.setdefault(name, section) is not section:
            raise ValueError(f"{name!r} is registered already, as {registry[name].__name__}")
        return section

    return register
