"""The native kernels as differentiable functions of stacked tensors.

All tensors are float32. Their first axis is the run: models that are trained together have
one slice each.
"""

from typing import Any

import torch
from torch import Tensor

from invariance_probe.kernels.library import native


class _Affine(torch.autograd.Function):
    """Affine map x @ weight + bias, with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, halves: bool) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        out = x.new_empty(*x.shape[:2], weight.shape[2])
        native().call("affine", x, weight, bias.contiguous(), out, *_sizes(x, weight), halves)
        ctx.save_for_backward(x, weight)
        ctx.halves = halves
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_weight, grad_bias = (
            torch.empty_like(weight),
            weight.new_empty(weight.shape[0], 1, weight.shape[2]),
        )
        grad = gradients[0].contiguous()
        native().call(
            "affine_backward",
            grad,
            x,
            weight,
            grad_x,
            grad_weight,
            grad_bias,
            *_sizes(x, weight),
            ctx.halves,
        )
        return grad_x, grad_weight, grad_bias, None


class _NormedReLU(torch.autograd.Function):
    """ReLU(scale * BN(x @ weight) + shift), with its gradients; BN is batch norm."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scale: Tensor,
        shift: Tensor,
        epsilon: float,
        halves: bool,
    ) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        normed = x.new_empty(*x.shape[:2], weight.shape[2])
        out, inverse = torch.empty_like(normed), torch.empty_like(scale)
        sizes = _sizes(x, weight)
        native().call(
            "normed_relu",
            x,
            weight,
            scale.contiguous(),
            shift.contiguous(),
            normed,
            inverse,
            out,
            *sizes,
            epsilon,
            halves,
        )
        ctx.save_for_backward(x, weight, scale, normed, inverse, out)
        ctx.halves = halves
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale, normed, inverse, out = ctx.saved_tensors
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_weight, grad_scale, grad_shift = (
            torch.empty_like(weight),
            torch.empty_like(scale),
            torch.empty_like(scale),
        )
        read = (gradients[0].contiguous(), x, weight, scale.contiguous(), normed, inverse, out)
        written = (grad_x, grad_weight, grad_scale, grad_shift)
        native().call("normed_relu_backward", *read, *written, *_sizes(x, weight), ctx.halves)
        return grad_x, grad_weight, grad_scale, grad_shift, None, None


class _Contrast(torch.autograd.Function):
    """NT-Xent loss, with its gradient, which the forward pass computes."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float, halves: bool) -> Tensor:
        z = z.contiguous()
        loss, gradient = z.new_empty(len(z)), torch.empty_like(z)
        native().call("contrast", z, float(temperature), loss, gradient, *z.shape, halves)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * gradients[0].view(-1, 1, 1), None, None


def _sizes(x: Tensor, weight: Tensor) -> tuple[int, int, int, int]:
    """Return the numbers of runs, rows, inputs and outputs."""
    return *x.shape, weight.shape[2]


def affine(x: Tensor, weight: Tensor, bias: Tensor, halves: bool) -> Tensor:
    """Compute the affine map x @ weight + bias with the native kernels.

    Parameters
    ----------
    x
        Inputs (run, row, in).
    weight
        Weights (run, in, width).
    bias
        Biases (run, 1, width).
    halves
        Whether the factors of products are rounded to bfloat16.

    Returns
    -------
    out
        Outputs (run, row, width).
    """
    return _Affine.apply(x, weight, bias, halves)


def normed_relu(
    x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, epsilon: float, halves: bool
) -> Tensor:
    """Compute ReLU(scale * BN(x @ weight) + shift) with the native kernels.

    The batch norm BN is over the rows of each run.

    Parameters
    ----------
    x
        Inputs (run, row, in).
    weight
        Weights (run, in, width).
    scale, shift
        Learned scale and shift of the batch norm (run, 1, width).
    epsilon
        Small number added to the variance.
    halves
        Whether the factors of products are rounded to bfloat16.

    Returns
    -------
    out
        Outputs (run, row, width).
    """
    return _NormedReLU.apply(x, weight, scale, shift, epsilon, halves)


def contrast(z: Tensor, temperature: float, halves: bool) -> Tensor:
    """Compute the NT-Xent loss of each run with the native kernels.

    The gradient is computed along with the loss.

    Parameters
    ----------
    z
        Unit vectors (run, 2 batch, width): all first views, then all second views.
    temperature
        Positive number that divides the similarities.
    halves
        Whether the factors of products are rounded to bfloat16.

    Returns
    -------
    loss
        Loss of each run (run,).
    """
    return _Contrast.apply(z, temperature, halves)
