"""The Gaussian averages of the replica calculation with quenched external fields.

The field b of a neuron and the component z that its replicas share enter through h = sqrt(q) z + b
alone.  So what replicas do at a given h is averaged over their polarisation once, on panels in h
(all is even in h, and known beyond a few widths of the private field, where replicas have no
choice); for every b a one-dimensional Gaussian average over h is left, and outside one over b.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from binnet._validation import FloatArray
from binnet.theory._quadrature import DEPTH, LOG_2PI, Averages, Neuron, SharedField, panels

_SIGMAS = 9.3  # exp(-9.3^2 / 2) = 2e-19
# Edges of the panels around |h| = a, in widths of the private field; beyond the last replicas have
# no choice: exp(-11^2 / 2) = 5e-27.
_STEPS = np.array([-11.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 11.0])
_B_EDGES = np.array([0.0, 0.5, 1.5, 3.0, 5.0, 8.0, 12.0, 18.0, 27.0])


def make_field(neuron: Neuron, distance: float, order: int) -> Field:
    """Return the averages for a neuron at distance d, on grids of `order` points a panel."""
    if neuron.field_std == 0.0:
        return SharedField(neuron.reach, distance, order)
    return DrivenField(neuron, distance, order)


class DrivenField:
    """Averages over b, z and u for a neuron with external fields, at distance d, 0 < d < 1/2.

    `order` is the number of points per Gauss-Legendre panel, in every direction.
    """

    def __init__(self, neuron: Neuron, distance: float, order: int) -> None:
        self.order = order
        self.field_std = neuron.field_std
        width = np.sqrt(2.0 * distance)  # of the field that a replica has for itself
        self.root_q = np.sqrt(1.0 - 2.0 * distance)
        bends = np.append(abs(neuron.reach) + width * _STEPS, 0.0)
        if neuron.reach > 0.0:  # however far replicas have a choice, no field h is that large
            bends = np.minimum(bends, _SIGMAS * (self.field_std + 2.0))
        bends = np.unique(np.maximum(bends, 0.0))
        self._last = float(bends[-1])
        # Panels resolve the Gaussian over h, too.
        pieces = np.ceil(np.diff(bends) / (4.0 * min(self.root_q, 0.5))).astype(int)
        starts = np.repeat(bends[:-1], pieces)
        inside = np.concatenate([np.arange(n) / n for n in pieces])
        edges = np.append(starts + inside * np.repeat(np.diff(bends), pieces), self._last)
        self._h, self._log_h = panels(edges, order)
        x = np.stack([neuron.reach + self._h, neuron.reach - self._h]) / width
        self._log_phi = special.log_ndtr(x)  # rows: s = +1, -1
        self._hazards = np.exp(-0.5 * (x * x + LOG_2PI) - self._log_phi) / width

    def averages(self, conjugate: float, replicas: float) -> Averages:
        """Averages for conjugate overlap q-hat >= 0 and number of replicas y >= 1."""
        log_weight, moments = self._replicas(conjugate, replicas)
        b, log_b = self._external(max(0.0, float(log_weight.max())))
        near, far = ((self._h + shift) / self.root_q for shift in (-b[:, None], b[:, None]))
        log_gauss = np.log1p(np.exp(0.5 * (near**2 - far**2))) - 0.5 * (near**2 + LOG_2PI)
        log_total = log_gauss + (self._log_h + log_weight - np.log(self.root_q))
        edges = (np.stack([b, -b]) - self._last) / self.root_q
        log_beyond = np.logaddexp(*special.log_ndtr(edges))  # without a choice: weight 1
        shift = np.maximum(log_total.max(axis=1), log_beyond)
        weight = np.exp(log_total - shift[:, None])
        norm = weight.sum(axis=1) + np.exp(log_beyond - shift)
        share = np.exp(log_b)
        log_norm = float(np.sum(share * (shift + np.log(norm))))
        means = np.einsum("b,bh,kh->k", share / norm, weight, moments, optimize=False)
        polarised = replicas * conjugate
        return Averages(
            0.5 * replicas * polarised + log_norm,
            polarised + float(means[0]),
            float(means[1]),
            float(means[2]),
        )

    def _external(self, gain: float) -> tuple[FloatArray, FloatArray]:
        """Nodes and log weights of b > 0, up to where a weight exp(gain) of a choice is too far."""
        std = self.field_std
        last = min(_SIGMAS * std, self._last + self.root_q * np.sqrt(2.0 * (DEPTH + gain)))
        edges = _B_EDGES * min(std, 1.0)
        b, log_weight = panels(np.append(edges[edges < 0.8 * last], last), self.order)
        return b, log_weight + np.log(2.0 / std) - 0.5 * ((b / std) ** 2 + LOG_2PI)

    def _replicas(self, conjugate: float, y: float) -> tuple[FloatArray, FloatArray]:
        """Log weight of y replicas at every h, and moments of theirs (rows).

        Both in comparison with replicas that all follow the field: log weight y^2 q-hat / 2,
        log{...} y q-hat, and no other moments.
        """
        log_phi, _ = self._log_phi
        tilt = 0.5 * (self._log_phi[0] - self._log_phi[1])
        log_along, along = _one_sign(tilt, conjugate, y, self.order)
        # Polarised against h: at most 2^y times as heavy, but for this factor.
        few = 2.0 * y * tilt < DEPTH + y
        log_against, against = np.full_like(tilt, -np.inf), np.zeros_like(along)
        log_against[few], against[:, few] = _one_sign(-tilt[few], conjugate, y, self.order)
        log_both = np.logaddexp(log_along, log_against - 2.0 * y * tilt)
        share = np.exp(log_along - log_both)
        log_cosh, _, unpolarised = share * along + (1.0 - share) * against
        down = share * along[1] + (1.0 - share) * (1.0 - against[1])  # <p(s = -1)>
        up, both = self._hazards[0], self._hazards.sum(axis=0)
        # <(up - p both)^2> with <p^2> = <p> - <p(1 - p)>
        response = up * (up - 2.0 * both * down) + both**2 * (down - 0.25 * unpolarised)
        log_site = log_phi - tilt + log_cosh - y * conjugate
        return y * log_phi + log_both, np.stack([log_site, unpolarised, response])


def _one_sign(
    tilt: FloatArray, conjugate: float, y: float, order: int
) -> tuple[FloatArray, FloatArray]:
    """Average over polarisations t > 0 at given tilts of the field.

    Returns the log of int N(t; tilt + y q-hat, q-hat) (1 + exp(-2t))^y over t > 0 and the means
    (rows) of log 2cosh t, the share (1 - tanh t)/2 of the other sign, and 1 - tanh^2 t.
    """
    root, mean = np.sqrt(conjugate), tilt + y * conjugate

    def log_integrand(t: FloatArray) -> FloatArray:
        return np.asarray(y * np.log1p(np.exp(-2.0 * t)) - 0.5 * ((t - mean) / root) ** 2)

    # Newton's steps from the right end at the maximum: the slope is concave there.
    peak = ceiling = np.maximum(mean, 0.0)
    for _ in range(8):
        other = special.expit(-2.0 * peak)
        slope = (mean - peak) / conjugate - 2.0 * y * other
        bend = 4.0 * y * other * (1.0 - other) - 1.0 / conjugate
        peak = np.clip(peak - slope / np.minimum(bend, -1e-3 / conjugate), 0.0, ceiling)
    at_zero = log_integrand(np.zeros_like(mean))
    floor = np.maximum(log_integrand(peak), at_zero) - DEPTH
    low, high = np.zeros_like(mean), np.where(at_zero >= floor, 0.0, peak)
    for _ in range(int(np.log2(1.0 + ceiling.max(initial=0.0) / root)) + 3):
        middle = 0.5 * (low + high)
        above = log_integrand(middle) >= floor
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    # Above the maximum it falls faster than the parabola there.
    other = special.expit(-2.0 * peak)
    bend = 1.0 / conjugate - 4.0 * y * other * (1.0 - other)
    spread = 1.0 / np.sqrt(np.maximum(bend, 1e-6 / conjugate))
    length = np.minimum(ceiling + _SIGMAS * root, peak + _SIGMAS * spread) - low
    panel = np.minimum(4.0 * spread, 2.5)
    n = max(3, int(np.ceil(np.max(length / panel, initial=0.0))))
    x, log_x = panels(np.linspace(0.0, 1.0, n + 1), order)
    t = low + length * x[:, None]
    log_total = log_integrand(t) + log_x[:, None]
    shift = log_total.max(axis=0)
    weight = np.exp(log_total - shift)
    norm = weight.sum(axis=0)
    other = special.expit(-2.0 * t)
    moments = (t + np.log1p(np.exp(-2.0 * t)), other, 4.0 * other * (1.0 - other))
    means = np.stack([np.einsum("th,th->h", weight, moment) for moment in moments]) / norm
    return shift + np.log(norm * length / root) - 0.5 * LOG_2PI, means


Field = SharedField | DrivenField
