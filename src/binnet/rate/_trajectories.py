"""What a trajectory of a rate network is, and the arrays beside it, which are used again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._threads import in_pieces
from binnet._validation import check_real
from binnet.rate.divergence import DivergenceError

Floats = NDArray[np.floating[Any]]
_WORK_AT_FIRST = 10**8  # products
_LINE = 64  # bytes of a cache line


class Trajectory(NamedTuple):
    """What a network does on a batch of trials, starting from h_0 = 0.

    Attributes
    ----------
    states, rates : ndarray, shape (B, T + 1, N)
        h_t and f(h_t) for t = 0..T.
    outputs : ndarray, shape (B, T, N_out)
        ``outputs[:, t]`` = w f(h_{t+1}), the first output that input x_t reaches.
    """

    states: Floats
    rates: Floats
    outputs: Floats


def check_finite(trajectory: Trajectory) -> None:
    """Refuse a trajectory that has overflowed, and say where.

    A state that is not finite never is again, even one of a silent ReLU: the leak keeps it, and
    where the leak is 0 it makes 0 times infinity, which is NaN. So the last state tells of all.

    Raises
    ------
    DivergenceError
        If a state or an output is not finite.
    """
    states, _, outputs = trajectory
    if np.isfinite(states[:, -1]).all() and np.isfinite(outputs).all():
        return
    finite = np.isfinite(states[:, 1:]).all(axis=2) & np.isfinite(outputs).all(axis=2)
    trial, step = np.argwhere(~finite)[0].tolist()
    raise DivergenceError.in_states(trial, step, states.dtype.name)


class Workspace:
    """Arrays that are used again at each call: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def take(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any] | type,
        large: tuple[str, str] | None = None,
    ) -> NDArray[Any]:
        """Return the array of that name; what it holds is what was last written into it.

        `large` says what makes it large, and what to do where there is no memory for it.
        """
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            if large is not None:  # what is there already takes no more
                what, remedy = large
                check_memory(what, float(math.prod(shape)) * np.dtype(dtype).itemsize, remedy)
            array = self._arrays[name] = aligned_zeros(shape, dtype)
        return array


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Return zeros that begin with a cache line: vectors then lie in one line, not across two."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _LINE, np.uint8)
    first = -memory.ctypes.data % _LINE
    return memory[first : first + n_bytes].view(dtype).reshape(shape)


def cut_trials(trajectories: Floats) -> Iterator[slice]:
    """Cut trajectories (B, T, N) into trials for a call of a kernel each, a tenth of a second."""
    n_trials, n_times, n = trajectories.shape
    for start, stop in in_pieces(n_trials, first=_WORK_AT_FIRST // (n_times * n * n)):
        yield slice(start, stop)


def pad_columns(weights: Floats, name: str, work: Workspace) -> Floats:
    """Return weights as the kernels of a trajectory take them, with columns of 0 at the end."""
    padded = work.take(name, (len(weights), pad_width(weights.shape[1])), weights.dtype)
    padded[:, : weights.shape[1]] = weights
    return padded


def pad_width(n: int) -> int:
    """Return the width that arrays of the kernels have for n neurons."""
    from binnet_kernels.rate.steps import WIDTH

    return -(-n // WIDTH) * WIDTH


def compute_slopes(activation: str, rates: Floats, work: Workspace) -> Floats:
    """Return f'(h) from f(h); that of a ReLU at 0 is 0."""
    from binnet_kernels.rate.steps import write_slopes

    slopes = work.take("slopes", rates.shape, rates.dtype)
    write_slopes(rates.reshape(-1), activation == "tanh", slopes.reshape(-1))
    return slopes


def check_leak(leak: float) -> float:
    """Return the leak factor if it is in [0, 1)."""
    leak = check_real("leak", leak, 0.0, 1.0)
    if leak == 1.0:
        raise ValueError("leak (a = 1 - dt/tau) must be >= 0 and < 1: at 1 no state changes; got 1")
    return leak
