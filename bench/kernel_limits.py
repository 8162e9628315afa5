"""Each training kernel alone, on one thread, beside the limits of the machine.

Both are measured in the same process. The limits are a large float32 matrix product (arithmetic)
and a dot product over as many bytes as the couplings have (bandwidth from wherever they fit). A
fraction near 1 says that the kernel cannot become faster without doing less. Dense fields do less
where they look sums up (`lowlevel.sign_sums`): they are counted as the product that they equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from binnet_kernels.lowlevel.bits import pack_samples
from binnet_kernels.relaxation.fields import accumulate_fields, add_events
from binnet_kernels.rules.events import update_couplings_perceptron
from binnet_kernels.structs import allocate_rows, to_banks

_SAMPLES, _EVENTS, _UNSTABLE = 16, 64, 0.02


def fastest(work: Callable[[], Any], at_least: float = 0.3) -> float:
    """Return the shortest of the times of many calls, about `at_least` seconds in all."""
    work()
    times = [0.0]
    while sum(times) < at_least or len(times) < 6:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def measure_limits(n_hidden: int, quick: bool = False) -> dict[str, float]:
    """Return the arithmetic peak (flop/s) and the read bandwidth (byte/s) of one core."""
    size = 256 if quick else 2048
    with threadpool_limits(1):
        a = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
        out = np.empty_like(a)
        flops = 2 * size**3 / fastest(lambda: np.matmul(a, a, out=out), 0.0 if quick else 1.0)
        x = np.ones(n_hidden**2, np.float32)
        half = len(x) // 2
        bandwidth = x.nbytes / fastest(lambda: np.dot(x[:half], x[half:]))
    return {"flops": flops, "bandwidth": bandwidth}


def time_kernels(n_hidden: int, quick: bool = False) -> dict[str, Any]:
    """Time the dense product, the events and the update of a batch, beside the limits."""
    rng = np.random.default_rng(0)
    couplings = rng.standard_normal((n_hidden, n_hidden)).astype(np.float32)
    banks = to_banks(couplings, 1)
    state, field, unstable = (allocate_rows(_SAMPLES, n_hidden, 1, np.float32) for _ in range(3))
    state[:, :n_hidden] = rng.choice(np.array([-1, 1], np.float32), (_SAMPLES, n_hidden))
    unstable[:] = state * (rng.random(state.shape) < _UNSTABLE)
    rows = np.arange(_SAMPLES)
    sites = rng.integers(0, n_hidden, (50, _EVENTS))
    gains = np.ones(state.shape[1], np.float32)
    changes = np.full(_EVENTS, 2, np.float32)
    words = np.zeros((4, state.shape[1]), np.uint32)
    pack_samples(state, 0, _SAMPLES, 0, n_hidden, words[0], words[1])
    pack_samples(unstable, 0, _SAMPLES, 0, n_hidden, words[2], words[3])

    def events() -> None:
        for k in range(len(sites)):
            add_events(banks, sites[k], changes, _EVENTS, field[0])

    dense = fastest(lambda: accumulate_fields(banks[0], state, 0, rows, _SAMPLES, field, 0))
    event = fastest(events) / sites.size
    update = fastest(
        lambda: update_couplings_perceptron(
            banks[0], 1e-6, gains, words[0], words[1], words[2], words[3], 0
        )
    )
    return {
        **measure_limits(n_hidden, quick),
        "dense_seconds": dense,
        "dense_flops": 2 * _SAMPLES * n_hidden**2 / dense,
        "event_seconds": event,
        "event_bandwidth": 4 * n_hidden / event,
        "update_seconds": update,
        "update_bandwidth": 2 * 4 * n_hidden**2 / update,  # read and written
    }
