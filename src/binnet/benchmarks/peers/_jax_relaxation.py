"""Relaxation in JAX: compiled sweeps, whose arrays keep their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers._relaxation import Found, draw_case, make_task
from binnet.benchmarks.peers._threads import limit_jax

Tensor = Any

_MOST_SWEEPS = 1000


def relax_whole(workload: Workload, threads: int) -> Task:
    """All of it compiled: replicas that have settled stay in the product."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = draw_case(workload.sizes)
    presynaptic = jnp.asarray(case.matrix.T)
    start = jnp.asarray(case.start, jnp.float32)

    @jax.jit  # type: ignore[untyped-decorator]
    def relax(presynaptic: Tensor, start: Tensor) -> Any:
        def goes_on(carry: Any) -> Any:
            return carry[3]

        def sweep(carry: Any) -> Any:
            t, states, flips, _ = carry
            new = jnp.where(states @ presynaptic >= 0, 1.0, -1.0).astype(jnp.float32)
            moved = (new != states).sum(axis=1, dtype=jnp.int32)
            return t + 1, new, flips.at[t].set(moved), moved.any()

        flips = jnp.zeros((_MOST_SWEEPS, len(start)), jnp.int32)
        return jax.lax.while_loop(goes_on, sweep, (0, start, flips, True))

    def call() -> Found:
        n_sweeps, states, flips, _ = relax(presynaptic, start)
        return Found(np.asarray(states), np.asarray(flips)[: int(n_sweeps)].T)

    return make_task(case, call)


def relax_active(workload: Workload, threads: int) -> Task:
    """A sweep compiled: what has settled leaves, but for the next power of two of replicas."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = draw_case(workload.sizes)
    presynaptic = jnp.asarray(case.matrix.T)
    start = case.start.astype(np.float32)

    @jax.jit  # type: ignore[untyped-decorator]
    def sweep(presynaptic: Tensor, states: Tensor) -> Any:
        new = jnp.where(states @ presynaptic >= 0, 1.0, -1.0).astype(jnp.float32)
        return new, (new != states).sum(axis=1, dtype=jnp.int32)

    def call() -> Found:
        final, flips = start.copy(), []
        active, states = np.arange(len(start)), jnp.asarray(start)
        while len(active):
            new, moved = sweep(presynaptic, states)
            row, here = np.zeros(len(start), np.int64), np.asarray(moved)[: len(active)]
            row[active] = here
            flips.append(row)
            kept = np.flatnonzero(here)
            if len(kept) <= len(states) // 2 or not len(kept):
                final[active] = np.asarray(new)[: len(active)]
                size = 1 << max(len(kept) - 1, 0).bit_length()
                active, padded = active[kept], np.resize(kept, size) if len(kept) else kept
                new = new[padded]
            states = new
        return Found(final, np.stack(flips, axis=1))

    return make_task(case, call)
