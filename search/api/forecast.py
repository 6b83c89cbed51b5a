"""What a spec will do on this machine, before a study exists: its model, its trials, its time, and what is doubtful."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winnow.errors import WinnowError
from winnow.objectives.data import torchvision_files
from winnow.objectives.hyperparameters import DEFINITIONS, Config, change, make_config
from winnow.objectives.space import baseline
from winnow.search.analysis import repetitions
from winnow.search.analysis.comparisons import DESIGNED
from winnow.search.analysis.formatting import counted, duration
from winnow.search.api.fleet import FleetOptions
from winnow.search.study import objective
from winnow.search.study.pruners import ASHAPruner, most_epochs
from winnow.search.study.spec import Spec
from winnow.search.worker.fusing import at_once
from winnow.search.worker.trainer_process import missing_packages

if TYPE_CHECKING:
    from winnow.objectives.data.loading import Data

FEW = 100
"""Validation examples: with fewer, one of them is more than a hundredth of the accuracy."""
SMALL = 16
"""Pixels a side from which a convolutional network is worth a word."""
PROBE_SECONDS = 1.0
"""For how long an epoch is timed, about."""


@dataclass(frozen=True)
class Forecast:
    """What one training of the baseline is, measured here."""

    model: str
    parameters: int
    shape: tuple[int, ...]
    """Of one example."""
    outputs: int
    train: int
    validation: int
    epochs: int
    """At most."""
    epoch_seconds: float
    """Measured, of the baseline."""
    training_seconds: float
    """Of a whole training of the search, on one worker: half-way between the baseline's and the costliest measured."""
    share: float
    """Of its epochs that the search trains, expected (see `trained_share`)."""
    workers: int
    device: str
    seconds: tuple[float, float] | None
    """Of the search, where the pruner stops what it expects to, and where it stops nothing; None without `trials`."""
    trials: int | None
    searched: int
    """Hyperparameters."""
    doubts: tuple[str, ...]
    fusing: str = ""
    """How many trials each worker trains at once, where that is measured (`fuse = "auto"`)."""

    @property
    def confirmation_seconds(self) -> float:
        """What `winnow confirm` takes after the search."""
        return repetitions.USUAL_TRAININGS * self.training_seconds / max(1, self.workers)

    @property
    def sentences(self) -> list[str]:
        """What will happen, in words."""
        shape = " x ".join(map(str, self.shape))
        said = [
            f"The baseline: {self.model} with {self.parameters:,} parameters, {shape} in, "
            f"{counted(self.outputs, 'output')} out.",
            f"It trains on {self.train:,} examples, and is judged by {self.validation:,}, for {self.epochs} epochs of "
            f"{duration(self.epoch_seconds)} here.",
        ]
        if self.seconds is not None:
            low, high = map(duration, self.seconds)
            between = f"about {low}" if low == high else f"{low} to {high}, by how much is pruned,"
            said.append(
                f"The search takes {between} on {counted(self.workers, 'worker')} ({self.device}), and winnow confirm "
                f"after it about {duration(self.confirmation_seconds)}."
            )
        if self.fusing:
            said.append(f"Each worker trains {self.fusing}.")
        few = self.trials is not None and self.trials < 5 * self.searched
        hyperparameters = counted(self.searched, "searched hyperparameter")
        doubts = [f"{counted(self.trials or 0, 'trial')} are few for {hyperparameters}"] * few
        return [*said, *(f"Doubtful: {doubt}." for doubt in (*self.doubts, *doubts))]


def look_ahead(spec: Spec) -> Forecast | None:
    """Train one epoch of the baseline here, on some of the data, and reckon; None where it cannot be known.

    That is of an objective of one's own, of data that would have to be downloaded, and where torch is missing.
    """
    if not spec.built_in or _is_elsewhere(spec) or missing_packages():
        return None
    import torch

    from winnow.objectives import training
    from winnow.objectives.augmentation import gallery
    from winnow.objectives.augmentation.batches import doubts
    from winnow.objectives.data import loading

    places = FleetOptions().places(devices_per_trial=spec.fleet.devices_per_trial)
    device = places[0].device if places else None
    torch.set_num_threads(1 if device is None or device.kind == "cpu" else torch.get_num_threads())
    on = device.name.partition(",")[0] if device else "cpu"
    data = loading.load(spec.data_spec, on)
    config = make_config(baseline(spec.space, spec.fixed, spec.baseline)[1])
    epochs, trials = most_epochs(spec), spec.storage_budget.trials
    seconds = _epoch_seconds(config, data)
    each = epochs * (seconds + (_epoch_seconds(_costly(spec, config), data) or seconds)) / 2
    share = trained_share(spec)
    whole = None if trials is None else trials * each / max(1, len(places))
    return Forecast(
        model=config.model,
        parameters=training.count_parameters(config, data),
        shape=tuple(data.shape),
        outputs=data.classes or 1,
        train=len(data.train.targets),
        validation=len(data.validation.targets),
        epochs=epochs,
        epoch_seconds=seconds,
        training_seconds=each,
        share=share,
        workers=len(places),
        device=places[0].device.name if places else "",
        seconds=None if whole is None else (whole * share, whole),
        trials=trials,
        searched=len(spec.search),
        doubts=(*_doubts(spec, data), *doubts(gallery.strongest(spec.space, spec.fixed), data)),
        fusing=at_once(spec.fleet.fuse, spec, objective.load(spec, on)).why,
    )


def told(forecast: Forecast | None) -> list[str]:
    """Return a forecast in words; without one, what would have to be installed for it, if that is why."""
    if forecast is not None:
        return forecast.sentences
    missing = missing_packages()[:1]
    return [f"{name} is not installed: to train here, pip install 'winnow-hpo[train]'." for name in missing]


def trained_share(spec: Spec) -> float:
    """Return the share of all epochs that a search trains: ASHA's by its rungs; of another pruner all of them."""
    if not isinstance(spec.pruner, ASHAPruner):
        return 1.0
    most, factor = most_epochs(spec), spec.pruner.reduction_factor
    rung = spec.pruner.first_rung(spec) * factor**spec.pruner.min_early_stopping_rate
    expected, before, arrive = 0.0, 0, 1.0
    while rung < most:
        expected, before, arrive, rung = expected + arrive * (rung - before), rung, arrive / factor, rung * factor
    kept = (expected + arrive * (most - before)) / most
    return spec.pruner.audit + (1 - spec.pruner.audit) * kept


def _is_elsewhere(spec: Spec) -> bool:
    data = spec.data_spec
    return data.name in torchvision_files.LAYOUTS and torchvision_files.find(data.name, "train", data.path) is None


def _epoch_seconds(config: Config, data: "Data") -> float:
    """Time an epoch on two batches, and where that is quick, on as many examples as take a few seconds."""
    count = len(data.train.targets)
    found = _timed(config, data, few := min(count, 2 * config.batch_size))
    if few < count and found:
        more = int(min(count, few * PROBE_SECONDS / found))
        found, few = (_timed(config, data, more), more) if more > few else (found, few)
    return found * config.passes * count / few


def _timed(config: Config, data: "Data", few: int) -> float:
    """Time an epoch on the first examples, its second, whose first has warmed what is made once."""
    from winnow.objectives import training

    found: list[float] = []
    with suppress(WinnowError):  # a baseline that diverges took the time that it took
        once_warm = change(config, epochs=2, passes=1)
        training.train(once_warm, data.first(few), lambda epoch, _: found.append(epoch.seconds or 0.0))
    return found[-1] if found else 0.0


def _costly(spec: Spec, base: Config) -> Config:
    """Return the baseline with everything on that the search may switch on, as far as it goes."""
    switched = [name for name in spec.search if any(entry.when for entry in spec.entries(name))]
    highest = {name: entry.high for name in switched for entry in spec.entries(name) if entry.high is not None}
    whole = {name: int(high) if DEFINITIONS[name].type is int else high for name, high in highest.items()}
    on = {name: True for name in spec.search if DEFINITIONS[name].type is bool}
    return change(base, **whole, **on)


def _doubts(spec: Spec, data: "Data") -> list[str]:
    """Return what may mislead a search of this size."""
    found, count = [], len(data.validation.targets)
    if count < FEW and data.classes:
        found.append(
            f"{count} validation images tell no difference below about {2 * 0.5 / count**0.5:.0%} in accuracy; give "
            "more by [data] validation, or in the folder val"
        )
    if "model" not in (*spec.fixed, *spec.search) and len(data.shape) == 3 and min(data.shape[1:]) >= SMALL:
        found.append(
            "no model is named, so it is an MLP; on seven small sets of images the best of a convolutional network in "
            "small batches was right in 87% and of an MLP in 78% (bench/README.md), and winnow new writes one"
        )
    if spec.pruner.stops and not spec.pruner.audit:
        found.append("without [pruner] audit nobody sees how often the pruner errs; audit = 0.1 lets a tenth finish")
    compares = spec.sampler.name in DESIGNED and any(each.kind in ("compare", "methods") for each in spec.question)
    if spec.pruner.stops and compares:
        found.append(
            "a [[question]] compares values, which trials that a pruner stopped do not allow; write [pruner] name = "
            '"none"'
        )
    return found
