"""Gradient flossing: push the leading Lyapunov exponents towards 0 before a network learns.

The loss is the sum of the squared exponents (Engelken 2024). Its gradient goes through every
QR step; the *full* one follows the tangent vectors back through time, the *local* one takes the
basis that comes into a step as given, so that a weight needs only what happens in that step (Liu
et al. 2024; docs/model/rate.md, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from binnet._progress import progress_bar
from binnet._validation import check_choice, check_integer
from binnet.rate._tangents import apply_jacobian, check_spectrum, first_basis, orthonormalise
from binnet.rate._trajectories import (
    Floats,
    Workspace,
    compute_slopes,
    cut_trials,
    pad_columns,
)
from binnet.rate.lyapunov import WARMUP
from binnet.rate.model import RateRNN, check_inputs, follow
from binnet.rate.optimisers import Adam
from binnet.rate.tasks import Task, get

FLOSSINGS = ("local", "full")


class FlossingGradient(NamedTuple):
    """Flossing loss, its gradient, and the exponents that it is about.

    Attributes
    ----------
    loss : float
        Sum of the squares of the exponents.
    grads : dict of str to ndarray
        Gradient by "recurrent" and "input_weights". The latter is 0 for ReLU, whose slopes do not
        change with small changes of the state, and in the local version.
    exponents : ndarray, shape (k,)
        The exponents, means over trials, per step.
    """

    loss: float
    grads: dict[str, Floats]
    exponents: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlossingResult:
    """What flossing leaves.

    Attributes
    ----------
    network : RateRNN
        The network, its recurrent weights changed.
    exponents : ndarray, shape (iterations, k)
        The exponents before each iteration's step.
    """

    network: RateRNN
    exponents: NDArray[np.float64]


def flossing_gradient(
    network: RateRNN,
    inputs: ArrayLike,
    n_exponents: int,
    *,
    version: str = "local",
    warmup: int = WARMUP,
    seed: int = 0,
) -> FlossingGradient:
    """Return the gradient of the sum of squared Lyapunov exponents.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        Inputs of B trials; the exponents are means over them.
    n_exponents : int
        k, between 1 and N.
    version : {"local", "full"}, default "local"
        Whether the incoming basis of each step is held constant, or followed through time.
    warmup : int, default 8
        First steps that do not count.
    seed : int, default 0
        Of the first basis.

    Returns
    -------
    FlossingGradient
        Loss, gradient and exponents.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    """
    check_choice("version", version, FLOSSINGS)
    x = check_inputs(network, inputs)
    n_exponents, warmup = check_spectrum(network, x, n_exponents, warmup)
    work = Workspace()
    trajectory = follow(network, x, work)
    slopes = compute_slopes(network.activation, trajectory.rates, work)
    n_trials, n_steps = x.shape[:2]

    bases, factors = [first_basis(network, n_exponents, seed, n_trials)], []
    for t in range(n_steps):
        q, r = orthonormalise(apply_jacobian(network, slopes[:, t], bases[t]))
        bases.append(q)
        factors.append(r)
    logs = np.log([np.diagonal(r, axis1=1, axis2=2) for r in factors[warmup:]])
    exponents = logs.mean(axis=(0, 1))

    # Reverse mode. A bar marks the derivative of the loss: q_bar is that with respect to Q_{t+1}.
    a, n = network.leak, network.n_neurons
    recurrent = network.recurrent.astype(np.float64)
    g = 2 * exponents / (n_trials * (n_steps - warmup))
    recurrent_bar = np.zeros((n, n))
    slopes_bar = np.zeros(slopes.shape)
    q_bar = np.zeros(bases[0].shape)
    full = version == "full"
    for t in range(n_steps - 1, -1, -1) if full else range(warmup, n_steps):
        q_in, q_out, slope = bases[t], bases[t + 1], slopes[:, t, :, None]
        inner = np.diag(g) if t >= warmup else np.zeros((n_exponents, n_exponents))
        if full:
            inner = inner - _copy_lower(np.swapaxes(q_bar, 1, 2) @ q_out)
        # M_bar = (Q_bar + Q S) R^{-T}
        m_bar = _solve_right(q_bar + q_out @ inner, factors[t])
        recurrent_bar += (1 - a) * np.tensordot(m_bar, slope * q_in, ((0, 2), (0, 2)))
        if full:
            back = (1 - a) * (recurrent.T @ m_bar)
            slopes_bar[:, t] = (back * q_in).sum(axis=2)
            q_bar = a * m_bar + slope * back  # D_t^T M_bar
    input_bar = np.zeros(network.input_weights.shape)
    if full and network.activation == "tanh":
        change = _through_states(network, trajectory.rates, slopes, slopes_bar, work)[:, :-1]
        recurrent_bar += np.tensordot(change, trajectory.rates[:, :-1], ((0, 1), (0, 1)))
        input_bar += np.tensordot(change, x, ((0, 1), (0, 1)))
    if network.connections is not None:
        recurrent_bar *= network.connections  # couplings that do not exist do not learn
    grads = {"recurrent": recurrent_bar, "input_weights": input_bar}
    return FlossingGradient(
        float((exponents**2).sum()),
        {name: value.astype(network.dtype) for name, value in grads.items()},
        exponents,
    )


def floss(
    network: RateRNN,
    task: str | Task,
    n_exponents: int = 1,
    *,
    version: str = "local",
    iterations: int = 100,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    warmup: int = WARMUP,
    seed: int = 0,
    progress: bool = False,
) -> FlossingResult:
    """Pretrain the recurrent weights so that the k leading exponents go to 0.

    Adam follows `flossing_gradient` on a fresh batch of the task's inputs in each iteration;
    targets are not used, and input weights and readout stay.

    Parameters
    ----------
    network : RateRNN
        The network; it is not changed.
    task : str or callable
        A name of `binnet.rate.tasks.TASKS`, or a function ``task(batch_size, seed) -> Trials``.
    n_exponents : int, default 1
        k, between 1 and N.
    version : {"local", "full"}, default "local"
        Which gradient.
    iterations : int, default 100
        Steps of Adam.
    learning_rate : float, default 1e-3
        Of Adam.
    batch_size : int, default 32
        Trials in a batch.
    warmup : int, default 8
        First steps that do not count.
    seed : int, default 0
        Of the batches and of the first bases.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    FlossingResult
        The flossed network, and how its exponents went.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range.
    """
    draw = get(task) if isinstance(task, str) else task
    iterations = check_integer("iterations", iterations, 0)
    optimiser = Adam(learning_rate)
    flossed = network.copy()
    exponents = np.zeros((iterations, n_exponents))
    with threadpool_limits(1):  # many small matrices
        for k in progress_bar(range(iterations), unit="it", disable=not progress, desc="flossing"):
            trials = draw(batch_size, (seed, k))
            step = flossing_gradient(
                flossed, trials.inputs, n_exponents, version=version, warmup=warmup, seed=seed
            )
            exponents[k] = step.exponents
            optimiser.step(flossed.weights(), {"recurrent": step.grads["recurrent"]})
    return FlossingResult(flossed, exponents)


def _copy_lower(matrices: NDArray[Any]) -> NDArray[Any]:
    """Return tril(A) + tril(A, -1)^T: the lower triangle, mirrored."""
    mirrored: NDArray[Any] = np.tril(matrices) + np.swapaxes(np.tril(matrices, -1), 1, 2)
    return mirrored


def _solve_right(matrices: NDArray[Any], r: NDArray[Any]) -> NDArray[Any]:
    """Return X R^{-T} for each trial."""
    solution: NDArray[Any] = np.linalg.solve(r, np.swapaxes(matrices, 1, 2))
    return np.swapaxes(solution, 1, 2)


def _through_states(
    network: RateRNN, rates: Floats, slopes: Floats, slopes_bar: NDArray[Any], work: Workspace
) -> Floats:
    """Return what a change of the slopes f'(h) of tanh means for the drive of each step."""
    from binnet_kernels.rate.steps import backpropagate_rate

    curvature = -2 * rates * slopes  # f''(h)
    deltas = np.zeros_like(slopes)
    recurrent = pad_columns(network.recurrent, "recurrent", work)
    signals, leak = (curvature * slopes_bar).astype(network.dtype), network.dtype.type(network.leak)
    field = work.take("field", (1, recurrent.shape[1]), network.dtype)
    for b in cut_trials(slopes):
        backpropagate_rate(
            recurrent, signals[b], slopes[b], leak, deltas[b], field, np.arange(network.n_neurons)
        )  # fmt: skip
    return deltas
