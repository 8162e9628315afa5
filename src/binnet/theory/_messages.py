"""One step of dense message passing on one network, shared by belief propagation and the solvers.

Messages are kept per neuron, as in approximate message passing: corrections for the neuron that a
message is sent to are taken into account to the order 1/N that matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from binnet._validation import FloatArray, check_real
from binnet.theory import _checks

_LOG_2PI = math.log(2.0 * math.pi)
_V_MIN = 1e-6  # floor of the cavity variance: a polarised network would divide by zero


@dataclass
class Messages:
    """State of the dense message passing; all arrays have shape (N,)."""

    total: FloatArray  # H = B + own message + external drive
    cavity: FloatArray  # B: field on each neuron from the other factors
    own: FloatArray  # message from a neuron's own factor
    response: FloatArray  # g
    drive: FloatArray  # reinforcement or focusing field
    log_factor: FloatArray  # log of the factor's probability, for the Bethe entropy


class Settled(NamedTuple):
    """Where messages stand after many steps."""

    messages: Messages
    entropy: float
    drift: float  # change of the entropy in the last step
    n_iterations: int
    converged: bool


class Instance:
    """One network and one step of its messages (docs/model/theory.md, section 6)."""

    def __init__(
        self,
        couplings: ArrayLike,
        self_coupling: ArrayLike,
        field: ArrayLike,
        exact: bool,
        margin: float = 0.0,
    ) -> None:
        self.matrix = _checks.couplings(couplings)
        self.n = self.matrix.shape[0]
        self.reach = _checks.self_couplings(self_coupling, self.n) - check_real("margin", margin)
        self.field = _checks.fields(field, self.n)
        # Sums over J_ij^2 v_j: exact, or with v_j replaced by its mean, which leaves the norms of
        # rows and columns and saves two passes over the matrix in every step.
        self.squared = self.matrix * self.matrix if exact else None
        self.row_norms, self.column_norms = (
            np.einsum(f"ij,ij->{kept}", self.matrix, self.matrix).astype(np.float64)
            for kept in "ij"
        )

    def times(self, vector: FloatArray) -> FloatArray:
        return np.asarray(self.matrix @ vector.astype(self.matrix.dtype), dtype=np.float64)

    def transposed_times(self, vector: FloatArray) -> FloatArray:
        return np.asarray(vector.astype(self.matrix.dtype) @ self.matrix, dtype=np.float64)

    def squares_out(self, vector: FloatArray) -> FloatArray:
        """sum_i J_ij^2 v_i, for every j."""
        if self.squared is None:
            return np.asarray(self.column_norms * np.mean(vector))
        return np.asarray(vector.astype(self.matrix.dtype) @ self.squared, dtype=np.float64)

    def squares_in(self, vector: FloatArray) -> FloatArray:
        """sum_j J_ij^2 v_j, for every i."""
        if self.squared is None:
            return np.asarray(self.row_norms * np.mean(vector))
        return np.asarray(self.squared @ vector.astype(self.matrix.dtype), dtype=np.float64)

    def start(self, rng: np.random.Generator, spread: float) -> Messages:
        cavity = np.asarray(spread * rng.standard_normal(self.n))
        zero = np.zeros(self.n)
        return Messages(cavity.copy(), cavity, zero, zero, zero, zero)

    def step(self, old: Messages, damping: float) -> Messages:
        """Update factors, then fields; `total` still lacks the drive, which the caller adds."""
        m = np.tanh(old.total)
        variance = np.maximum(self.squares_in(1.0 - m * m), _V_MIN)
        omega = self.times(m) - variance * old.response + self.field
        scale = np.sqrt(variance)
        x = np.stack([self.reach + omega, self.reach - omega]) / scale  # s = +1, -1
        log_phi = special.log_ndtr(x)
        # The neuron of the factor itself, without the factor: p(s) = (1 + s tanh c)/2, c = B +
        # drive.
        own_cavity = old.cavity + old.drive
        log_p = special.log_expit(np.stack([2.0 * own_cavity, -2.0 * own_cavity]))
        log_factor = np.logaddexp(log_p[0] + log_phi[0], log_p[1] + log_phi[1])
        density = np.exp(log_p - 0.5 * (x * x + _LOG_2PI) - log_factor)
        response = (density[0] - density[1]) / scale
        curvature = -(x[0] * density[0] + x[1] * density[1]) / variance - response**2  # dg/d omega
        response = damping * old.response + (1.0 - damping) * response
        cavity = self.transposed_times(response) - m * self.squares_out(curvature)
        cavity = damping * old.cavity + (1.0 - damping) * cavity
        own = 0.5 * (log_phi[0] - log_phi[1])
        return Messages(cavity + own, cavity, own, response, old.drive, log_factor)

    def bethe_entropy(self, messages: Messages) -> float:
        """Sum of log factors and log variables, less the links (dense expansion to order 1/N)."""
        m = np.tanh(messages.total)
        b = messages.cavity + messages.drive  # what the drive adds is energy, not entropy
        log_cosh = np.logaddexp(b, -b)
        links = 0.5 * (1.0 - m * m) * self.squares_out(messages.response**2)
        return float(np.mean(messages.log_factor + log_cosh - m * b + links))

    def settle(
        self,
        messages: Messages,
        damping: float,
        rtol: float,
        max_iterations: int,
        find_drive: Callable[[FloatArray], FloatArray] | None = None,
    ) -> Settled:
        """Iterate until no magnetisation, nor the entropy, changes by more than `rtol`.

        `find_drive` makes the next drive out of the total fields without one.
        """
        for n_iterations in range(1, max_iterations + 1):
            old, messages = messages, self.step(messages, damping)
            if find_drive is not None:
                messages.drive = find_drive(messages.total)
                messages.total = messages.total + messages.drive
            change = float(np.max(np.abs(np.tanh(messages.total) - np.tanh(old.total))))
            if change < rtol or n_iterations == max_iterations:
                entropy = self.bethe_entropy(messages)
                # Of the start there is none: its factors have not been summed yet.
                last = self.bethe_entropy(old) if n_iterations > 1 else np.inf
                if change < rtol and abs(entropy - last) < rtol:
                    return Settled(messages, entropy, abs(entropy - last), n_iterations, True)
        return Settled(messages, entropy, abs(entropy - last), max_iterations, False)
