"""Losses over the steps of a trial, and their gradients with respect to the output."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.rate._trajectories import Floats

LOSSES = ("squared", "cross_entropy")


class Goal(NamedTuple):
    """Targets and weights of a batch of trials, checked and ready for `compute_error`."""

    loss: str
    targets: NDArray[Any]
    mask: Floats


def make_goal(
    loss: str,
    targets: ArrayLike,
    mask: ArrayLike | None,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
) -> Goal:
    """Check targets and mask against outputs of the given shape (B, T, N_out)."""
    steps = shape[:2]
    array = np.asarray(targets)
    if loss == "squared":
        if array.shape != shape or array.dtype.kind not in "iuf":
            raise ValueError(
                f"targets must be real numbers of shape (B, T, N_out) = {shape}, got "
                f"{array.dtype} of shape {array.shape}"
            )
        with np.errstate(over="ignore"):  # told in one sentence
            array = array.astype(dtype, copy=False)
        if not np.isfinite(array).all():
            raise ValueError(
                "targets must be finite, got NaN or infinity; such steps "
                "take a target of 0 and a weight of 0 in mask"
            )
    else:
        if array.shape != steps or array.dtype.kind not in "iu":
            raise ValueError(
                f"targets must be integer labels of shape (B, T) = {steps}, got {array.dtype} of "
                f"shape {array.shape}"
            )
        if array.min() < 0 or array.max() >= shape[2]:
            raise ValueError(
                f"targets must be labels 0..{shape[2] - 1}, one for each output, got "
                f"{array.min()}..{array.max()}"
            )
    return Goal(loss, array, _check_mask(mask, steps, shape if loss == "squared" else steps, dtype))


def _check_mask(
    mask: ArrayLike | None, steps: tuple[int, int], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Floats:
    weights = np.ones(steps) if mask is None else np.asarray(mask)
    if weights.shape not in (steps, shape) or weights.dtype.kind not in "biuf":
        raise ValueError(
            f"mask must be real weights of shape (B, T) = {steps} or that of the targets, got "
            f"{weights.dtype} of shape {weights.shape}"
        )
    with np.errstate(over="ignore"):  # told in one sentence
        weights = weights.astype(dtype)
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError("mask must hold finite weights >= 0; 0 leaves a step out")
    if not weights.sum() >= np.finfo(dtype).tiny:  # or nothing can be divided by it
        raise ValueError(
            "mask is all zeros: no step would count; give a weight > 0 to at least one step"
        )
    if weights.shape != shape:
        weights = np.ascontiguousarray(np.broadcast_to(weights[..., None], shape))
    return weights


def compute_error(outputs: Floats, goal: Goal) -> tuple[float, Floats]:
    """Return the loss and its gradient with respect to the outputs.

    ``squared`` is sum m (y - target)² / (2 sum m) over steps and outputs, ``cross_entropy``
    sum m (-log softmax(y)[label]) / sum m over steps (docs/model/rate.md, eq. (3.1)).
    """
    mask = goal.mask
    total = float(mask.sum(dtype=np.float64))
    if goal.loss == "squared":
        difference = outputs - goal.targets
        error = mask * difference
        loss = float(np.vdot(error, difference)) / (2 * total)
        error *= outputs.dtype.type(1 / total)
        return loss, error
    shifted = outputs - outputs.max(axis=2, keepdims=True)
    error = np.exp(shifted)
    sums = error.sum(axis=2, keepdims=True)
    labels = goal.targets[..., None]
    log_likelihood = np.take_along_axis(shifted, labels, 2) - np.log(sums)
    loss = -float(np.vdot(log_likelihood[..., 0], mask)) / total
    error /= sums
    np.put_along_axis(error, labels, np.take_along_axis(error, labels, 2) - 1, 2)
    error *= (mask * outputs.dtype.type(1 / total))[..., None]
    return loss, error
