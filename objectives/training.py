"""One training, from a config and its data to a score: `train`, read from top to bottom.

It knows nothing of who called it: what happens goes out through `report`, which may raise to stop. All randomness
comes from generators seeded by the config, so the same config on the same data gives the same bits on a CPU, and
so does a training that was cut off and went on from a snapshot.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from winnow.objectives import compatibility, registry
from winnow.objectives.augmentation.batches import Augmentation, warn
from winnow.objectives.averaging import average_of
from winnow.objectives.data.loading import Data
from winnow.objectives.data_parallel import ALONE, Ranks
from winnow.objectives.divergence import check_loss, check_movement, guessing_loss
from winnow.objectives.errors import Infeasible, OutOfTime
from winnow.objectives.evaluation import evaluate, value_of, weight_norm
from winnow.objectives.hyperparameters import Config, config_values
from winnow.objectives.metrics import cheap, named
from winnow.objectives.models.building import build
from winnow.objectives.models.compiled import compile_for
from winnow.objectives.models.layers import use_generator
from winnow.objectives.optimisation import (
    add_penalties,
    divide_gradients,
    make_optimizer,
    needs_norms_measured,
    numbers_of_groups,
    restore_state,
    set_training,
    trained_weights,
)
from winnow.objectives.randomness import Generators
from winnow.objectives.schedules import Progress, after_warmup
from winnow.objectives.snapshots import Snapshot, check_origin, on_cpu
from winnow.objectives.stack import Member, Training, train_stack
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
    ranks: Ranks = ALONE,
) -> Result:
    """Train `config` on `data`, on the device where its tensors lie; the same training as `begin` describes."""
    return alone(begin(config, data, report, resume, limits, ranks))


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
    """Train `config` on `data` as a member of a stack, which does the passes that are yielded.

    `resume` is the snapshot of an earlier attempt: training goes on after its epoch and reports only what is new.
    Where there are several `ranks`, each of them calls this, and each reports the same.
    Raises ObjectiveError where config and data do not fit, SnapshotError where `resume` is of another training,
    Infeasible before any step where the model is over a limit, Diverged within the epoch in which it is noticed,
    OutOfTime at the clock's limit, and whatever `report` raises.
    """
    # ------------------------------------------------------------------
    # Refuse what cannot work, before anything is allocated
    # ------------------------------------------------------------------
    check(config, data, ranks.count)
    parameters = count_parameters(config, data)
    if limits.max_parameters is not None and parameters > limits.max_parameters:
        raise Infeasible(
            "max_parameters",
            parameters - limits.max_parameters,
            f"{parameters:,} parameters are more than max_parameters = {limits.max_parameters:,}",
        )

    # ------------------------------------------------------------------
    # Model, optimiser, generators: at their start, or where the snapshot left them
    # ------------------------------------------------------------------
    inputs = data.train.inputs
    device = inputs.device
    generators = Generators.from_seed(config.seed, device, registry.augmentation.switched_on(config))
    warn(config, data)
    augmentation = Augmentation(config, data)
    model = build(config, compatibility.input_shape(config, data.shape), data.classes or 1, device)
    average = average_of(config, model)
    use_generator(model, generators.dropout)
    compile_for(model, config, device)
    optimizer = make_optimizer(config, model)
    schedule = registry.schedule.chosen(config)
    weights = trained_weights(model)
    network, class_weights = ranks.network(model), class_weights_of(config, data)
    member = Member(config, data, network, augmentation, generators.augmentation, class_weights, ranks)
    guessing = guessing_loss(data)
    metric = named(config.metric) if config.metric else None
    curve: list[Epoch] = []
    best_weights: dict[str, torch.Tensor] = {}

    values = config_values(config)

    def snapshot() -> Snapshot:
        return {
            "config": values,
            "data": data.fingerprint,
            "curve": [dict(vars(epoch)) for epoch in curve],
            "model": on_cpu(model.state_dict()),
            "best": on_cpu(best_weights),
            "optimizer": on_cpu(optimizer.state_dict()["state"]),
            "groups": numbers_of_groups(optimizer),
            "generators": generators.state(),
            **({"average": on_cpu(average.state())} if average else {}),
        }

    if resume is not None:
        check_origin(resume, values, data.fingerprint)
        curve = [Epoch(**epoch) for epoch in resume["curve"]]
        model.load_state_dict(resume["model"])
        best_weights = {name: weight.to(device) for name, weight in resume["best"].items()}
        restore_state(optimizer, on_cpu(resume["optimizer"]), resume.get("groups", ()))
        generators.restore(resume["generators"])
        if average:
            average.restore(resume["average"])

    judged = average.network if average else model
    # ------------------------------------------------------------------
    # Epochs, until they are used up or patience is
    # ------------------------------------------------------------------
    spent = sum(epoch.seconds or 0.0 for epoch in curve)
    while not is_finished(config, curve):
        started = time.perf_counter()
        number = len(curve) + 1
        orders = [order_of(config, data, generators.order) for _ in range(config.passes)]
        batches = [batch for order in orders for batch in batches_of(config, order.to(device), ranks)]
        check_movement(curve, data, len(batches))
        scores = [score(config, epoch) for epoch in curve]
        before, steps = (number - 1) * len(batches), config.epochs * len(batches)

        # ---- training: no figure leaves the device but at every fiftieth step
        model.train()
        set_training(optimizer, True)
        ranks.begin_epoch(generators, config.seed, number)
        augmentation.expect([ranks.part(batch) for batch in batches])
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), device=device, dtype=torch.int64)
        seen = checked_seen = 0
        checked_sum = 0.0
        for step, batch in enumerate(batches, start=1):
            progress = Progress(before + step - 1, steps, number - 1, scores)
            lr = config.lr * after_warmup(schedule, progress, config.warmup_epochs, config.epochs)
            for group in optimizer.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)
            gathered = (step - 1) % config.accumulate + 1
            if gathered == 1:
                optimizer.zero_grad()
            plain_loss, right = yield member, batch  # forward and backward, alone or with others
            if gathered == config.accumulate or step == len(batches):
                if gathered > 1:
                    divide_gradients(model, gathered)
                if config.l1 or config.l2:
                    add_penalties(config, weights)
                if config.clip_norm:
                    nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
                optimizer.step()
                if average:
                    average.after_step()

            loss_sum += plain_loss * len(batch)
            correct += right
            seen += len(batch)
            if step % CHECK_EVERY == 0 or step == len(batches):
                total = ranks.total(loss_sum).item()
                when = f"at step {step} of epoch {number}"
                # An adaptive optimiser's first steps may throw the loss far up, and it comes back by itself.
                most = guessing if before + step >= CHECK_EVERY else math.inf
                check_loss((total - checked_sum) / (seen - checked_seen), most, "training", when)
                checked_sum, checked_seen = total, seen
                check_clock(limits, spent + time.perf_counter() - started, when)

        # ---- evaluation
        set_training(optimizer, False)
        if needs_norms_measured(optimizer, model):
            member.measure_norms(batches)
        outputs_kept: list[torch.Tensor] = []
        judged = average.after_epoch(number) if average else model
        ranks.agree(model, judged)
        validation_loss, validation_accuracy = evaluate(
            judged, data.validation, augmentation, config.precision, kept=outputs_kept, ranks=ranks
        )
        check_loss(validation_loss, math.inf, "validation", f"in epoch {number}")
        outputs, targets = torch.cat(outputs_kept), data.validation.targets
        value = value_of(metric, validation_loss, validation_accuracy, outputs, targets)
        extra = cheap(targets, outputs) if data.classes else {}
        seconds = time.perf_counter() - started
        spent += seconds
        curve.append(
            Epoch(
                epoch=number,
                value=value,
                train_loss=checked_sum / seen,
                train_accuracy=ranks.total(correct).item() / seen if data.classes else None,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                lr=lr,
                weight_norm=weight_norm(model),
                seconds=seconds,
                extra=extra,
            )
        )

        # ---- what to keep, what to tell
        if config.patience and best_epoch(config, curve) == number:
            best_weights = {name: tensor.clone() for name, tensor in judged.state_dict().items()}
        verdict = report(curve[-1], snapshot)
        yield None
        if verdict is not None:
            verdict(is_finished(config, curve))

    # ------------------------------------------------------------------
    # The best weights where early stopping watched for them, else the last
    # ------------------------------------------------------------------
    kept = best_epoch(config, curve) if config.patience else len(curve)
    final = best_weights if config.patience else judged.state_dict()
    return Result(curve[kept - 1].value, kept, tuple(curve), on_cpu(final), parameters)


def check(config: Config, data: Data, devices: int = 1) -> None:
    """Raise ObjectiveError where `config` cannot be trained on `data` by so many devices; allocates nothing."""
    compatibility.check(config, data.name, data.shape, data.classes, len(data.train.targets), devices)


def count_parameters(config: Config, data: Data) -> int:
    """Trained and frozen parameters of the config's model, without allocating any; raises ObjectiveError."""
    model = build(config, compatibility.input_shape(config, data.shape), data.classes or 1, "meta")
    return sum(parameter.numel() for parameter in model.parameters())


def order_of(config: Config, data: Data, generator: torch.Generator) -> torch.Tensor:
    """Return the epoch's examples on the CPU: each once, or as many drawn so that every class is as likely."""
    targets = data.train.targets
    if not config.balanced_sampling:
        return torch.randperm(len(targets), generator=generator)
    counts = torch.bincount(targets.cpu(), minlength=data.classes)
    return torch.multinomial(counts.double().reciprocal()[targets.cpu()], len(targets), True, generator=generator)


def class_weights_of(config: Config, data: Data) -> torch.Tensor | None:
    """The weight of each class in the loss, float32 (classes,): as scikit-learn's `balanced`, or the root of that."""
    if config.class_weights == "none":
        return None
    targets = data.train.targets
    counts = torch.bincount(targets.cpu(), minlength=data.classes).double()
    weights = len(targets) / (data.classes * counts)
    return (weights if config.class_weights == "balanced" else weights.sqrt()).float().to(targets.device)


def batches_of(config: Config, order: torch.Tensor, ranks: Ranks = ALONE) -> list[torch.Tensor]:
    """Batches of indices of one pass; the last may be short, but not of one example a rank: BatchNorm fails there."""
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
