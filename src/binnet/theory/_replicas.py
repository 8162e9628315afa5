"""The iteration of messages between neurons that each have y replicas.

It runs on one network, or on a population of neurons that stands for an infinite one, where sums
over J_ij become Gaussian numbers of the same variance (docs/model/theory.md, section 6).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy import special

from binnet._validation import FloatArray
from binnet.theory._messages import Instance
from binnet.theory._replica_site import Cavity, Site, average

_STEP = 0.7  # of the sums over (u, z)
_FINE = 0.55  # of the last one, whose difference is the error
_FLOOR = 1e-9  # of variances and of the conjugate: below, the square roots have no meaning
CLOSEST = 0.1  # smallest private variance, in the mean one: the grid follows it
_LONGEST = 0.7  # largest change of log(A + tau) in one iteration
_FIRST, _FARTHEST = 0.03, 0.15  # changes of log y


class Surroundings(Protocol):
    """What ties neurons together: a network, or its limit."""

    def mean(self, values: FloatArray) -> float:
        """Average over neurons."""

    def squares_in(self, values: FloatArray) -> FloatArray:
        """sum_j J_ij^2 v_j, for every i."""

    def squares_out(self, values: FloatArray) -> FloatArray:
        """sum_i J_ij^2 v_i, for every j."""

    def forward(self, m: FloatArray, reaction: FloatArray) -> FloatArray:
        """omega, from magnetisations."""

    def backward(self, g: FloatArray, reaction: FloatArray) -> FloatArray:
        """B, from responses."""


class Network:
    """Surroundings of the neurons of one network."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.squares_in, self.squares_out = instance.squares_in, instance.squares_out

    def mean(self, values: FloatArray) -> float:
        return float(np.mean(values))

    def forward(self, m: FloatArray, reaction: FloatArray) -> FloatArray:
        return self._instance.times(m) - reaction + self._instance.field

    def backward(self, g: FloatArray, reaction: FloatArray) -> FloatArray:
        return self._instance.transposed_times(g) - reaction


class Limit:
    """Surroundings of the neurons of an infinite network: a quadrature over (omega, B)."""

    def __init__(self, field_std: float, n_nodes: int) -> None:
        nodes, weights = special.roots_hermitenorm(n_nodes)
        self._variance = field_std * field_std
        # Both signs of (omega, B) give the same: one half of the nodes is enough.
        first, second = np.meshgrid(nodes, nodes[nodes > 0.0], indexing="ij")
        weight = np.outer(weights, weights[nodes > 0.0]).ravel()
        self.omega, self._bias = first.ravel(), second.ravel()
        self._weight = weight / weight.sum()

    def mean(self, values: FloatArray) -> float:
        return float(self._weight @ values)

    def squares_in(self, values: FloatArray) -> FloatArray:
        return np.full_like(values, self.mean(values))

    squares_out = squares_in

    def forward(self, m: FloatArray, reaction: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(self.mean(m * m) + self._variance) * self.omega)

    def backward(self, g: FloatArray, reaction: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(self.mean(g * g)) * self._bias)


class Entropies(NamedTuple):
    """phi_y, S_I and S_E, nats per neuron."""

    free: float
    internal: float
    external: float


class _Told(NamedTuple):
    """What neurons tell each other, shape (N,) each."""

    m: FloatArray
    q: FloatArray
    g: FloatArray
    k: FloatArray  # <r^2> - g^2


class Group:
    """y replicas at mean overlap q on some surroundings, and where their messages stand."""

    def __init__(
        self, around: Surroundings, start: Cavity, reach: float, overlap: float, damping: float
    ) -> None:
        self._around, self._reach, self._overlap, self._damping = around, reach, overlap, damping
        self._next = self._cavity = start
        self._told: _Told | None = None
        self._site: Site
        self.y = 1.0
        self.tie = self.drift = np.inf
        self.n_iterations = 0
        self.settled = False

    def settle(self, y: float, rtol: float, max_iterations: int) -> bool:
        """Iterate with y replicas until nothing changes by more than `rtol`."""
        self.y, self.settled, last = y, False, np.inf
        while self.n_iterations < max_iterations and not self.settled:
            self.n_iterations += 1
            change = self._step()
            free = self.entropies().free
            self.drift, last = abs(free - last), free
            whole = bool(np.min(self._cavity.conjugate) > _FLOOR)
            self.settled = whole and max(change, self.drift) < rtol
        return self.settled

    def settle_densest(self, y: float, rtol: float, max_iterations: int) -> bool:
        """Look from `y` on, by secants, for the number of replicas at which S_E = 0."""
        tried: list[tuple[float, float]] = []  # log y, S_E
        while self.settle(y, rtol, max_iterations):
            external = self.entropies().external
            if abs(external) < rtol * y:  # S_I is then off by less than rtol
                return True
            tried.append((float(np.log(y)), external))
            move = _FIRST * np.sign(external)
            if len(tried) > 1:
                run, rise = np.subtract(tried[-1], tried[-2])
                # S_E falls with y; where it seems not to, messages still move.
                move = -external * run / rise if rise * run < 0.0 else move
            y = max(1.0, y * float(np.exp(np.clip(move, -_FARTHEST, _FARTHEST))))
        return False

    def _step(self) -> float:
        y, around, cavity = self.y, self._around, self._next
        site = average(cavity, self._reach, y, _STEP)
        told = _Told(
            site.magnetisation, site.overlap, site.response,
            site.response_overlap - site.response**2,
        )  # fmt: skip
        if (before := self._told) is None:
            before, change = _Told(*np.zeros((4, told.m.size))), np.inf
        else:
            change = max(
                float(np.max(np.abs(new - old)))
                for new, old in zip(told[:2], before[:2], strict=True)
            )
            share = self._damping
            told = _Told(
                *(share * o + (1.0 - share) * n for o, n in zip(before, told, strict=True))
            )
        self._site, self._cavity, self._told = site, cavity, told

        # Scaled to the overlap asked for: replicas that are equal for a moment would stay so.
        apart = 1.0 - told.q
        apart *= (1.0 - self._overlap) / max(around.mean(apart), _FLOOR)
        private = np.maximum(around.squares_in(apart), CLOSEST * (1.0 - self._overlap))
        shared = np.maximum(around.squares_in(1.0 - told.m**2 - apart), _FLOOR)
        # Reactions go with what was said one iteration earlier (Bolthausen 2014).
        omega = around.forward(told.m, before.g * (private + y * shared))
        bias = around.backward(told.g, before.m * around.squares_out(site.response_slope))
        # Newton for the overlap, in the mean of A + tau: whatever A becomes, tau makes up for it.
        now, off = around.mean(cavity.conjugate), self._overlap - around.mean(site.overlap)
        rise = off / around.mean(site.overlap_slope) / now
        rise = float(np.clip(rise, -_LONGEST, _LONGEST))
        target = now * float(np.exp((1.0 - self._damping) * rise))
        own = around.squares_out(told.k)
        self.tie = target - around.mean(own)
        conjugate = np.maximum(own + self.tie, _FLOOR)
        self._next = Cavity(bias, conjugate, omega, shared, private)
        return max(change, abs(off))

    def entropies(self, step: float | None = None) -> Entropies:
        """Bethe entropies where the messages stand, or on another grid (eq. (6.11), (6.12))."""
        y, around, cavity = self.y, self._around, self._cavity
        site = self._site if step is None else average(cavity, self._reach, y, step)
        m, q, mean = site.magnetisation, site.overlap, around.mean
        own = around.squares_out(site.response_overlap - site.response**2)
        reaction = around.squares_out(site.response**2)
        tie = mean(cavity.conjugate - own)
        pairs = 0.5 * y * (y - 1.0)
        links = 0.5 * self._susceptibility(site) * reaction - m * cavity.bias
        free = mean(site.log_norm + y * links - pairs * own * q) - pairs * tie * mean(q)
        links = 0.5 * (1.0 - q) * reaction - m * cavity.bias
        internal = mean(
            site.log_site - 0.5 * cavity.conjugate + links - (y - 0.5) * own * q
        ) - (y - 0.5) * tie * mean(q)  # fmt: skip
        return Entropies(free, internal, free - y * internal)

    def _susceptibility(self, site: Site) -> FloatArray:
        """dm/dB, of a bias on all replicas."""
        return 1.0 + (self.y - 1.0) * site.overlap - self.y * site.magnetisation**2

    @property
    def overlap(self) -> float:
        return self._around.mean(self._site.overlap)

    @property
    def magnetisations(self) -> FloatArray:
        return self._site.magnetisation

    @property
    def group_overlap(self) -> float:
        return self._around.mean(self._site.magnetisation**2)

    @property
    def bias_growth(self) -> float:
        """Growth of small changes of m and g (docs/model/theory.md, eq. (6.13))."""
        site, mean = self._site, self._around.mean
        product = mean(self._susceptibility(site) ** 2) * mean(site.response_slope**2)
        return mean(site.cross_slope**2) + float(np.sqrt(product))

    @property
    def replicon(self) -> float:
        """Growth of small differences between replicas (docs/model/theory.md, eq. (6.14))."""
        spin, response, cross = (self._around.mean(column) for column in self._site.replicon.T)
        # Rounding may leave a negative one where all replicas are polarised.
        return cross + float(np.sqrt(max(spin * response, 0.0)))

    @property
    def error(self) -> float:
        return self.drift + abs(self.entropies(_FINE).free - self.entropies().free)


def start_cavity(
    omega: FloatArray, bias: FloatArray, norms: FloatArray, overlap: float, conjugate: float
) -> Cavity:
    """Messages before the first iteration."""
    return Cavity(
        bias, np.full_like(omega, conjugate), omega, norms * overlap, norms * (1.0 - overlap)
    )
