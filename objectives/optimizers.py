"""The optimisers: each called with groups of parameters and the learning rate.

As one fused kernel a step where there is one. A fused kernel walks gradient and weight in memory order and never looks
at strides: both must lie alike, or the update is scrambled without an error. `backward()` lays gradients out as their
weights; so go through it, not through `torch.autograd.grad`.
"""

from typing import TYPE_CHECKING, Annotated, Any

from winnow.objectives.definition import Hyperparameter
from winnow.objectives.registry import optimizer

if TYPE_CHECKING:
    from torch.optim import Optimizer

Groups = list[dict[str, Any]]
Momentum = Annotated[float, Hyperparameter("momentum", low=0, high=1)]
Beta1 = Annotated[float, Hyperparameter("decay of the mean of gradients", low=0, high=1 - 1e-6)]
Beta2 = Annotated[float, Hyperparameter("decay of the mean of squared gradients", low=0, high=1 - 1e-6)]
Eps = Annotated[float, Hyperparameter("added to the root of the mean square", low=0)]


@optimizer("sgd")
def sgd(
    groups: Groups,
    lr: float,
    *,
    momentum: Momentum = 0.0,
    nesterov: Annotated[bool, Hyperparameter("Nesterov's momentum; nothing where momentum is 0")] = False,
) -> "Optimizer":
    """Stochastic gradient descent."""
    from torch.optim import SGD

    return SGD(groups, lr, momentum, nesterov=nesterov and momentum > 0, fused=True)


@optimizer("rmsprop")
def rmsprop(
    groups: Groups,
    lr: float,
    *,
    momentum: Momentum = 0.0,
    alpha: Annotated[float, Hyperparameter("decay of the mean of squared gradients", low=0, high=1)] = 0.99,
    eps: Eps = 1e-8,
) -> "Optimizer":
    """RMSprop (Hinton, 2012)."""
    from torch.optim import RMSprop

    return RMSprop(groups, lr, alpha, eps, momentum=momentum)


@optimizer("adam")
def adam(groups: Groups, lr: float, *, beta1: Beta1 = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8) -> "Optimizer":
    """Adam (Kingma and Ba, 2015)."""
    from torch.optim import Adam

    return Adam(groups, lr, (beta1, beta2), eps, fused=True)


@optimizer("adamw")
def adamw(groups: Groups, lr: float, *, beta1: Beta1 = 0.9, beta2: Beta2 = 0.999, eps: Eps = 1e-8) -> "Optimizer":
    """AdamW (Loshchilov and Hutter, 2019)."""
    from torch.optim import AdamW

    return AdamW(groups, lr, (beta1, beta2), eps, fused=True)


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
