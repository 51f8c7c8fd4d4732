"""Stacked layers: the first axis of every parameter is the run (one model).

No layer mixes runs. `LinearBatchNormReLU` is one autograd function with a hand-written
backward pass, because small networks spend most of their time on many small passes over
memory. It has no bias, because batch norm would subtract it.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.kernels.arithmetic import PLAIN, Arithmetic
from invariance_probe.kernels.functions import affine, normed_relu

EPSILON = 1e-5
"""Added to the variance in batch norm.

Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1.
"""


class StackedLayer(nn.Module):
    """A layer whose matrix products are computed as its `arithmetic` says.

    The training loop sets `arithmetic`: products by torch or by native kernels, in
    single precision or in bfloat16.
    """

    arithmetic: Arithmetic = PLAIN


class _LinearBatchNormReLU(torch.autograd.Function):
    """Linear map, batch norm and ReLU, with a hand-written backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, arithmetic: Arithmetic
    ) -> Tensor:
        hidden = arithmetic.product(x, weight)
        hidden.sub_(hidden.mean(1, keepdim=True))
        inverse = hidden.square().mean(1, keepdim=True).add_(EPSILON).rsqrt_()
        normed = hidden.mul_(inverse)
        out = torch.addcmul(shift, normed, scale).relu_()
        ctx.save_for_backward(x, weight, scale, normed, inverse, out)
        ctx.arithmetic = arithmetic
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale, normed, inverse, out = ctx.saved_tensors
        grad = gradients[0] * (out > 0)
        grad_shift = grad.sum(1, keepdim=True)
        grad_scale = (grad * normed).sum(1, keepdim=True)
        rows = x.shape[1]
        grad.sub_(grad_shift / rows).addcmul_(normed, grad_scale / rows, value=-1.0).mul_(
            scale * inverse
        )
        grad_weight = ctx.arithmetic.product(x.transpose(1, 2), grad)
        grad_x = (
            ctx.arithmetic.product(grad, weight.transpose(1, 2))
            if ctx.needs_input_grad[0]
            else None
        )
        return grad_x, grad_weight, grad_scale, grad_shift, None


class LinearBatchNormReLU(StackedLayer):
    """Linear map, batch norm over the rows of each run, then ReLU.

    It maps (run, row, in) to (run, row, out).

    Parameters
    ----------
    weight
        Initial weights (run, in, out).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        runs, _, width = weight.shape
        self.weight = nn.Parameter(weight)
        self.scale = nn.Parameter(weight.new_ones(runs, 1, width))
        self.shift = nn.Parameter(weight.new_zeros(runs, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; batch norm uses the batch's own statistics.

        Parameters
        ----------
        x
            (run, row, in).

        Returns
        -------
        out
            (run, row, out).
        """
        if self.arithmetic.native:
            return normed_relu(
                x, self.weight, self.scale, self.shift, EPSILON, self.arithmetic.halves
            )
        return _LinearBatchNormReLU.apply(x, self.weight, self.scale, self.shift, self.arithmetic)

    def folded(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the affine map that the layer is with frozen batch-norm statistics.

        The ReLU is not included.

        Parameters
        ----------
        x
            Inputs (run, row, in).
        rows
            Weight of each row in the statistics (run, 1, row), summing to 1.

        Returns
        -------
        weight, bias
            (run, in, out) and (run, 1, out).
        """
        hidden = torch.bmm(x, self.weight)
        mean = torch.bmm(rows, hidden)
        variance = torch.bmm(rows, (hidden - mean).square())
        factor = self.scale * (variance + EPSILON).rsqrt()
        return self.weight * factor, self.shift - mean * factor


def standardised(x: Tensor) -> Tensor:
    """Standardise columns over a run's rows: batch norm without scale or shift.

    Parameters
    ----------
    x
        (run, row, ...).

    Returns
    -------
    x
        Each column has mean 0 and variance 1 over the rows of its run (up to
        `EPSILON`).
    """
    centred = x - x.mean(1, keepdim=True)
    return centred * (centred.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class StackedLinear(StackedLayer):
    """Affine map with one weight matrix and one bias per run.

    It maps (run, row, in) to (run, row, out).

    Parameters
    ----------
    weight
        Initial weights (run, in, out); the bias starts at 0.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(weight.new_zeros(weight.shape[0], 1, weight.shape[2]))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each run's map to its rows.

        Parameters
        ----------
        x
            (run, row, in).

        Returns
        -------
        out
            (run, row, out).
        """
        if self.arithmetic.native:
            return affine(x, self.weight, self.bias, self.arithmetic.halves)
        if self.arithmetic.halves:
            return self.arithmetic.product(x, self.weight) + self.bias
        return shifted_product(self.bias, x, self.weight)


def shifted_product(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Compute `x @ weight + bias` of K stacked runs, in bits independent of K.

    For a single run with a single output column, torch would call another routine
    (matrix times vector), which sums in another order. A run that is trained alone, for
    example because the others of its stack were stored before, would then differ in the
    last bits from the same run trained among them.

    Parameters
    ----------
    bias
        (run, 1, out).
    x
        (run, row, in).
    weight
        (run, in, out).

    Returns
    -------
    out
        (run, row, out).
    """
    if len(x) > 1 or weight.shape[2] > 1:
        return torch.baddbmm(bias, x, weight)
    return torch.baddbmm(*(part.expand(2, -1, -1) for part in (bias, x, weight)))[:1]


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), with bits that do not depend on a value's place in `x`.

    On the CPU, `torch.sigmoid` (like torch's softplus, silu, elu and gelu) computes the
    last few values of a tensor one by one. These can differ in the last bit from what
    it computes for the same values elsewhere, so the result of a run would depend on
    its index in the stack. tanh has no such difference.
    """
    return (x / 2).tanh() / 2 + 0.5


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), with bits that do not depend on a value's place in `x`.

    On the CPU, torch's own softplus depends on the place; see `sigmoid`.
    """
    return x.clamp_min(0) + (-x.abs()).exp().log1p()


def initial_weight(
    generators: list[np.random.Generator], inputs: int, outputs: int, gain: float = 2.0
) -> Tensor:
    """Draw normally distributed initial weights with variance gain / inputs.

    He et al. 2015, arXiv:1502.01852, Eq. 10.

    Parameters
    ----------
    generators
        One per run.
    inputs, outputs
        Widths of the layer.
    gain
        2 before a ReLU, 1 otherwise.

    Returns
    -------
    weight
        (run, in, out), float64.
    """
    drawn = [generator.standard_normal((inputs, outputs)) for generator in generators]
    return torch.from_numpy(np.stack(drawn)) * (gain / inputs) ** 0.5
