"""One training, from a config and its data to a score: `train`, read from top to bottom.

It knows nothing of who called it: what happens goes out through `report`, which may raise to stop. All randomness
comes from generators seeded by the config, so the same config on the same data gives the same bits on a CPU, and
so does a training that was cut off and went on from a snapshot.
"""

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch

from winnow.objectives import compatibility
from winnow.objectives.data.loading import Data
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.divergence import check_loss, check_movement
from winnow.objectives.errors import Infeasible, OutOfTime
from winnow.objectives.evaluation import evaluate, value_of, weight_norm
from winnow.objectives.hyperparameters import Config
from winnow.objectives.learner import Learner
from winnow.objectives.metrics import cheap, named
from winnow.objectives.models.building import build
from winnow.objectives.optimisation import needs_norms_measured, set_training
from winnow.objectives.schedules import Progress, after_warmup
from winnow.objectives.snapshots import Snapshot, on_cpu
from winnow.objectives.stack import Training, train_stack
from winnow.objectives.steps import Step
from winnow.records import Epoch

CHECK_EVERY = 50
"""Steps between two looks at the running loss and the clock: each look waits for the device."""


Report = Callable[[Epoch, Callable[[], Snapshot]], Callable[[bool], None] | None]
"""Called after each epoch; call the snapshot before returning. What it raises ends training.

What it returns is called when all members of a stack have reported, with whether training is over now, and may end it.
"""


@dataclass(frozen=True)
class Limits:
    """What a training may cost; None sets no limit."""

    max_parameters: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Result:
    """A finished training."""

    value: float
    """Validation score of the weights: of the best epoch where `patience` > 0, of the last where it is 0."""
    best_epoch: int
    """The epoch of the weights."""
    epochs: tuple[Epoch, ...]
    weights: dict[str, torch.Tensor]
    """State of the model, on the CPU."""
    parameters: int


def train(
    config: Config,
    data: Data,
    report: Report,
    resume: Snapshot | None = None,
    limits: Limits = Limits(),
) -> Result:
    """Train `config` on `data`, on the device where its tensors lie; the same training as `begin` describes."""
    return alone(begin(config, data, report, resume, limits))


def alone(training: Training) -> Result:
    """Do a training as a stack of one."""
    ends: list[Result | BaseException] = []
    train_stack([(training, ends.append)])
    (end,) = ends
    if isinstance(end, BaseException):
        raise end
    return end


def begin(
    config: Config,
    data: Data,
    report: Report,
    resume: Snapshot | None = None,
    limits: Limits = Limits(),
    ranks: Ranks = ALONE,
) -> Training:
    """Train `config` on `data` as a member of a stack, which takes the steps that are yielded.

    `resume` is the snapshot of an earlier attempt: training goes on after its epoch and reports only what is new.
    Where there are several `ranks`, each of them calls this, and each reports the same.
    Raises ObjectiveError where config and data do not fit, SnapshotError where `resume` is of another training,
    Infeasible before any step where the model is over a limit, Diverged within the epoch in which it is noticed,
    OutOfTime at the clock's limit, and whatever `report` raises.
    """
    check(config, data, ranks.count)
    check_size(config, data, limits)
    learner = Learner(config, data, ranks)
    if resume is not None:
        learner.restore(resume)
    spent = sum(epoch.seconds or 0.0 for epoch in learner.curve)
    while not is_finished(config, learner.curve):
        started = time.perf_counter()
        trained = yield from _train_epoch(learner, limits, started - spent)
        learner.curve.append(_evaluate_epoch(learner, trained, started))
        spent += learner.curve[-1].seconds or 0.0
        if config.patience and best_epoch(config, learner.curve) == len(learner.curve):
            learner.best_weights = {name: tensor.clone() for name, tensor in learner.judged.state_dict().items()}
        verdict = report(learner.curve[-1], learner.snapshot)
        yield None
        if verdict is not None:
            verdict(is_finished(config, learner.curve))
    kept = best_epoch(config, learner.curve) if config.patience else len(learner.curve)
    weights = learner.best_weights if config.patience else learner.judged.state_dict()
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    return Result(learner.curve[kept - 1].value, kept, tuple(learner.curve), on_cpu(weights), parameters)


@dataclass(frozen=True)
class _Trained:
    """What the steps of an epoch came to."""

    loss: float
    accuracy: float | None
    lr: float
    """Of the last step."""
    batches: list[torch.Tensor]


def _train_epoch(learner: Learner, limits: Limits, began: float) -> Generator[Step, None, _Trained]:
    """Take the steps of the next epoch; no figure leaves the device but at every fiftieth.

    The training `began` at that time, attempts before this one included. Raises Diverged, OutOfTime.
    """
    config, data, ranks, optimizer = learner.config, learner.data, learner.ranks, learner.optimizer
    number = len(learner.curve) + 1
    orders = [order_of(config, data, learner.generators.order) for _ in range(config.passes)]
    batches = [batch for order in orders for batch in batches_of(config, order.to(data.device), ranks)]
    check_movement(learner.curve, data, len(batches), learner.guessing)
    scores = [score(config, epoch) for epoch in learner.curve]
    before, steps = (number - 1) * len(batches), config.epochs * len(batches)

    learner.model.train()
    set_training(optimizer, True)
    ranks.begin_epoch(learner.generators, config.seed, number)
    learner.augmentation.expect([ranks.part(batch) for batch in batches])
    tally = learner.tally
    tally.begin()
    seen = checked_seen = 0
    checked_sum = 0.0
    for step, batch in enumerate(batches, start=1):
        progress = Progress(before + step - 1, steps, number - 1, scores)
        lr = config.lr * after_warmup(learner.schedule, progress, config.warmup_epochs, config.epochs)
        learner.descent.set_lr(lr)
        gathered = (step - 1) % config.accumulate + 1
        moves = gathered == config.accumulate or step == len(batches)
        yield Step(learner.member, learner.descent, tally, batch, gathered, moves)  # alone or with others
        if moves and learner.average:
            learner.average.after_step()

        seen += len(batch)
        if step % CHECK_EVERY == 0 or step == len(batches):
            total = ranks.total(tally.loss).item()
            when = f"at step {step} of epoch {number}"
            # An adaptive optimiser's first steps may throw the loss far up, and it comes back by itself.
            most = learner.guessing if before + step >= CHECK_EVERY else math.inf
            check_loss((total - checked_sum) / (seen - checked_seen), most, "training", when)
            checked_sum, checked_seen = total, seen
            check_clock(limits, time.perf_counter() - began, when)
    accuracy = ranks.total(tally.right).item() / seen if data.classes else None
    return _Trained(checked_sum / seen, accuracy, lr, batches)


def _evaluate_epoch(learner: Learner, trained: _Trained, started: float) -> Epoch:
    """Return the epoch that has been trained since `started`, with what its weights are worth; raises Diverged."""
    config, data, number = learner.config, learner.data, len(learner.curve) + 1
    set_training(learner.optimizer, False)
    if needs_norms_measured(learner.optimizer, learner.model):
        learner.member.measure_norms(trained.batches)
    if learner.average:
        learner.average.after_epoch(number)
    learner.ranks.agree(learner.model, learner.judged)
    kept: list[torch.Tensor] = []
    loss, accuracy = evaluate(
        learner.judged, data.validation, learner.augmentation, config.precision, kept=kept, ranks=learner.ranks
    )
    check_loss(loss, math.inf, "validation", f"in epoch {number}")
    outputs, targets = torch.cat(kept), data.validation.targets
    return Epoch(
        epoch=number,
        value=value_of(learner.metric, loss, accuracy, outputs, targets),
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        validation_loss=loss,
        validation_accuracy=accuracy,
        lr=trained.lr,
        weight_norm=weight_norm(learner.model),
        seconds=time.perf_counter() - started,
        extra=cheap(targets, outputs) if data.classes else {},
    )


def check(config: Config, data: Data, devices: int = 1) -> None:
    """Raise ObjectiveError where `config` cannot be trained on `data` by so many devices; allocates nothing."""
    compatibility.check(config, data.name, data.shape, data.classes, len(data.train.targets), devices)


def check_size(config: Config, data: Data, limits: Limits) -> None:
    """Raise Infeasible where the config's model has more parameters than it may; allocates none of them."""
    most = limits.max_parameters
    if most is not None and (parameters := count_parameters(config, data)) > most:
        excess = f"{parameters:,} parameters are more than max_parameters = {most:,}"
        raise Infeasible("max_parameters", parameters - most, excess)


def count_parameters(config: Config, data: Data) -> int:
    """Count the parameters of the config's model, trained and frozen, without allocating any; raises ObjectiveError."""
    model = build(config, compatibility.input_shape(config, data.shape), data.classes or 1, "meta")
    return sum(parameter.numel() for parameter in model.parameters())


def order_of(config: Config, data: Data, generator: torch.Generator) -> torch.Tensor:
    """Return the epoch's examples on the CPU: each once, or as many drawn so that every class is as likely."""
    targets = data.train.targets
    if not config.balanced_sampling:
        return torch.randperm(len(targets), generator=generator)
    counts = torch.bincount(targets.cpu(), minlength=data.classes)
    return torch.multinomial(counts.double().reciprocal()[targets.cpu()], len(targets), True, generator=generator)


def batches_of(config: Config, order: torch.Tensor, ranks: Ranks = ALONE) -> list[torch.Tensor]:
    """Return batches of indices of one pass; the last may be short, but not of one example a rank, for BatchNorm."""
    batches = list(torch.split(order, config.batch_size))
    if len(batches[-1]) < min(2 * ranks.count, config.batch_size):
        batches.pop()
    return batches


def score(config: Config, epoch: Epoch) -> float:
    """Return the epoch's value so that higher is better."""
    maximise = named(config.metric).maximise if config.metric else epoch.validation_accuracy is not None
    return epoch.value if maximise else -epoch.value


def best_epoch(config: Config, curve: Sequence[Epoch]) -> int:
    """Return the first epoch with the best score."""
    scores = [score(config, epoch) for epoch in curve]
    return scores.index(max(scores)) + 1


def is_finished(config: Config, curve: Sequence[Epoch]) -> bool:
    """Return whether the epochs are used up, or `patience` of them have passed since the best."""
    if len(curve) >= config.epochs:
        return True
    return bool(config.patience and curve) and len(curve) - best_epoch(config, curve) >= config.patience


def check_clock(limits: Limits, seconds: float, when: str) -> None:
    """Raise OutOfTime where training, earlier attempts included, has taken more than its minutes."""
    if limits.minutes is not None and seconds > 60 * limits.minutes:
        raise OutOfTime(
            f"{seconds / 60:.1f} minutes of training have passed {when}, and {limits.minutes:g} are allowed"
        )
