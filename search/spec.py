"""The study spec: one TOML file that says what to search, checked whole before anything is written.

pydantic checks the shape; `_check_meaning` checks what the shape cannot say (does the model have that
hyperparameter?). Every refusal is one SpecError that names the file, the key, what was wrong and what would be right.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field, model_validator

from objectives.catalog import DataSpec, known
from objectives.errors import ObjectiveError
from objectives.hyperparameters import DEFINITIONS, definition
from objectives.space import Choice, Range, Space, cells, ordered
from search.errors import SpecError
from storage.budget import Budget

BUILT_IN = ("classification", "regression")
Direction = Literal["maximize", "minimize"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# --- [search]


class SearchEntry(_Section):
    """One searched hyperparameter: `low` and `high`, or `choices`; `when` makes it conditional."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = Field(None, gt=0)
    choices: list[Any] | None = Field(None, min_length=1)
    when: dict[str, list[Any]] = {}

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
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale cannot begin at {self.low:g}|set low above 0, or log = false")
        if self.log and self.step is not None:
            raise ValueError("a log scale has no step|remove step or log")
        return self


# --- [sampler]: Optuna's own parameters under Optuna's own names


class RandomSampler(_Section):
    """Independent draws."""

    name: Literal["random"] = "random"


class GridSampler(_Section):
    """Every cell of a grid once: all choices, `points` values of each range."""

    name: Literal["grid"] = "grid"
    points: int = Field(5, ge=2)


class CoordinateSampler(_Section):
    """One hyperparameter at a time: its grid values beside the best of the rest so far."""

    name: Literal["coordinate"] = "coordinate"
    points: int = Field(5, ge=2)


class TPESampler(_Section):
    """Tree-structured Parzen estimator."""

    name: Literal["tpe"] = "tpe"
    n_startup_trials: int = Field(10, ge=0)
    n_ei_candidates: int = Field(24, ge=1)
    multivariate: bool = True
    constant_liar: bool = True


class GPSampler(_Section):
    """Gaussian process; needs torch in the worker's supervisor too."""

    name: Literal["gp"] = "gp"
    n_startup_trials: int = Field(10, ge=0)
    deterministic_objective: bool = False


class CmaEsSampler(_Section):
    """CMA evolution strategy over the numbers; choices are drawn at random."""

    name: Literal["cmaes"] = "cmaes"
    n_startup_trials: int = Field(1, ge=0)
    sigma0: float | None = Field(None, gt=0)


class QMCSampler(_Section):
    """Quasi-random points that cover the space evenly."""

    name: Literal["qmc"] = "qmc"
    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True


Sampler = Annotated[
    RandomSampler | GridSampler | CoordinateSampler | TPESampler | GPSampler | CmaEsSampler | QMCSampler,
    Field(discriminator="name"),
]

# --- [pruner]; a step is an epoch, counted from 1


class NoPruner(_Section):
    """Let every trial finish."""

    name: Literal["none"] = "none"


class MedianPruner(_Section):
    """Prune below the median of finished trials at the same epoch."""

    name: Literal["median"] = "median"
    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)


class PercentilePruner(_Section):
    """Keep the best `percentile` per cent at the same epoch."""

    name: Literal["percentile"] = "percentile"
    percentile: float = Field(25.0, ge=0, le=100)
    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)


class ASHAPruner(_Section):
    """Asynchronous successive halving (Li et al. 2020): one in `reduction_factor` passes each rung."""

    name: Literal["asha"] = "asha"
    min_resource: int | None = Field(None, ge=1)
    """Epochs before the first rung; None is a tenth of them, and at least 2 (one epoch says little)."""
    reduction_factor: int = Field(3, ge=2)
    min_early_stopping_rate: int = Field(0, ge=0)


class HyperbandPruner(_Section):
    """Hyperband (Li et al. 2018): several successive halvings side by side."""

    name: Literal["hyperband"] = "hyperband"
    min_resource: int = Field(1, ge=1)
    max_resource: int | None = Field(None, ge=1)
    reduction_factor: int = Field(3, ge=2)


class PatientPruner(_Section):
    """Prune (by the median, unless `alone`) only what has not improved for `patience` epochs."""

    name: Literal["patient"] = "patient"
    patience: int = Field(3, ge=0)
    min_delta: float = Field(0.0, ge=0)
    alone: bool = False


Pruner = Annotated[
    NoPruner | MedianPruner | PercentilePruner | ASHAPruner | HyperbandPruner | PatientPruner,
    Field(discriminator="name"),
]

# --- the rest


class BudgetSection(_Section):
    """What the study may spend; whichever is reached first."""

    trials: int | None = Field(None, ge=1)
    hours: float | None = Field(None, gt=0)
    device_hours: float | None = Field(None, gt=0)


class LimitsSection(_Section):
    """What one trial may be."""

    max_parameters: int | None = Field(None, ge=1)
    trial_minutes: float | None = Field(None, gt=0)


class Spec(_Section):
    """A study spec. `check` makes one from plain data, `read` from a file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    description: str = ""
    objective: str = "classification"
    direction: Direction | None = None
    seed: int = Field(0, ge=0)
    data: dict[str, Any] | None = None
    fixed: dict[str, Any] = {}
    search: dict[str, SearchEntry] = {}
    baseline: dict[str, Any] = {}
    sampler: Sampler = TPESampler()
    pruner: Pruner = ASHAPruner()
    budget: BudgetSection = BudgetSection()
    limits: LimitsSection = LimitsSection()

    @property
    def built_in(self) -> bool:
        """Whether the objective is one of Winnow's own."""
        return self.objective in BUILT_IN

    @property
    def data_spec(self) -> DataSpec:
        """`[data]` as the objectives take it."""
        return DataSpec(**(self.data or {}))

    @property
    def space(self) -> Space:
        """`[search]` as the objectives take it."""
        return {name: _space_entry(name, entry) for name, entry in self.search.items()}

    @property
    def optimises(self) -> Direction:
        """`maximize` or `minimize`."""
        if self.direction is not None:
            return self.direction
        if self.built_in and known(self.data_spec.name).task == "regression":
            return "minimize"
        return "maximize"

    @property
    def storage_budget(self) -> Budget:
        """`[budget]` as the storage takes it; a grid without a number of trials is as many as it has cells."""
        trials = self.budget.trials
        if trials is None and self.sampler.name == "grid":
            trials = self.grid_cells + 1
        return Budget(trials, self.budget.hours, self.budget.device_hours)

    @property
    def grid_cells(self) -> int:
        """How many trials the grid sampler can give."""
        return len(cells(self.space, self.sampler.points)) if isinstance(self.sampler, GridSampler) else 0


def _space_entry(name: str, entry: SearchEntry) -> Range | Choice:
    when = {parent: tuple(values) for parent, values in entry.when.items()}
    if entry.choices is not None:
        return Choice(tuple(entry.choices), when)
    assert entry.low is not None
    assert entry.high is not None
    whole = name in DEFINITIONS and DEFINITIONS[name].type is int
    return Range(entry.low, entry.high, entry.log, entry.step, whole, when)


def read(path: Path) -> Spec:
    """The spec in a TOML file; raises SpecError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(str(path), "", "there is no such file", "give the path of a study spec") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), "", f"the file cannot be read ({error})", "give the path of a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(str(path), "", f"this is not TOML: {error}", "mend that line") from None
    return check(content, str(path))


def check(content: Mapping[str, Any], file: str) -> Spec:
    """The spec from plain data; raises SpecError, naming `file`."""
    try:
        spec = Spec.model_validate(content)
    except pydantic.ValidationError as error:
        raise _shape_error(error, file) from None
    for key, wrong in _check_meaning(spec):
        raise SpecError(file, key, wrong.problem, wrong.remedy)
    return spec


def _check_meaning(spec: Spec) -> Iterator[tuple[str, ObjectiveError]]:
    """Everything that is wrong with a spec of the right shape, as (key, error)."""
    if not spec.built_in:
        yield from _check_own_objective(spec)
    else:
        yield from _check_data(spec)
        yield from _check_hyperparameters(spec)
    budget = spec.storage_budget
    if budget == Budget():
        yield "[budget]", ObjectiveError("no limit is given", "write for example trials = 40")
    elif spec.sampler.name == "grid" and (budget.trials or 0) > spec.grid_cells + 1:
        yield (
            "[budget] trials",
            ObjectiveError(
                f"the grid has {spec.grid_cells} cells and the baseline comes first",
                f"write at most trials = {spec.grid_cells + 1}, or leave it out",
            ),
        )


def _check_own_objective(spec: Spec) -> Iterator[tuple[str, ObjectiveError]]:
    if not re.fullmatch(r"[\w.]+:\w+", spec.objective):
        near = difflib.get_close_matches(spec.objective, BUILT_IN, n=1)
        remedy = f"write {', '.join(BUILT_IN)}, or your own as module:function"
        yield (
            "objective",
            ObjectiveError(
                f"there is no objective {spec.objective!r}", f"did you mean {near[0]!r}?" if near else remedy
            ),
        )
    elif spec.search:
        yield (
            "[search]",
            ObjectiveError(
                "an objective of one's own has its space in its own suggest calls", "remove [search], or use [fixed]"
            ),
        )
    elif spec.data is not None:
        yield "[data]", ObjectiveError("an objective of one's own loads its own data", "remove [data]")
    elif spec.sampler.name in ("grid", "coordinate"):
        yield (
            "[sampler] name",
            ObjectiveError(f"{spec.sampler.name} needs a space in [search]", "use tpe, random, gp, cmaes or qmc"),
        )


def _check_data(spec: Spec) -> Iterator[tuple[str, ObjectiveError]]:
    if spec.data is None or "name" not in spec.data:
        yield "[data] name", ObjectiveError("no data set is named", 'write for example name = "digits"')
        return
    fields = DataSpec.__dataclass_fields__
    for key in spec.data:
        if key not in fields:
            yield f"[data] {key}", ObjectiveError("there is no such key", f"known are {', '.join(fields)}")
    try:
        spec.data_spec.check()
        task = known(spec.data_spec.name).task
    except ObjectiveError as error:
        yield "[data]", error
    else:
        if task != spec.objective:
            yield "objective", ObjectiveError(f"the data set {spec.data_spec.name} is a {task}", f'write "{task}"')


def _check_hyperparameters(spec: Spec) -> Iterator[tuple[str, ObjectiveError]]:
    for section, names in (("fixed", spec.fixed), ("baseline", spec.baseline)):
        for name, value in names.items():
            try:
                definition(name).check(value)
            except ObjectiveError as error:
                yield f"[{section}] {name}", error
    for name in spec.search:
        key = f"[search] {name}"
        if name in spec.fixed:
            yield key, ObjectiveError("it is in [fixed] as well", "keep one of the two")
        elif name == "seed":
            yield key, ObjectiveError("a seed is not searched", "repeat the best with `winnow confirm` instead")
        else:
            try:
                _check_entry(spec, name)
            except ObjectiveError as error:
                yield key, error
    for name in spec.baseline:
        if name not in spec.search:
            yield f"[baseline] {name}", ObjectiveError("it is not searched", "name it in [search], or use [fixed]")
    try:
        ordered(spec.space)
    except ObjectiveError as error:
        yield "[search]", error
    for section, names in (("fixed", spec.fixed), ("search", spec.search)):
        for name in names:
            if name in DEFINITIONS:
                yield from _check_needs(spec, section, name)


def _check_entry(spec: Spec, name: str) -> None:
    known_as = definition(name)
    entry = spec.search[name]
    if entry.choices is not None:
        for choice in entry.choices:
            known_as.check(choice)
        if len({str(choice) for choice in entry.choices}) < len(entry.choices):
            raise ObjectiveError("a choice stands twice", "remove it")
    elif known_as.type not in (int, float):
        raise ObjectiveError("it has no range", f"write {{ choices = [{known_as.example}, …] }}")
    else:
        for end in (entry.low, entry.high):
            assert end is not None
            if known_as.type is int and (end != int(end) or (entry.step or 1) % 1):
                raise ObjectiveError(f"{end:g} or its step is not a whole number", "round it")
            known_as.check(int(end) if known_as.type is int else end)
    for parent, values in entry.when.items():
        if parent not in spec.search:
            raise ObjectiveError(f"`when` names {parent}, which is not searched", "name a searched one, or drop `when`")
        offered = spec.search[parent].choices
        for value in values:
            if offered is None or value not in offered:
                raise ObjectiveError(
                    f"`when` waits for {parent} = {value!r}, which is never drawn", f"name one of {offered}"
                )


def _check_needs(spec: Spec, section: str, name: str) -> Iterator[tuple[str, ObjectiveError]]:
    for parent, allowed in DEFINITIONS[name].needs.items():
        if parent in spec.search:
            entry = spec.search[parent]
            possible: list[Any] = entry.choices if entry.choices is not None else list(allowed)
        else:
            possible = [spec.fixed.get(parent, DEFINITIONS[parent].default)]
        if not any(value in allowed for value in possible):
            have = str(possible[0]).lower() if isinstance(possible[0], bool) else possible[0]
            words = " or ".join(str(v).lower() if isinstance(v, bool) else repr(v) for v in allowed)
            yield (
                f"[{section}] {name}",
                ObjectiveError(f"it has no effect with {parent} = {have}", f"remove it, or set {parent} to {words}"),
            )


def _shape_error(error: pydantic.ValidationError, file: str) -> SpecError:
    """The first of pydantic's errors as a sentence."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    # A section chosen by its name carries that name in pydantic's path: [sampler] tpe n_trials.
    if len(path) > 2 and path[0] in ("sampler", "pruner"):
        del path[1]
    key = path[0] if len(path) == 1 else f"[{path[0]}] {'.'.join(path[1:])}"
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        return SpecError(file, key, "there is no such key", _nearest(path))
    if kind == "missing":
        return SpecError(file, key, "it is missing", "add it")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known_names = str(context.get("expected_tags", "")).replace("'", "")
        given = context.get("tag")
        problem = f"there is no {path[0]} {given!r}" if given else "it has no name"
        return SpecError(file, f"[{path[0]}] name", problem, f"choose one of {known_names}" if known_names else "")
    if kind == "value_error":
        problem, _, remedy = str(context["error"]).partition("|")
        return SpecError(file, key, problem, remedy)
    if kind == "string_pattern_mismatch":
        return SpecError(file, key, f"{first['input']!r} is no name", "use letters, digits, dots, dashes, underscores")
    given = f" (here {first['input']!r})" if not isinstance(first["input"], dict) else ""
    return SpecError(file, key, f"{first['msg'][0].lower()}{first['msg'][1:]}{given}", "")


def _nearest(path: list[str]) -> str:
    """What an unknown key may have meant."""
    if len(path) == 1:
        names = list(Spec.model_fields)
    elif path[0] == "search":
        names = list(SearchEntry.model_fields)
    elif path[0] in ("budget", "limits"):
        names = list((BudgetSection if path[0] == "budget" else LimitsSection).model_fields)
    else:
        return "remove it"
    near = difflib.get_close_matches(path[-1], names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
