"""The optimisers: each called with groups of parameters and the learning rate."""

from typing import TYPE_CHECKING, Annotated, Any

from winnow.objectives.definition import Hyperparameter
from winnow.objectives.registry import optimizer

if TYPE_CHECKING:
    from winnow.objectives.optimisation import Optimizer

Groups = list[dict[str, Any]]
Momentum = Annotated[float, Hyperparameter("momentum", low=0, high=1)]
Beta1 = Annotated[float, Hyperparameter("decay of the mean of gradients", low=0, high=1 - 1e-6)]
Beta2 = Annotated[float, Hyperparameter("decay of the mean of squared gradients", low=0, high=1 - 1e-6)]
Eps = Annotated[float, Hyperparameter("added to the root of the mean square", low=0)]
ScheduleFreeBeta = Annotated[
    float, Hyperparameter("share of the average in the weights whose gradient is taken", low=1e-3, high=1 - 1e-6)
]


@optimizer("sgd")
def sgd(
    groups: Groups,
    lr: float,
    *,
    momentum: Momentum = 0.0,
    nesterov: Annotated[bool, Hyperparameter("Nesterov's momentum; nothing where momentum is 0")] = False,
) -> "Optimizer":
    """Stochastic gradient descent."""
    from winnow.objectives.fused_optimizers import FusedSGD

    return FusedSGD(groups, lr, momentum=momentum, nesterov=nesterov and momentum > 0)


@optimizer("rmsprop")
def rmsprop(
    groups: Groups,
    lr: float,
    *,
    momentum: Momentum = 0.0,
    alpha: Annotated[float, Hyperparameter("decay of the mean of squared gradients", low=0, high=1)] = 0.99,
    eps: Eps = 1e-8,
) -> "Optimizer":
    """RMSprop (Hinton, 2012), for which torch has no fused kernel."""
    from torch.optim import RMSprop

    return RMSprop(groups, lr, alpha, eps, momentum=momentum)


@optimizer("adam")
def adam(groups: Groups, lr: float, *, beta1: Beta1 = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8) -> "Optimizer":
    """Adam (Kingma and Ba, 2015)."""
    from winnow.objectives.fused_optimizers import FusedAdam

    return FusedAdam(groups, lr, betas=(beta1, beta2), eps=eps)


@optimizer("adamw")
def adamw(groups: Groups, lr: float, *, beta1: Beta1 = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8) -> "Optimizer":
    """AdamW (Loshchilov and Hutter, 2019)."""
    from winnow.objectives.fused_optimizers import FusedAdamW

    return FusedAdamW(groups, lr, betas=(beta1, beta2), eps=eps)


@optimizer("adam_then_sgd")
def adam_then_sgd(
    groups: Groups,
    lr: float,
    *,
    momentum: Momentum = 0.0,
    beta1: Beta1 = 0.9,
    beta2: Beta2 = 0.999,
    eps: Eps = 1e-8,
    adam_steps: Annotated[int, Hyperparameter("steps of Adam before SGD takes over", unit="steps", low=0)] = 1000,
    sgd_lr_ratio: Annotated[float, Hyperparameter("learning rate of SGD as a multiple of Adam's", low=0)] = 10.0,
) -> "Optimizer":
    """Adam for its fast start, then SGD for its end (Keskar and Socher, 2017; here at a step that is given)."""
    from winnow.objectives.adam_then_sgd import AdamThenSGD

    return AdamThenSGD(groups, lr, (beta1, beta2), eps, momentum, adam_steps, sgd_lr_ratio)


@optimizer("lion")
def lion(
    groups: Groups,
    lr: float,
    *,
    beta1: Beta1 = 0.9,
    lion_beta2: Annotated[float, Hyperparameter("decay of Lion's momentum", low=0, high=1 - 1e-6)] = 0.99,
) -> "Optimizer":
    """Lion (Chen et al., 2023); a third to a tenth of AdamW's learning rate is usual."""
    from winnow.objectives.lion import Lion

    return Lion(groups, lr, (beta1, lion_beta2))


@optimizer("muon")
def muon(
    groups: Groups,
    lr: float,
    *,
    muon_momentum: Annotated[float, Hyperparameter("Muon's momentum", low=0, high=1)] = 0.95,
    beta1: Beta1 = 0.9,
    beta2: Beta2 = 0.999,
    eps: Eps = 1e-8,
) -> "Optimizer":
    """Muon (Jordan, 2024) for hidden layers, AdamW for the rest, at one learning rate."""
    from winnow.objectives.muon import Muon

    return Muon(groups, lr, muon_momentum, (beta1, beta2), eps)


@optimizer("schedule_free_sgd")
def schedule_free_sgd(groups: Groups, lr: float, *, schedule_free_beta: ScheduleFreeBeta = 0.9) -> "Optimizer":
    """Schedule-free SGD (Defazio et al., 2024), beside the schedule `constant`: what is judged is an average."""
    from schedulefree import SGDScheduleFree

    made: Optimizer = SGDScheduleFree(groups, lr, schedule_free_beta)
    return made


@optimizer("schedule_free_adamw")
def schedule_free_adamw(
    groups: Groups, lr: float, *, schedule_free_beta: ScheduleFreeBeta = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8
) -> "Optimizer":
    """Schedule-free AdamW (Defazio et al., 2024), beside the schedule `constant`: what is judged is an average."""
    from schedulefree import AdamWScheduleFree

    made: Optimizer = AdamWScheduleFree(groups, lr, (schedule_free_beta, beta2), eps)
    return made
