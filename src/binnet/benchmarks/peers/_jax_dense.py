"""Dense arithmetic in JAX, compiled: sweeps, fields, plasticity, stored columns of couplings."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _fields, _implicit, _plasticity, _sweeps
from binnet.benchmarks.peers._threads import limit_jax

Tensor = Any


def sweep(workload: Workload, threads: int) -> Task:
    """All sweeps in one compiled loop, in float32."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = _sweeps.draw_case(workload)
    arrays = [
        jnp.asarray(array, jnp.float32) for array in (case.to_float(), case.external, case.start)
    ]

    @jax.jit  # type: ignore[untyped-decorator]
    def run(matrix: Tensor, external: Tensor, start: Tensor) -> Tensor:
        def step(_: Tensor, states: Tensor) -> Tensor:
            return jnp.where(states @ matrix + external >= 0, 1.0, -1.0).astype(jnp.float32)

        return jax.lax.fori_loop(0, case.n_sweeps, step, start)

    return _sweeps.make_task(case, lambda: run(*arrays).block_until_ready())


def compute_fields(workload: Workload, threads: int) -> Task:
    """One product for all states, called again each time: in a loop it would be taken once."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = _fields.draw_case(workload)
    states, weights = jnp.asarray(case.states), jnp.asarray(case.weights)
    multiply = jax.jit(jnp.matmul)

    def compute() -> Tensor:
        for _ in range(case.n_times):
            out = multiply(states, weights).block_until_ready()
        return out

    return _fields.make_task(case, compute)


def update_weights(workload: Workload, threads: int) -> Task:
    """Compiled, in the place of the weights, which are given up."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = _plasticity.draw_case(workload, np.float32)
    current = [jnp.asarray(weights) for weights in case.weights]
    pre, post = jnp.asarray(case.pre.T), jnp.asarray(case.post)
    site = jnp.arange(len(pre))

    @partial(jax.jit, donate_argnums=0)
    def add(weights: Tensor, pre: Tensor, post: Tensor, rate: Tensor) -> Tensor:
        learned = weights + rate * (pre @ post)
        if case.keeps_diagonal:
            learned = learned.at[site, site].set(jnp.diagonal(weights))
        return learned

    def update(sign: int) -> None:
        rate = jnp.float32(sign * case.rate)
        for k, weights in enumerate(current):
            current[k] = add(weights, pre, post, rate)
        jax.block_until_ready(current)

    return _plasticity.make_task(case, update, lambda: np.stack([*map(np.asarray, current)]))


def add_columns(workload: Workload, threads: int) -> Task:
    """A stored matrix times a vector: couplings are read, not drawn."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = _implicit.draw_case(workload)
    spins, columns = jnp.asarray(case.spins), jnp.asarray(case.columns)
    multiply = jax.jit(jnp.matmul)
    return _implicit.make_task(case, lambda: multiply(spins, columns).block_until_ready())
