"""What the studies of rate networks measure of a run: learning curve and Lyapunov exponents."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._threads import resolve_threads, share_out
from binnet.rate import (
    DivergenceError,
    RateConfiguration,
    RateRNN,
    RateTrainingResult,
    lyapunov_spectrum,
    start_network,
    train,
    train_together,
)
from binnet.rate.tasks import Task, get

#: Updates that one point of a stored learning curve is the mean of.
BLOCK = 20
_TRIALS_FOR_EXPONENTS = 32
# A seed of trials that no training draws: those of training end with the number of the update.
_MEASURED = 10**9


def measure_run(
    configuration: RateConfiguration, n_exponents: int | None = None, task: Task | None = None
) -> dict[str, Any]:
    """Train one network and return its learning curve and its Lyapunov exponents.

    Parameters
    ----------
    configuration : RateConfiguration
        Parameters of the run.
    n_exponents : int, optional
        Leading exponents to measure. Default: all.
    task : callable, optional
        For the task "custom", as of `binnet.rate.train`.

    Returns
    -------
    dict
        As of `binnet.studies.rate.measure_training`.
    """
    start = _begin(configuration, n_exponents, task)
    result: RateTrainingResult | None = None
    if start.network is not None:
        with contextlib.suppress(DivergenceError):
            result = train(configuration, task=task, network=start.network)
    return _describe(start, configuration, result)


def measure_runs(
    configurations: Sequence[RateConfiguration], n_exponents: Sequence[int | None]
) -> list[dict[str, Any]]:
    """Train many networks at once and return what `measure_run` does for each.

    Parameters
    ----------
    configurations : sequence of RateConfiguration
        Parameters of the runs, as `binnet.rate.train_together` takes them.
    n_exponents : sequence of int or None
        Leading exponents to measure of each. None: all.

    Returns
    -------
    list of dict
        In the same order.
    """
    threads = resolve_threads(None)

    def begin(k: int) -> _Start:  # flossing and exponents take as long as a part of the training
        return _begin(configurations[k], n_exponents[k], None)

    starts = list(share_out(threads, begin, range(len(configurations))))
    begun = {k: start.network for k, start in enumerate(starts) if start.network is not None}
    trained = train_together([configurations[k] for k in begun], networks=list(begun.values()))
    results = dict(zip(begun, trained, strict=True))

    def describe(k: int) -> dict[str, Any]:
        result = results.get(k)
        if result is not None and result.diverged:
            result = None
        return _describe(starts[k], configurations[k], result)

    return list(share_out(threads, describe, range(len(configurations))))


class _Start(NamedTuple):
    network: RateRNN | None  # None where flossing before the training diverged
    inputs: NDArray[np.float32]  # trials for the exponents
    exponents: NDArray[np.float64]


def _begin(configuration: RateConfiguration, n_exponents: int | None, task: Task | None) -> _Start:
    draw = get(configuration.task) if task is None else task
    inputs = draw(_TRIALS_FOR_EXPONENTS, (configuration.seed, _MEASURED)).inputs
    n = n_exponents or configuration.n_hidden
    try:
        network = start_network(configuration, task)
    except DivergenceError:
        return _Start(None, inputs, np.full(n, np.nan))
    return _Start(network, inputs, _measure_exponents(network, inputs, n))


def _describe(
    start: _Start, configuration: RateConfiguration, result: RateTrainingResult | None
) -> dict[str, Any]:
    """Return what there is to say of a run; None stands for one that diverged."""
    n_blocks, n = configuration.iterations // BLOCK, len(start.exponents)
    curve, final, lowest, after = np.full(n_blocks, np.nan), np.nan, np.nan, np.full(n, np.nan)
    if result is not None:
        if not result.completed:
            raise KeyboardInterrupt  # no half-trained network among the results
        curve = result.losses[: n_blocks * BLOCK].reshape(n_blocks, BLOCK).mean(axis=1)
        final, lowest = result.final_loss, result.lowest_loss
        after = _measure_exponents(result.network, start.inputs, n)
    return {
        "loss": ("block", curve),
        "final_loss": final,
        "lowest_loss": lowest,
        "exponents_before": ("exponent", start.exponents),
        "exponents_after": ("exponent", after),
    }


def _measure_exponents(
    network: RateRNN, inputs: NDArray[np.float32], n: int
) -> NDArray[np.float64]:
    """Return the leading exponents; NaN of a network whose states overflow on these trials."""
    try:
        return lyapunov_spectrum(network, inputs, n).exponents
    except DivergenceError:
        return np.full(n, np.nan)
