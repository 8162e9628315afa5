"""The peer: the same network and the same rule in PyTorch, as lean as dense matrix products allow.

States are columns (neuron, sample), which is the layout in which the products are fastest;
everything is written in place, and no Python runs per sample. Whatever dense products can skip is
skipped: the product with the silent initial state, the feedback where a = 0, the weight decay (a
scalar that rides along in `alpha`), autograd. Diluted weights are dense with a mask, or in
compressed rows (CSR), of which PyTorch has both products: with a matrix, and onto what is present.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import torch
except ModuleNotFoundError:  # the module can be imported; what needs PyTorch is not offered then
    torch = None

_SIGN_BIT, _ONE = -(2**31), 0x3F800000  # of a float32, seen as int32


class _Plastic:
    """Weights onto the hidden neurons; of those that do not exist none ever does."""

    def __init__(self, weights: NDArray[Any], present: NDArray[np.bool_], sparse: bool) -> None:
        self.values = torch.tensor(weights)
        self._mask: torch.Tensor | None = None
        self._diagonal = self.values.diagonal()
        if present.mean() > 0.99:
            return
        self._mask = torch.from_numpy(present).to(torch.float32)
        if sparse:
            rows, columns = map(torch.from_numpy, np.argwhere(present).T.copy())
            counts = torch.from_numpy(present.sum(axis=1)).cumsum(0)
            ends = torch.cat([torch.zeros(1, dtype=torch.int64), counts])
            self.values = torch.sparse_csr_tensor(
                ends, columns, self.values[rows, columns], weights.shape, check_invariants=True
            )
            self._diagonal = torch.nonzero(rows == columns)[:, 0]

    def learn(self, post: torch.Tensor, pre: torch.Tensor, rate: float, keep: float = 1.0) -> None:
        """Add rate * post @ pre to what is kept of the weights that exist."""
        if self.values.layout == torch.sparse_csr:
            torch.sparse.sampled_addmm(
                self.values, post, pre, alpha=rate, beta=keep, out=self.values
            )
            return
        self.values.addmm_(post, pre, alpha=rate, beta=keep)
        if self._mask is not None:
            self.values.mul_(self._mask)

    def fill_diagonal(self, value: float) -> None:
        """Set the diagonal."""
        if self.values.layout == torch.sparse_csr:
            self.values.values()[self._diagonal] = value
        else:
            self._diagonal.fill_(value)

    def to_numpy(self) -> NDArray[Any]:
        """Return them as a dense array."""
        dense: NDArray[Any] = self.values.to_dense().numpy()
        return dense.copy()


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

    def __init__(
        self, weights: dict[str, NDArray[Any]], self_coupling: float, sparse: bool = False
    ) -> None:
        present = np.identity(len(weights["couplings"]), bool) | (weights["couplings"] != 0)
        self.J = _Plastic(weights["couplings"], present, sparse)  # true couplings = scale * J
        self.W_in = _Plastic(weights["input_weights"], weights["input_weights"] != 0, sparse)
        self.W_out = torch.tensor(weights["readout"])  # (C, H)
        self.feedback = torch.tensor(weights["feedback_fields"].T.copy())  # (H, C)
        self.scale, self.self_coupling = 1.0, self_coupling
        self.J.fill_diagonal(self_coupling)

    def couplings(self) -> NDArray[Any]:
        """Return the true couplings, with a zero diagonal."""
        J = self.scale * self.J.to_numpy()
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
        n_samples, n_hidden = X.shape[2], len(self.feedback)
        u, driven, h, s, scratch, wrong = (torch.empty(n_hidden, n_samples) for _ in range(6))
        f, wrong_out, scratch_out = (torch.empty(len(self.W_out), n_samples) for _ in range(3))
        targets = 2 * torch.eye(len(self.W_out)) - 1
        target = torch.empty_like(f)
        for x, labels, factor in zip(X, y, rate_factors.tolist(), strict=True):
            torch.mm(self.W_in.values, x, out=u)
            if any(rule.amplitudes):
                torch.index_select(self.feedback, 1, labels, out=driven).add_(u)
            for t, a in enumerate(rule.amplitudes):
                # a is 0 or 1 in the schedule of both presets
                external = driven if a else u
                if t == 0:
                    h.copy_(external)  # silence: J adds nothing
                else:
                    torch.addmm(external, self.J.values, s, alpha=self.scale, out=h)
                _write_signs(h, s)
                if observe:
                    observe("h", h)
            torch.addmm(u, self.J.values, s, alpha=self.scale, out=h)
            torch.index_select(targets, 1, labels, out=target)
            torch.mm(self.W_out, s, out=f)
            _write_unstable(h, s, rule.threshold, scratch, wrong)
            _write_unstable(f, target, rule.readout_threshold, scratch_out, wrong_out)
            if observe:
                observe("margin", scratch - rule.threshold)
                observe("s", s)
                observe("wrong", wrong)
                observe("wrong_out", wrong_out)
            rates = [factor * rate / math.sqrt(n_samples) for rate in rule.rates]
            keep = [1.0 - factor * decay for decay in rule.decays]
            self.scale *= keep[0]
            self.J.learn(wrong, s.T, rates[0] / self.scale)
            self.J.fill_diagonal(self.self_coupling / self.scale)  # not learned
            self.W_in.learn(wrong, x.T, rates[1], keep[1])
            self.W_out.addmm_(wrong_out, s.T, alpha=rates[2], beta=keep[2])

    def predict(
        self, X: torch.Tensor, n_sweeps: int, only_active: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the classes of the samples X (N, n), and the smallest |h| that each met.

        With `only_active` a sample whose sweep changed nothing leaves the product.
        """
        u = self.W_in.values @ X
        closest = torch.empty(0)
        final = torch.empty_like(u)
        active = torch.arange(X.shape[1])
        s = torch.empty_like(u)
        _write_signs(u, s)
        for _ in range(n_sweeps - 1):
            h = torch.addmm(u, self.J.values, s, alpha=self.scale)
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
    X: NDArray[np.int8 | np.uint8], y: NDArray[np.int64], order: NDArray[np.int64], batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the samples in their order as (n, N, B) float32 and (n, B); whole batches only.

    Spins stay -1 or +1, pixels of 0 to 255 become 0 to 1.
    """
    rows = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
    batches = torch.from_numpy(X)[torch.from_numpy(rows)].transpose(1, 2)
    batches = batches.to(torch.float32).contiguous()
    return batches.div_(255) if X.dtype == np.uint8 else batches, torch.from_numpy(y[rows])


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
