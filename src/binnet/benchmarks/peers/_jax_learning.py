"""Learning in JAX: an epoch is one compiled loop over batches, in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _learning
from binnet.benchmarks.peers._threads import limit_jax

Tensor = Any


def _compile(case: _learning.Case) -> Callable[..., Any]:
    """Return what learns all batches: of weights, batches and rate factors."""
    import jax
    import jax.numpy as jnp

    rule, site = case.rule, jnp.arange(len(case.weights["couplings"]))
    amplitudes = rule.amplitudes
    size = case.y.shape[1]

    def sign(h: Tensor) -> Tensor:
        return jnp.where(h >= 0, 1.0, -1.0).astype(jnp.float32)

    def learn_batch(carry: Any, batch: Any) -> Any:
        J, W_in, W_out, feedback = carry
        x, labels, factor = batch
        u = W_in @ x
        driven = u + feedback.T[:, labels]
        s, flips = sign(driven if amplitudes[0] else u), jnp.int32(0)
        for a in amplitudes[1:]:
            new = sign((driven if a else u) + J @ s)
            flips += (new != s).sum(dtype=jnp.int32)
            s = new
        target = 2.0 * jax.nn.one_hot(labels, len(W_out), axis=0, dtype=jnp.float32) - 1.0
        wrong = jnp.where(s * (u + J @ s) > rule.threshold, 0.0, s)
        wrong_out = jnp.where(target * (W_out @ s) > rule.readout_threshold, 0.0, target)
        counts = jnp.stack([flips, jnp.count_nonzero(wrong), jnp.count_nonzero(wrong_out)])
        steps = [
            (1.0 - factor * decay, factor * rate / np.sqrt(size))
            for rate, decay in zip(rule.rates, rule.decays, strict=True)
        ]
        J = steps[0][0] * J + steps[0][1] * (wrong @ s.T)
        J = J.at[site, site].set(case.self_coupling)
        W_in = steps[1][0] * W_in + steps[1][1] * (wrong @ x.T)
        W_out = steps[2][0] * W_out + steps[2][1] * (wrong_out @ s.T)
        return (J, W_in, W_out, feedback), counts

    compiled: Callable[..., Any] = jax.jit(
        lambda weights, batches: jax.lax.scan(learn_batch, weights, batches)
    )
    return compiled


def learn(workload: Workload, threads: int) -> Task:
    """The counts, a few sums a batch, are part of it."""
    limit_jax(threads)
    import jax.numpy as jnp

    case = _learning.draw_case(workload)
    couplings = case.weights["couplings"].copy()
    np.fill_diagonal(couplings, case.self_coupling)
    others = ("input_weights", "readout", "feedback_fields")
    weights = tuple(map(jnp.asarray, (couplings, *(case.weights[name] for name in others))))
    batches = tuple(
        map(jnp.asarray, (case.X, case.y.astype(np.int32), case.rate_factors.astype(np.float32)))
    )
    run = _compile(case)

    class Learner:
        def learn(self, observe: Callable[[str, Any], None] | None = None) -> None:
            (J, _, W_out, _), self._counts = run(weights, batches)
            self._J, self._W_out = J.block_until_ready(), W_out
            if observe:
                observe("counts", self._counts)

        def result(self) -> tuple[NDArray[Any], NDArray[Any]]:
            J = np.array(self._J)
            np.fill_diagonal(J, 0)
            return J, np.asarray(self._W_out)

    return _learning.make_task(case, Learner)
