"""The peer: the same network and the same rule in PyTorch, as lean as dense matrix products allow.

States are columns (neuron, sample), which is the layout in which the products are fastest;
everything is written in place, and no Python runs per sample. Whatever dense products can skip is
skipped: the product with the silent initial state, the feedback where a = 0, the weight decay (a
scalar that rides along in `alpha`), autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_SIGN_BIT, _ONE = -(2**31), 0x3F800000  # of a float32, seen as int32


@dataclass(frozen=True)
class Rule:
    """Prefactors of docs/model/network.md, section 3: all but 1/sqrt(B), of J, W_in and W_out."""

    rates: Sequence[float]
    decays: Sequence[float]
    threshold: float
    readout_threshold: float
    amplitudes: Sequence[float]


class LeanTorch:
    """Training and inference, float32, synchronous updates; autograd is best switched off."""

    def __init__(self, weights: dict[str, NDArray[Any]], self_coupling: float) -> None:
        self.J = torch.tensor(weights["couplings"])  # (H, H), true couplings = scale * J
        self.W_in = torch.tensor(weights["input_weights"])  # (H, N)
        self.W_out = torch.tensor(weights["readout"])  # (C, H)
        self.feedback = torch.tensor(weights["feedback_fields"].T.copy())  # (H, C)
        self.scale, self.self_coupling = 1.0, self_coupling
        self._diagonal = self.J.diagonal()
        self._diagonal.fill_(self_coupling)

    def couplings(self) -> NDArray[Any]:
        """Return the true couplings, with a zero diagonal."""
        J: NDArray[Any] = (self.scale * self.J).numpy()
        np.fill_diagonal(J, 0.0)
        return J

    def learn(
        self,
        X: torch.Tensor,
        y: torch.Tensor,
        rule: Rule,
        rate_factors: NDArray[np.float64],
        observe: Callable[[str, torch.Tensor], None] | None = None,
    ) -> None:
        """Learn the batches X (n, N, B), labels y (n, B); `observe` sees fields, for the check."""
        n_samples, n_hidden = X.shape[2], len(self.J)
        u, driven, h, s, scratch, wrong = (torch.empty(n_hidden, n_samples) for _ in range(6))
        f, wrong_out, scratch_out = (torch.empty(len(self.W_out), n_samples) for _ in range(3))
        targets = 2 * torch.eye(len(self.W_out)) - 1
        target = torch.empty_like(f)
        for x, labels, factor in zip(X, y, rate_factors.tolist(), strict=True):
            torch.mm(self.W_in, x, out=u)
            if any(rule.amplitudes):
                torch.index_select(self.feedback, 1, labels, out=driven).add_(u)
            for t, a in enumerate(rule.amplitudes):
                # a is 0 or 1 in the schedule of both presets
                external = driven if a else u
                if t == 0:
                    h.copy_(external)  # silence: J adds nothing
                else:
                    torch.addmm(external, self.J, s, alpha=self.scale, out=h)
                _write_signs(h, s)
                if observe:
                    observe("h", h)
            torch.addmm(u, self.J, s, alpha=self.scale, out=h)
            torch.index_select(targets, 1, labels, out=target)
            torch.mm(self.W_out, s, out=f)
            _write_unstable(h, s, rule.threshold, scratch, wrong)
            _write_unstable(f, target, rule.readout_threshold, scratch_out, wrong_out)
            if observe:
                observe("margin", scratch - rule.threshold)
                observe("s", s)
            rates = [factor * rate / math.sqrt(n_samples) for rate in rule.rates]
            keep = [1.0 - factor * decay for decay in rule.decays]
            self.scale *= keep[0]
            self.J.addmm_(wrong, s.T, alpha=rates[0] / self.scale)
            self._diagonal.fill_(self.self_coupling / self.scale)  # not learned
            self.W_in.addmm_(wrong, x.T, alpha=rates[1], beta=keep[1])
            self.W_out.addmm_(wrong_out, s.T, alpha=rates[2], beta=keep[2])

    def predict(
        self, X: torch.Tensor, n_sweeps: int, only_active: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the classes of the samples X (N, n), and the smallest |h| that each met.

        With `only_active` a sample whose sweep changed nothing leaves the product.
        """
        u = self.W_in @ X
        closest = torch.empty(0)
        final = torch.empty_like(u)
        active = torch.arange(X.shape[1])
        s = torch.empty_like(u)
        _write_signs(u, s)
        for _ in range(n_sweeps - 1):
            h = torch.addmm(u, self.J, s, alpha=self.scale)
            new = torch.empty_like(s)
            _write_signs(h, new)
            if only_active:
                moved = (new != s).any(dim=0)
                final[:, active] = new
                active, u, new = active[moved], u[:, moved], new[:, moved]
                if len(active) == 0:
                    break
            s = new
        if not only_active:
            final, closest = s, h.abs().amin(dim=0)
        return (self.W_out @ final).argmax(dim=0), closest


def as_batches(
    X: NDArray[np.int8], y: NDArray[np.int64], order: NDArray[np.int64], batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the samples in their order as (n, N, B) float32 and (n, B); whole batches only."""
    rows = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
    batches = torch.from_numpy(X)[torch.from_numpy(rows)].transpose(1, 2)
    return batches.to(torch.float32).contiguous(), torch.from_numpy(y[rows])


def _write_signs(h: torch.Tensor, out: torch.Tensor) -> None:
    """Write +-1 with the sign bit of h: sign(0) = +1; faster than copysign, measured."""
    bits = out.view(torch.int32)
    torch.bitwise_and(h.view(torch.int32), _SIGN_BIT, out=bits)
    bits.bitwise_or_(_ONE)


def _write_unstable(
    h: torch.Tensor, s: torch.Tensor, threshold: float, scratch: torch.Tensor, out: torch.Tensor
) -> None:
    """Write s where s h <= threshold, else 0; a mask of bools costs three times as much."""
    torch.mul(h, s, out=scratch)
    torch.le(scratch, threshold, out=out)
    out.mul_(s)
