"""Simple models of numbers, fitted on top of what is known already: linear ones, of random ReLU features too.

Random features: Rahimi & Recht 2008. Both fits are penalised, so that a thousand examples are enough.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_FEATURES = 256
PENALTY = 1e-2
_LEAST_SPREAD = 0.1
_MAX_INDICATORS = 1024


def logistic(
    x: Tensor, targets: Tensor, known: Tensor, num_random: int = NUM_FEATURES, penalty: float = PENALTY
) -> "Fitted":
    """Logistic regression on classes, (n,), or on zeros and ones, (n, K).

    Args:
        x: numbers, (n, D).
        known: logits that the model adds to, (n, K) or (K,).
        num_random: random features besides the numbers themselves.
        penalty: of the squares of the weights, beside the mean loss.
    """
    features = Features(x, num_random)
    x = features(x)
    loss_fn = F.binary_cross_entropy_with_logits if targets.is_floating_point() else F.cross_entropy
    with torch.enable_grad():
        weight = torch.zeros(x.shape[1], known.shape[-1], requires_grad=True)
        bias = torch.zeros(known.shape[-1], requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=25, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = loss_fn(known + x @ weight + bias, targets) + penalty * weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
    return Fitted(features, weight.detach(), bias.detach())


def regressed(
    x: Tensor,
    targets: Tensor,
    known: Tensor | None = None,
    num_random: int = NUM_FEATURES,
    penalty: float = PENALTY,
) -> "Fitted":
    """Ridge regression of `targets`, (n, K), less what is known of them, in closed form; else as `logistic`."""
    features = Features(x, num_random)
    rest = targets.double() if known is None else targets.double() - known.double()
    x = F.pad(features(x), (0, 1), value=1.0).double()
    ridge = penalty * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(x.T @ x + ridge, x.T @ rest)
    return Fitted(features, weight[:-1].float(), weight[-1].float())


class Features:
    """The numbers themselves and random ReLU features of them, all of mean 0 and deviation 1 in `x`, (n, D)."""

    def __init__(self, x: Tensor, num_random: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self._numbers: tuple[Tensor, Tensor] = _moments(x)
        self._weight: Tensor = torch.randn(x.shape[1], num_random, generator=generator) / x.shape[1] ** 0.5
        self._bias: Tensor = torch.randn(num_random, generator=generator)
        self._hidden: tuple[Tensor, Tensor] = (x, x)
        if num_random:
            mean, spread = _moments(self._drawn(_standardised(x, self._numbers)))
            self._hidden = mean, spread.clamp_min(_LEAST_SPREAD)  # what is zero for almost all is not blown up

    def _drawn(self, x: Tensor) -> Tensor:
        return (x @ self._weight + self._bias).relu()

    def __call__(self, x: Tensor) -> Tensor:
        x = _standardised(x, self._numbers)
        if not len(self._bias):
            return x
        return torch.cat((x, _standardised(self._drawn(x), self._hidden)), 1)


class Fitted:
    """What a fit adds to what is known, (n, K), for other examples, (n, D)."""

    def __init__(self, features: Features, weight: Tensor, bias: Tensor) -> None:
        self._features: Features = features
        self._weight: Tensor = weight
        self._bias: Tensor = bias

    def __call__(self, x: Tensor) -> Tensor:
        return self._features(x) @ self._weight + self._bias


def by_place(symbols: Tensor) -> Tensor | None:
    """Which symbol stands at each of P places, (n, P·V); None where these are too many."""
    values, ids = torch.unique(symbols, return_inverse=True)
    if ids.shape[1] * len(values) > _MAX_INDICATORS:
        return None
    return F.one_hot(ids, len(values)).reshape(len(ids), -1).float()


def in_any_order(symbols: Tensor) -> Tensor | None:
    """How often each symbol occurs in an example, (n, V); None where these are too many."""
    values, ids = torch.unique(symbols, return_inverse=True)
    if len(values) > _MAX_INDICATORS:
        return None
    return torch.zeros(len(ids), len(values)).scatter_add_(1, ids, torch.ones(ids.shape))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(0), x.std(0).clamp_min(1e-6)


def _standardised(x: Tensor, moments: tuple[Tensor, Tensor]) -> Tensor:
    mean, spread = moments
    return (x - mean) / spread
