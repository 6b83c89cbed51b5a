"""The study spec as data: what to search, on what, by which sampler and pruner, and what it may spend.

`winnow.search.study.validation` makes one from a TOML file and refuses what is wrong with it.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    SerializeAsAny,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from winnow.objectives import metrics
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.models.imported_models import LIBRARIES
from winnow.objectives.space import CONFIDENCE, Choice, Range, Space, cells, hyperparameter, parameter_name
from winnow.records import Budget
from winnow.search.study.pruners import ASHAPruner
from winnow.search.study.questions import Question
from winnow.search.study.samplers import GridSampler, TPESampler
from winnow.search.study.schedulers import Direction, Scheduler
from winnow.search.study.sections import Cost, NotifySection, PrunerSection, SamplerSection, Section

BUILT_IN = ("classification", "regression")
LONGEST_NAME = 100
"""Letters of a study's name."""


# --- [search]


def _as_written(value: Any, checked: ValidatorFunctionWrapHandler) -> Any:
    number = checked(value)
    return value if type(value) is int else number


Number = Annotated[SerializeAsAny[float], WrapValidator(_as_written)]
"""A number that stays whole where it was written so."""


class SearchEntry(Section):
    """One searched hyperparameter: `low` and `high`, or `choices`; `when` makes it conditional."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Annotated[Number | None, Field(gt=0)] = None
    choices: list[Any] | None = Field(None, min_length=1)
    when: dict[str, list[Any]] = Field(default_factory=dict)
    prior: Any = None
    """Where a person believes the best to be; the search begins around it."""
    confidence: float | None = Field(None, gt=0, lt=1)
    """How surely; None where there is no prior, or 0.9."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("`choices` goes with no low, high, log or step|keep one of the two kinds")
            return self
        if self.low is None or self.high is None:
            raise ValueError("neither `choices` nor both `low` and `high` are given|write { low = …, high = … }")
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}|exchange them")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"from {self.low:g} to {self.high:g} is no range|give it two ends")
        if math.isinf(self.high - self.low):
            raise ValueError(f"from {self.low:g} to {self.high:g} is further than a float can tell|narrow it")
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale cannot begin at {self.low:g}|set low above 0, or log = false")
        if self.log and self.step is not None:
            raise ValueError("a log scale has no step|remove step or log")
        return self


def _count(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


SearchEntries = Annotated[
    Annotated[SearchEntry, Tag("one")] | Annotated[tuple[SearchEntry, ...], Tag("several")],
    Discriminator(_count),
]
"""What is drawn; or several, of which the first whose `when` holds is."""


# --- the rest


class BudgetSection(Section):
    """What the study may spend, and when it may stop before that; whichever is reached first."""

    trials: int | None = Field(None, ge=1, le=2**31 - 1)
    """Looked at: a trial that pauses counts once, whether or not it goes on."""
    epochs: int | None = Field(None, ge=1, le=2**31 - 1)
    """Of all trials together."""
    hours: float | None = Field(None, gt=0, allow_inf_nan=False)
    device_hours: float | None = Field(None, gt=0, allow_inf_nan=False)
    stagnation: int | None = Field(None, ge=1, le=2**31 - 1)
    """Stop after so many finished trials without a better one."""
    priority: float = Field(1.0, gt=0, allow_inf_nan=False)
    """A pool gives a study workers in proportion to it."""


class LimitsSection(Section):
    """What one trial may be."""

    max_parameters: int | None = Field(None, ge=1)
    trial_minutes: float | None = Field(None, gt=0)


class AblationSection(Section):
    """How `winnow ablate` asks."""

    methods: dict[str, list[str]] = Field(default_factory=dict)
    """Hyperparameters that are switched as one, by the method's name; all others as in `winnow.objectives.methods`."""


class KeepSection(Section):
    """What stays of finished trials beside their numbers."""

    weights: int = Field(0, ge=0)
    """So many of the best trials keep their trained weights (of their best epoch)."""
    layers: int = Field(0, ge=0, le=12)
    """After so many epochs of each training: each layer's weights as a histogram, their norm, the share near zero."""
    outputs: int = Field(0, ge=0, le=24)
    """Of data with one feature, the fitted curve after so many epochs; with two, the decision boundary at the end."""
    checkpoints_gb: float = Field(20.0, gt=0)
    """So much room the checkpoints of paused trials may take; those of the least promising go."""


class StartSection(Section):
    """Where the search begins beside its baseline."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    study: str = Field(alias="from", min_length=1)
    """An earlier study in the same storage."""
    trials: int = Field(5, ge=1, le=1000)
    """So many of its best configurations are tried first."""


class FleetSection(Section):
    """How workers train."""

    fuse: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = 1
    """So many trials at once in each worker; those of one shape are one stack, and each is what it is alone.

    `auto`: as many as train more a second on its device than one by one.
    """
    devices_per_trial: int = Field(1, ge=1, le=64)
    """So many devices train each trial together, each with its part of every batch."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.fuse not in (1, "auto") and self.devices_per_trial > 1:
            raise ValueError("fuse has a device train several trials, devices_per_trial several train one|keep one")
        return self


class LogSection(Section):
    """Where the numbers of trials go besides."""

    tensorboard: bool = False
    """Into the folder tensorboard/STUDY."""
    mlflow: str = ""
    """The URI of a tracking server."""
    wandb: str = ""
    """The project."""


LOG_PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""What each key of `[log]` needs, by the name it is imported by."""


class Spec(Section):
    """A study spec. Made by `winnow.search.study.validation`."""

    name: str = Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}$")
    description: str = ""
    objective: str = "classification"
    extensions: tuple[str, ...] = ()
    """Modules of the user's that register augmentations, models, optimisers, schedules, samplers or pruners."""
    metric: str = ""
    """What trials of a built-in objective are judged by; empty is accuracy, or the loss of a regression."""
    direction: Direction | None = None
    against: Cost | None = None
    """What is to be small at the same time: the study then has two objectives."""
    seed: int = Field(0, ge=0)
    data: dict[str, Any] | None = None
    fixed: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, SearchEntries] = Field(default_factory=dict)
    baseline: dict[str, Any] = Field(default_factory=dict)
    sampler: SerializeAsAny[SamplerSection] = TPESampler(name="tpe")
    pruner: SerializeAsAny[PrunerSection] = ASHAPruner(name="asha")
    budget: BudgetSection = BudgetSection()
    limits: LimitsSection = LimitsSection()
    ablation: AblationSection = AblationSection()
    keep: KeepSection = KeepSection()
    log: LogSection = LogSection()
    notify: NotifySection = NotifySection()
    fleet: FleetSection = FleetSection()
    question: tuple[Question, ...] = ()
    """What the report answers first."""
    start: StartSection | None = None

    @property
    def built_in(self) -> bool:
        """Whether the objective is one of Winnow's own."""
        return self.objective in BUILT_IN

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules of the user's that its trials import, each as it is named: `module` or `module:function`."""
        models = {str(value) for value in self.values("model") if ":" in str(value)} if self.built_in else set()
        models |= {named for named in (self.metric, str((self.data or {}).get("name"))) if ":" in named}
        own = sorted(name for name in models if name.partition(":")[0] not in LIBRARIES)
        return (*self.extensions, *([] if self.built_in else [self.objective]), *own)

    def values(self, name: str) -> list[Any]:
        """Return what `[fixed]` or the choices of `[search]` say of one hyperparameter; nothing of a range."""
        if name in self.search:
            return [choice for entry in self.entries(name) for choice in entry.choices or []]
        return [self.fixed[name]] if name in self.fixed else []

    @property
    def data_spec(self) -> DataSpec:
        """`[data]` as the objectives take it."""
        return DataSpec(**(self.data or {}))

    @property
    def space(self) -> Space:
        """`[search]` as the objectives take it."""
        return {
            parameter: space_entry(hyperparameter(parameter), entry, own=not self.built_in)
            for parameter, entry in self.parameters.items()
        }

    @property
    def has_prior(self) -> bool:
        """Whether a person believes something of where the best is."""
        return any(entry.prior is not None for entry in self.parameters.values())

    @property
    def has_baseline(self) -> bool:
        """Whether trial 0 is the baseline: an objective of the user's has one only where `[baseline]` names it."""
        return self.built_in or bool(self.baseline)

    @property
    def parameters(self) -> dict[str, SearchEntry]:
        """`[search]` by Optuna's parameters: the hyperparameters, but where one has several entries."""
        return {
            name if isinstance(searched, SearchEntry) else parameter_name(name, entry.when): entry
            for name, searched in self.search.items()
            for entry in self.entries(name)
        }

    def entries(self, name: str) -> list[SearchEntry]:
        """Return what `[search]` says of one hyperparameter."""
        searched = self.search[name]
        return [searched] if isinstance(searched, SearchEntry) else list(searched)

    @property
    def optimises(self) -> Direction:
        """`maximize` or `minimize`."""
        if self.direction is not None:
            return self.direction
        if self.metric:
            return "maximize" if metrics.named(self.metric).maximise else "minimize"
        return "minimize" if self.objective == "regression" else "maximize"

    @property
    def metric_names(self) -> list[str] | None:
        """What Optuna calls the values, where `metric` says it."""
        if not self.metric:
            return None
        words = f"validation {metrics.named(self.metric).words}"
        return [words] if self.against is None else [words, self.against]

    @property
    def directions(self) -> list[Direction]:
        """Of the value, and of what it is set against."""
        return [self.optimises] if self.against is None else [self.optimises, "minimize"]

    @property
    def storage_budget(self) -> Budget:
        """`[budget]` as the storage takes it; a grid without a number of trials is as many as it has cells."""
        trials = self.budget.trials
        if trials is None and self.sampler.name == "grid":
            trials = self.grid_cells + self.has_baseline
        return Budget(trials, self.budget.hours, self.budget.device_hours, self.budget.epochs)

    @property
    def scheduler(self) -> Scheduler | None:
        """What pauses trials and goes on with some: of the sampler, or else of the pruner; None where nothing does."""
        return self.sampler.scheduler(self) or self.pruner.scheduler(self)

    @property
    def grid_cells(self) -> int:
        """How many trials the grid sampler can give."""
        if not isinstance(self.sampler, GridSampler):
            return 0
        return self.sampler.repeats * sum(1 for _ in cells(self.space, self.sampler.points))


def space_entry(name: str, entry: SearchEntry, *, own: bool) -> Range | Choice:
    """Return the entry as the objectives take it; a range of the user's own is whole where its ends are written so."""
    when = {parent: tuple(values) for parent, values in entry.when.items()}
    believed: dict[str, Any] = {"prior": entry.prior, "confidence": entry.confidence or CONFIDENCE}
    if entry.choices is not None:
        return Choice(tuple(entry.choices), when, own, **believed)
    assert entry.low is not None
    assert entry.high is not None
    if own:
        whole = all(isinstance(number, int) for number in (entry.low, entry.high, entry.step or 1))
    else:
        whole = name in DEFINITIONS and DEFINITIONS[name].type is int
    step = None if entry.step is None else float(entry.step)
    return Range(float(entry.low), float(entry.high), entry.log, step, whole, when, own, **believed)
