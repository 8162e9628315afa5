"""Gradient flossing: push the leading Lyapunov exponents towards 0 before a network learns.

The loss is the sum of the squared exponents (Engelken 2024). Its gradient goes through every
QR step; the *full* one follows the tangent vectors back through time, the *local* one takes the
basis that comes into a step as given, so that a weight needs only what happens in that step (Liu
et al. 2024; docs/model/rate.md, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from binnet._progress import progress_bar
from binnet._validation import check_choice, check_integer
from binnet.rate._tangents import Doubles, Tangents, measure_tangents, pad
from binnet.rate._trajectories import Floats, Workspace, cut_trials, pad_columns
from binnet.rate.divergence import DivergenceError
from binnet.rate.lyapunov import WARMUP
from binnet.rate.model import RateRNN
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
        The exponents in falling order, means over trials, per step.
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
    DivergenceError
        If the activity overflows float64, or an exponent is -inf.
    """
    check_choice("version", version, FLOSSINGS)
    return _compute(network, inputs, n_exponents, version == "full", warmup, seed, Workspace())


def _compute(
    network: RateRNN,
    inputs: ArrayLike,
    n_exponents: int,
    full: bool,
    warmup: int,
    seed: int,
    work: Workspace,
) -> FlossingGradient:
    found = measure_tangents(network, inputs, n_exponents, warmup, seed, work, keep=True)
    n_trials, n_steps, k = found.diagonals.shape
    _refuse_singular(found.diagonals, warmup, network.leak)
    exponents = np.log(found.diagonals[:, warmup:]).mean(axis=(0, 1))
    pulls = np.zeros((n_steps, k))
    pulls[warmup:] = 2 * exponents / (n_trials * (n_steps - warmup))
    recurrent_bar, slopes_bar = _pull_back(found, pulls, full, work)
    input_bar = np.zeros(network.input_weights.shape)
    if full and network.activation == "tanh":
        change = _through_states(found, slopes_bar, work)
        recurrent_bar += np.tensordot(change, found.rates[:, :-1], ((0, 1), (0, 1)))
        input_bar += np.tensordot(change, found.inputs, ((0, 1), (0, 1)))
    if network.connections is not None:
        recurrent_bar *= network.connections  # couplings that do not exist do not learn
    grads = {"recurrent": recurrent_bar, "input_weights": input_bar}
    return FlossingGradient(
        float((exponents**2).sum()),
        {name: value.astype(network.dtype) for name, value in grads.items()},
        np.sort(exponents)[::-1],
    )


def _refuse_singular(diagonals: Doubles, warmup: int, leak: float) -> None:
    """Refuse exponents that are -inf."""
    lost = diagonals[:, warmup:] == 0
    if not lost.any():
        return
    trial, step, _ = np.argwhere(lost)[0].tolist()
    k, n_lost = lost.shape[2], int(lost[trial, step].sum())
    why = "fewer ReLUs are active" if leak == 0 else "it is singular"
    fewer = f"floss at most {k - n_lost} exponents, " if n_lost < k else ""
    raise DivergenceError(
        f"{n_lost} of {k} Lyapunov exponents are -inf, which no flossing brings to 0: the Jacobian "
        f"of step {step + warmup} of trial {trial} has a rank of {k - n_lost}, as {why}",
        f"{fewer}drop more first steps (warmup), or take a leak > 0",
    )


def _pull_back(
    found: Tangents, pulls: Doubles, full: bool, work: Workspace
) -> tuple[Doubles, Doubles]:
    """Return the derivatives with respect to W_h, for given slopes, and to the slopes."""
    from binnet_kernels.rate.tangents import pull_back_tangents

    n, width = found.bases.shape[2:]
    n_trials = len(found.bases)
    recurrent_bar = np.zeros((n, pad(n)))
    slopes_bar = work.take("slopes_bar", found.slopes.shape, np.float64)
    panels, inner = np.zeros((3, n, width)), np.zeros((3, width, width))
    turned, counting = np.zeros((3, width, pad(n))), np.arange(max(n, width))
    for b in range(n_trials):
        pull_back_tangents(
            found.network.recurrent, found.slopes[b : b + 1], found.network.leak,
            found.bases[b : b + 1], found.factors[b : b + 1], pulls, full, recurrent_bar,
            slopes_bar[b : b + 1], panels, inner, turned, counting,
        )  # fmt: skip
    return recurrent_bar[:, :n].copy(), slopes_bar


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
    DivergenceError
        If the activity overflows float64, or an exponent is -inf.
    """
    draw = get(task) if isinstance(task, str) else task
    iterations = check_integer("iterations", iterations, 0)
    n_exponents = check_integer("n_exponents", n_exponents, 1, network.n_neurons)
    check_choice("version", version, FLOSSINGS)
    optimiser, work = Adam(learning_rate), Workspace()
    flossed = network.copy()
    exponents = np.zeros((iterations, n_exponents))
    with threadpool_limits(1):  # many small matrices
        for k in progress_bar(range(iterations), unit="it", disable=not progress, desc="flossing"):
            trials = draw(batch_size, (seed, k))
            try:
                step = _compute(
                    flossed, trials.inputs, n_exponents, version == "full", warmup, seed, work
                )
            except DivergenceError as error:
                if k == 0:
                    raise
                raise DivergenceError(
                    f"flossing diverged: {error.cause} after {k} steps of learning_rate "
                    f"{learning_rate:g}",
                    "try a lower one",
                ) from error
            exponents[k] = step.exponents
            optimiser.step(flossed.weights(), {"recurrent": step.grads["recurrent"]})
    return FlossingResult(flossed, exponents)


def _through_states(found: Tangents, slopes_bar: Doubles, work: Workspace) -> Floats:
    """Return what a change of the slopes f'(h) of tanh means for the drive of each step."""
    from binnet_kernels.rate.steps import backpropagate_rate

    network, signals = found.network, np.zeros(found.rates.shape)
    curvature = -2 * found.rates[:, :-1] * found.slopes  # f''(h)
    signals[:, :-1] = curvature * slopes_bar
    slopes, deltas = 1 - found.rates**2, np.zeros_like(signals)
    recurrent = pad_columns(network.recurrent, "recurrent", work)
    field = work.take("field", (1, recurrent.shape[1]), network.dtype)
    for b in cut_trials(slopes):
        backpropagate_rate(
            recurrent, signals[b], slopes[b], network.leak, deltas[b], field,
            np.arange(network.n_neurons),
        )  # fmt: skip
    return deltas[:, :-1]
