"""RTRL in JAX: all steps in one compiled loop."""

from __future__ import annotations

from typing import Any

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _rate
from binnet.benchmarks.peers._threads import limit_jax

Tensor = Any


def advance(workload: Workload, threads: int) -> Task:
    """`einsum`."""
    limit_jax(threads)
    import jax
    import jax.numpy as jnp

    case = _rate.draw_case(workload)
    each, trials = jnp.arange(case.shape[1]), tuple(map(jnp.asarray, case))

    def step(carry: Any, now: Any) -> Any:
        influence, grads = carry
        jacobian, immediate, signals = now
        influence = jnp.einsum("bij,bjmk->bimk", jacobian, influence)
        influence = influence.at[:, each, each].add(immediate[:, None])
        return (influence, grads + jnp.einsum("bi,bimk->mk", signals, influence)), None

    @jax.jit  # type: ignore[untyped-decorator]
    def run(trials: Any) -> Any:
        start = jnp.zeros(case.shape, jnp.float32), jnp.zeros(case.shape[2:], jnp.float32)
        (influence, grads), _ = jax.lax.scan(step, start, trials)
        return grads, influence

    return _rate.make_task(case, lambda: jax.block_until_ready(run(trials)))
