"""Batch norm in the three conventions that are in use (`moreish.models.conventions`), and layer norm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moreish.errors import ShapeError
from moreish.models.conventions import CONVENTIONS, Convention
from moreish.recipe import BatchNormConvention, Norm


class BatchNorm(nn.Module):
    """Batch norm over all axes but the last: (…, H) → (…, H).

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167; makemore lecture 3 for the other two conventions.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor  # this one or the next, as the convention has it
    running_std: Tensor

    def __init__(self, size: int, convention: BatchNormConvention) -> None:
        super().__init__()
        self.convention: BatchNormConvention = convention
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer(CONVENTIONS[convention].spread, torch.ones(size))

    @property
    def momentum(self) -> float:
        """Share of the batch in the new running value."""
        return CONVENTIONS[self.convention].momentum

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in training by the batch (and take note of it), in evaluation by the running values.

        Raises:
            ShapeError: in training, a batch of one has no variance.
        """
        if self.training and x.numel() == x.shape[-1]:
            raise ShapeError(f"Batch norm got a batch of one, shape {tuple(x.shape)}; it needs at least 2 examples.")
        constants = CONVENTIONS[self.convention]
        if self.convention == "pytorch":
            flat = x.reshape(-1, x.shape[-1])
            out = F.batch_norm(
                *(flat, self.running_mean, self.running_var, self.weight, self.bias),
                training=self.training,
                momentum=constants.momentum,
                eps=constants.epsilon,
            )
            return out.view(x.shape)
        return self._lecture(x, constants) if self.convention == "lecture" else self._notebook(x, constants)

    # The operations of these two stand in the order of the lecture and the notebook, so that even rounding agrees.

    def _lecture(self, x: Tensor, constants: Convention) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        if self.training:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes, keepdim=True), x.var(axes, keepdim=True)
            self._remember(constants.momentum, running_mean=mean, running_var=variance)
        xhat = (x - mean) / torch.sqrt(variance + constants.epsilon)
        return self.weight * xhat + self.bias

    def _notebook(self, x: Tensor, constants: Convention) -> Tensor:
        mean, std = self.running_mean, self.running_std
        if self.training:
            axes = tuple(range(x.ndim - 1))
            mean, std = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
            self._remember(constants.momentum, running_mean=mean, running_std=std)
        return self.weight * (x - mean) / std + self.bias

    @torch.no_grad()
    def _remember(self, momentum: float, **batch: Tensor) -> None:
        for name, value in batch.items():
            running = self.get_buffer(name)
            running.copy_((1 - momentum) * running + momentum * value.view(-1))


class LayerNorm(nn.Module):
    """Layer norm over the last axis, epsilon 1e-5: (…, H) → (…, H). Source: Ba et al. 2016, arXiv:1607.06450."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every example by its own mean and variance."""
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-5)


def make_norm(name: Norm, size: int, convention: BatchNormConvention) -> BatchNorm | LayerNorm | None:
    """The norm of a recipe; None for "none"."""
    if name == "batch":
        return BatchNorm(size, convention)
    return LayerNorm(size) if name == "layer" else None
