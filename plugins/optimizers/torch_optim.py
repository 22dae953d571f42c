"""The update rules of `torch.optim` as pure functions, which train one run or, unchanged, a stack of runs.

A rule returns what the class of the same name computes, so the class can be run as its rule. Every operation is
elementwise; `w`, `g` and the states have one shape. The settings and `t` are plain numbers, or stand for those of all
runs of a stack, which are as exact: either way they are rounded where they meet a tensor.

Two operations are written in their one-pass form, because a small step costs what its number of passes costs:
`m.lerp(g, 1 - beta)` is the moving average `beta * m + (1 - beta) * g`, and `_add(g, a, w)` is `g + a * w`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt, Lt
from xprun.plugins.types import Decay, Fraction, NonNegative

if TYPE_CHECKING:
    from torch import Tensor


def sgd(
    w: Tensor,
    g: Tensor,
    b: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-3,
    momentum: NonNegative = 0.0,
    dampening: float = 0.0,
    weight_decay: NonNegative = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gradient descent along a decaying sum of the gradients, as `torch.optim.SGD`.

    The sum is momentum * b + (1 - dampening) * g, but undamped at the first step and without momentum.
    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); for `nesterov` Sutskever et
    al., "On the importance of initialization and momentum in deep learning" (2013).
    """
    g = _add(-g if maximize else g, weight_decay, w)
    damped = _when((t > 1) & (momentum != 0), dampening)
    b = _add(_add(g, -damped, g), momentum, b)
    return w - lr * (_add(g, momentum, b) if nesterov else b), b


def adam(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    v_max: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The average gradient over the root of the average squared gradient, as `torch.optim.Adam`.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015); for `amsgrad` Reddi, Kale and Kumar, "On the
    convergence of Adam and beyond" (2018).
    """
    beta1, beta2 = betas
    g = -g if maximize else g
    if decoupled_weight_decay:
        w = _add(w, -lr * weight_decay, w)
    else:
        g = _add(g, weight_decay, w)
    m = m.lerp(g, 1 - beta1)
    v = v.lerp(g * g, 1 - beta2)
    v_max = v_max.maximum(v) if amsgrad else v_max
    v_hat = (v_max if amsgrad else v) / (1 - beta2**t)
    return w - lr / (1 - beta1**t) * m / (v_hat.sqrt() + eps), m, v, v_max


def adamw(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    v_max: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 1e-2,
    amsgrad: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Adam with decoupled weight decay, as `torch.optim.AdamW`.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
    """
    beta1, beta2 = betas
    g = -g if maximize else g
    w = _add(w, -lr * weight_decay, w)
    m = m.lerp(g, 1 - beta1)
    v = v.lerp(g * g, 1 - beta2)
    v_max = v_max.maximum(v) if amsgrad else v_max
    v_hat = (v_max if amsgrad else v) / (1 - beta2**t)
    return w - lr / (1 - beta1**t) * m / (v_hat.sqrt() + eps), m, v, v_max


def adamax(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    u: Tensor,
    t: int,
    *,
    lr: NonNegative = 2e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Adam scaled by a decaying maximum of the gradients instead of their squares, as `torch.optim.Adamax`.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 7.1.
    """
    beta1, beta2 = betas
    g = _add(-g if maximize else g, weight_decay, w)
    m = m.lerp(g, 1 - beta1)
    u = (beta2 * u).maximum(g.abs() + eps)
    return w - lr / (1 - beta1**t) * m / u, m, u


def nadam(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    q: Tensor,
    t: int,
    *,
    lr: NonNegative = 2e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    momentum_decay: NonNegative = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Adam with Nesterov momentum, as `torch.optim.NAdam`.

    The paper divides by 1 - mu_1 * ... * mu_t; the state q is that divisor, which starts at zero.
    Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """
    beta1, beta2 = betas
    g = -g if maximize else g
    if decoupled_weight_decay:
        w = _add(w, -lr * weight_decay, w)
    else:
        g = _add(g, weight_decay, w)
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    q = mu * q + (1 - mu)
    q_next = mu_next * q + (1 - mu_next)
    m = m.lerp(g, 1 - beta1)
    v = v.lerp(g * g, 1 - beta2)
    v_hat = v / (1 - beta2**t)
    ahead = (1 - mu) * g / q + mu_next * m / q_next
    return w - lr * ahead / (v_hat.sqrt() + eps), m, v, q


def radam(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Adam with a rectified step size while few gradients have been seen, as `torch.optim.RAdam`.

    rho is the number of gradients that the average amounts to, r makes up for the variance that a small one has.
    Liu et al., "On the variance of the adaptive learning rate and beyond" (2020).
    """
    beta1, beta2 = betas
    g = -g if maximize else g
    if decoupled_weight_decay:
        w = _add(w, -lr * weight_decay, w)
    else:
        g = _add(g, weight_decay, w)
    m = m.lerp(g, 1 - beta1)
    v = v.lerp(g * g, 1 - beta2)
    m_hat = m / (1 - beta1**t)
    trusted, r = _rectifier(beta2, t)
    return w - lr * _where(trusted, r * m_hat / (v.sqrt() + eps), m_hat), m, v


def rmsprop(
    w: Tensor,
    g: Tensor,
    v: Tensor,
    g_mean: Tensor,
    b: Tensor,
    *,
    lr: NonNegative = 1e-2,
    alpha: NonNegative = 0.99,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    momentum: NonNegative = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradient over the root of the average squared gradient, as `torch.optim.RMSprop`.

    Tieleman and Hinton, "Lecture 6.5: RMSprop" (2012); for `centered` (the variance in place of the square) and
    `momentum` Graves, "Generating sequences with recurrent neural networks" (2013).
    """
    g = _add(-g if maximize else g, weight_decay, w)
    v = v.lerp(g * g, 1 - alpha)
    g_mean = g_mean.lerp(g, 1 - alpha) if centered else g_mean
    spread = v - g_mean * g_mean if centered else v
    b = _add(g / (spread.sqrt() + eps), momentum, b)
    return w - lr * b, v, g_mean, b


def adagrad(
    w: Tensor,
    g: Tensor,
    s: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-2,
    lr_decay: NonNegative = 0.0,
    weight_decay: NonNegative = 0.0,
    initial_accumulator_value: NonNegative = 0.0,
    eps: NonNegative = 1e-10,
    maximize: bool = False,
) -> tuple[Tensor, Tensor]:
    """The gradient over the root of the sum of all squared gradients, as `torch.optim.Adagrad`.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).
    """
    g = _add(-g if maximize else g, weight_decay, w)
    s = s + g * g
    lr = lr / (1 + (t - 1) * lr_decay)
    return w - lr * g / ((s + initial_accumulator_value).sqrt() + eps), s


def adadelta(
    w: Tensor,
    g: Tensor,
    v: Tensor,
    u: Tensor,
    *,
    lr: NonNegative = 1.0,
    rho: Fraction = 0.9,
    eps: NonNegative = 1e-6,
    weight_decay: NonNegative = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient over its root mean square, times that of the steps so far, as `torch.optim.Adadelta`.

    Zeiler, "ADADELTA: an adaptive learning rate method" (2012).
    """
    g = _add(-g if maximize else g, weight_decay, w)
    v = v.lerp(g * g, 1 - rho)
    step = (u + eps).sqrt() / (v + eps).sqrt() * g
    u = u.lerp(step * step, 1 - rho)
    return w - lr * step, v, u


def rprop(
    w: Tensor,
    g: Tensor,
    g_last: Tensor,
    delta: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-2,
    etas: tuple[Annotated[float, Gt(0), Lt(1)], Annotated[float, Gt(1)]] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Steps that grow while the gradient keeps its sign and shrink when it turns, as `torch.optim.Rprop`.

    The step size delta starts at lr; where the gradient turned, the step is left out.
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning" (1993).
    """
    eta_minus, eta_plus = etas
    g = -g if maximize else g
    kept, turned = g * g_last > 0, g * g_last < 0
    delta = _where(t > 1, delta, delta + lr)
    delta = _where(kept, eta_plus * delta, _where(turned, eta_minus * delta, delta)).clamp(*step_sizes)
    g = g.masked_fill(turned, 0.0)
    return w - delta * g.sign(), g, delta


def asgd(
    w: Tensor,
    g: Tensor,
    eta: Tensor,
    t: int,
    *,
    lr: NonNegative = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: NonNegative = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gradient descent with a falling step size eta and decaying weights, as `torch.optim.ASGD`.

    eta starts at lr, and each step sets that of the next.

    The class also averages the weights from step `t0` on, but never uses the average; nor does the rule.
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
    """
    g = _add(-g if maximize else g, weight_decay, w)
    eta = _where(t > 1, eta, eta + lr)
    w = (1 - lambd * eta) * w - eta * g
    return w, 0 * eta + lr / (1 + lambd * lr * t) ** alpha


def _when(condition: Any, value: Any) -> Any:
    """Return the value where the condition holds and 0 elsewhere; a plain 0 stays one."""
    return 0.0 if isinstance(value, int | float) and value == 0 else value * condition


def _add(x: Tensor, a: float | Tensor, y: Tensor) -> Tensor:
    """Return x + a * y in one pass, or none where a lone run has a = 0."""
    if isinstance(a, (int, float)):
        return x.add(y, alpha=a) if a else x
    return x.addcmul(a, y)


def _where(condition: bool | Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Return `yes` where the condition holds, else `no`; a lone run's condition may be a plain bool."""
    if isinstance(condition, bool):
        return yes if condition else no
    return yes.where(condition, no)


def _rectifier(beta2: Any, t: Any) -> tuple[Any, Any]:
    """Return whether rho > 5, and RAdam's factor r * sqrt(1 - beta2**t), which means nothing where it is not.

    rho is a small difference of large numbers: in single precision it would be wrong by 1 for beta2 = 0.9999.
    """
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    at_inf, at_t = 5 + (rho_inf - 5) * (rho_inf > 5), 5 + (rho - 5) * (rho > 5)
    r = ((at_t - 4) * (at_t - 2) * at_inf / ((at_inf - 4) * (at_inf - 2) * at_t)) ** 0.5
    return rho > 5, r * (1 - beta2**t) ** 0.5


FUNCTIONAL_OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "ASGD": asgd,
    "Adadelta": adadelta,
    "Adagrad": adagrad,
    "Adam": adam,
    "AdamW": adamw,
    "Adamax": adamax,
    "NAdam": nadam,
    "RAdam": radam,
    "RMSprop": rmsprop,
    "Rprop": rprop,
    "SGD": sgd,
}
