"""Rich and lazy learning: how far learning moved weights, tangent kernel and activity.

Lazy learning leaves the tangent kernel where it was, and solves the task by small changes of many
weights; rich learning changes kernel and activity (docs/model/rate.md, section 7; Chizat et al.
2019; Y. H. Liu et al. 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet.rate._trajectories import (
    Floats,
    Trajectory,
    Workspace,
    compute_slopes,
    cut_trials,
    pad_columns,
)
from binnet.rate.model import WEIGHTS, RateRNN, check_inputs, follow, to_double


@dataclass(frozen=True, eq=False)
class LearningRegime:
    """What learning changed; small changes and alignments near 1 are lazy learning.

    Attributes
    ----------
    weight_change : dict of str to float
        ``|W - W0| / |W0|`` (Frobenius) of "recurrent", "input_weights" and "readout"; inf where
        weights were 0 and are not any more.
    change_rank : float
        Participation ratio ``(sum s²)² / sum s⁴`` of the singular values s of the change of W_h,
        from 1 to N; 0 without a change.
    change_entropy_rank : float
        ``exp(-sum p log p)`` with p = s / sum s, the effective rank of Roy and Vetterli (2007);
        0 without a change.
    kernel_alignment : float
        Cosine ``Tr(K0 K) / (|K0| |K|)`` of the tangent kernels before and after, from 0 to 1; nan
        if one of them is 0.
    representation_alignment : float
        The same for ``R R^T`` with the rates R of all steps and trials; nan if a network is silent.
    centred_representation_alignment : float
        The same with the mean rate of each neuron taken off (linear CKA, Kornblith et al. 2019).
    """

    weight_change: dict[str, float]
    change_rank: float
    change_entropy_rank: float
    kernel_alignment: float
    representation_alignment: float
    centred_representation_alignment: float


def learning_regime(
    before: RateRNN, after: RateRNN, inputs: ArrayLike, mask: ArrayLike | None = None
) -> LearningRegime:
    """Compare a network before and after learning on probe trials.

    Parameters
    ----------
    before, after : RateRNN
        The network; all but its weights is the same.
    inputs : array_like, shape (B, T, N_in)
        x_0..x_{T-1} of the probe trials.
    mask : array_like, shape (B, T), optional
        Weights >= 0 of the steps that outputs are averaged over, as for `tangent_kernel`.

    Returns
    -------
    LearningRegime
        Changes of weights, and alignments. All is computed in float64.

    Raises
    ------
    TypeError, ValueError
        If the networks differ in more than their weights, or inputs or mask have a wrong type or
        shape.

    Examples
    --------
    >>> from binnet.rate import RateConfiguration, learning_regime, start_network, tasks, train
    >>> configuration = RateConfiguration(iterations=10)
    >>> before, after = start_network(configuration), train(configuration).network
    >>> probe = tasks.romo(batch_size=8, seed=1)
    >>> learning_regime(before, after, probe.inputs, probe.mask).kernel_alignment > 0.5
    True
    """
    _check_alike(before, after)
    one, other = to_double(before), to_double(after)
    x = check_inputs(one, inputs)
    steps = _check_steps(mask, x.shape[:2])
    kernels, rates = [], []
    for network in (one, other):
        work = Workspace()
        trajectory = follow(network, x, work)
        rates.append(trajectory.rates[:, 1:].reshape(-1, network.n_neurons).copy())
        rows = _differentiate(network, x, trajectory, steps, work)
        kernels.append(rows @ rows.T)
    singular = np.linalg.svd(other.recurrent - one.recurrent, compute_uv=False)
    return LearningRegime(
        {name: _relative_change(getattr(one, name), getattr(other, name)) for name in WEIGHTS},
        _participation_ratio(singular),
        _entropy_rank(singular),
        _align(*kernels),
        _align_features(*rates),
        _align_features(*(r - r.mean(axis=0) for r in rates)),
    )


def tangent_kernel(
    network: RateRNN, inputs: ArrayLike, mask: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the (neural) tangent kernel K = J J^T of the mean outputs of trials.

    J holds the derivatives of the mean of each trial's and output's y_t over the steps that count,
    by all weights that are trained, the couplings that exist. One pass of BPTT takes all trials and
    outputs; time O(B N_out T N²), memory O(B N_out N (N + T)).

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        x_0..x_{T-1} of each trial.
    mask : array_like, shape (B, T), optional
        Weights >= 0 of the steps in the mean, such as 1 during the response. Default: all 1.

    Returns
    -------
    ndarray, shape (B N_out, B N_out)
        K in float64; the outputs of the first trial come first.

    Raises
    ------
    TypeError, ValueError
        If inputs or mask have a wrong type or shape, or a trial has no step that counts.
    """
    double = to_double(network)
    x = check_inputs(double, inputs)
    steps, work = _check_steps(mask, x.shape[:2]), Workspace()
    rows = _differentiate(double, x, follow(double, x, work), steps, work)
    return rows @ rows.T


def _check_alike(before: RateRNN, after: RateRNN) -> None:
    shapes = [[w.shape for w in network.weights().values()] for network in (before, after)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"before and after must have weights of the same shapes, got {shapes[0]} and "
            f"{shapes[1]}: pass one network before and after learning"
        )
    for name in ("leak", "activation"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            raise ValueError(
                f"before and after must have the same {name}, got {one!r} and {other!r}: pass one "
                "network before and after learning"
            )
    if not np.array_equal(_find_connections(before), _find_connections(after)):
        raise ValueError(
            "before and after must have the same connections, got others: pass one network before "
            "and after learning"
        )


def _find_connections(network: RateRNN) -> NDArray[np.bool_]:
    """Return which couplings exist, shape (N, N)."""
    if network.connections is None:
        return np.ones(network.recurrent.shape, np.bool_)
    return network.connections


def _check_steps(mask: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    """Return the weights of steps (B, T), which sum to 1 in each trial."""
    steps = np.ones(shape) if mask is None else np.asarray(mask)
    if steps.shape != shape or steps.dtype.kind not in "biuf":
        raise ValueError(
            f"mask must be real weights of shape (B, T) = {shape}, got {steps.dtype} of shape "
            f"{steps.shape}"
        )
    steps = steps.astype(np.float64)
    if not np.isfinite(steps).all() or steps.min() < 0:
        raise ValueError("mask must hold finite weights >= 0; 0 leaves a step out")
    totals = steps.sum(axis=1, keepdims=True)
    if not totals.all():
        trial = int(np.flatnonzero(totals == 0)[0])
        raise ValueError(
            f"mask is 0 at all steps of trial {trial}: give a weight > 0 to at least one, or leave "
            "the trial out"
        )
    weights: Floats = steps / totals
    return weights


def _differentiate(
    network: RateRNN, inputs: Floats, trajectory: Trajectory, steps: Floats, work: Workspace
) -> NDArray[np.float64]:
    """Return J (B N_out, number of weights): BPTT with a trial for each trial and output."""
    from binnet_kernels.rate.steps import backpropagate_rate

    (n_trials, n_times, n), n_outputs = trajectory.rates.shape, network.n_outputs
    n_inputs, n_rows = network.n_inputs, n_trials * n_outputs
    n_weights = n * (n + n_inputs + n_outputs)
    check_memory(
        f"{n_trials} trials, {n_outputs} outputs and {n_weights} weights: the tangent kernel",
        8.0 * n_rows * (2 * n_weights + 3 * n_times * n),
        "take fewer trials",
    )

    def repeat(values: Floats) -> Floats:
        return np.repeat(values, n_outputs, axis=0)

    slopes = repeat(compute_slopes(network.activation, trajectory.rates, work))
    through = np.zeros((n_trials, n_outputs, n_times, n))  # dy/df(h), 0 at h_0
    through[:, :, 1:] = steps[:, None, :, None] * network.readout[:, None]
    signals = through.reshape(n_rows, n_times, n) * slopes
    deltas = np.zeros_like(signals)
    recurrent = pad_columns(network.recurrent, "recurrent", work)
    field = work.take("field", (1, recurrent.shape[1]), network.dtype)
    for b in cut_trials(signals):
        backpropagate_rate(
            recurrent, signals[b], slopes[b], network.dtype.type(network.leak), deltas[b], field,
            np.arange(n),
        )  # fmt: skip
    back = np.swapaxes(deltas, 1, 2)
    of_recurrent = back @ repeat(trajectory.rates)
    if network.connections is not None:
        of_recurrent *= network.connections  # couplings that do not exist do not learn
    of_inputs = back[:, :, :-1] @ repeat(inputs)
    # An output is moved by its own row of the readout: by the mean rates.
    of_readout = np.zeros((n_trials, n_outputs, n_outputs, n))
    mean_rates = np.einsum("bt,btn->bn", steps, trajectory.rates[:, 1:])
    of_readout[:, np.arange(n_outputs), np.arange(n_outputs)] = mean_rates[:, None]
    parts = (of_recurrent, of_inputs, of_readout)
    return np.concatenate([part.reshape(n_rows, -1) for part in parts], axis=1)


def _relative_change(before: Floats, after: Floats) -> float:
    change, size = float(np.linalg.norm(after - before)), float(np.linalg.norm(before))
    if size == 0:
        return math.inf if change else 0.0
    return change / size


def _participation_ratio(singular: NDArray[Any]) -> float:
    if not singular.any():
        return 0.0
    powers = (singular / singular.max()) ** 2
    return float(powers.sum() ** 2 / (powers**2).sum())


def _entropy_rank(singular: NDArray[Any]) -> float:
    if not singular.any():
        return 0.0
    p = singular[singular > 0] / singular.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def _align(one: Floats, other: Floats) -> float:
    """Return the cosine of two kernels."""
    sizes = np.linalg.norm(one), np.linalg.norm(other)
    if 0 in sizes:
        return math.nan
    return float(np.vdot(one / sizes[0], other / sizes[1]))


def _align_features(one: Floats, other: Floats) -> float:
    """Return the cosine of X X^T of two arrays X (rows, N), without these large matrices."""
    sizes = np.linalg.norm(one.T @ one), np.linalg.norm(other.T @ other)
    if 0 in sizes:
        return math.nan
    between = np.linalg.norm(one.T @ other)
    return float((between / sizes[0]) * (between / sizes[1]))
