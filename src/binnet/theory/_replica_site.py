"""What one neuron and its own factor say of y replicas of a network, for many neurons at once.

The replicas of a neuron share a Gaussian part of their field, z, and, through the conjugate of
their overlap, a polarisation u; given both they are independent.  The average over (u, z) is a sum
over equal steps, which for smooth integrands that fall like Gaussians converges exponentially.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from scipy import special

from binnet._validation import FloatArray

_LOG_2PI = float(np.log(2.0 * np.pi))
_TAIL = 7.0  # exp(-7^2 / 2) = 2e-11
_CENTRE = 2.5  # largest |z| around which nodes are dense; what bends further out weighs little
_DENSE = 0.4  # steps of t, in those of u
_NODES_AT_ONCE = 30_000  # of all neurons of a piece: temporaries stay in the cache


@dataclass
class Cavity:
    """What the others tell neuron i, arrays of shape (N,): fields, variances, polarisation."""

    bias: FloatArray  # B: field on the neuron's replicas, from other factors
    conjugate: FloatArray  # A + tau: what ties the neuron's replicas
    mean: FloatArray  # omega: mean of the field in the neuron's own factor
    shared: FloatArray  # C: variance of that field, of the part that replicas share
    private: FloatArray  # V: of the part that each replica has for itself

    def pieces(self, n: int) -> Iterator[tuple[slice, Cavity]]:
        """Yield `n` neurons at a time."""
        for start in range(0, self.bias.size, n):
            part = slice(start, start + n)
            yield part, Cavity(*(getattr(self, field.name)[part] for field in fields(self)))


@dataclass
class Site:
    """Averages of each neuron over the y replicas' weight; arrays of shape (N,).

    With a prime, derivatives with respect to the field (omega) or the bias (B) of all replicas.
    """

    log_norm: FloatArray  # log Z_i, with exp(-y (A + tau)/2)
    log_site: FloatArray  # <log{...}>
    magnetisation: FloatArray  # m
    overlap: FloatArray  # Q
    overlap_slope: FloatArray  # dQ / d(A + tau)
    response: FloatArray  # g
    response_overlap: FloatArray  # <r^2>, r being the response of a replica given (u, z)
    response_slope: FloatArray  # g'
    cross_slope: FloatArray  # dm/d omega = dg/dB
    replicon: FloatArray  # shape (N, 3): <(1-M^2)^2>, <l^2>, <x^2> of a replica given (u, z)


def average(cavity: Cavity, reach: float, replicas: float, step: float) -> Site:
    """Averages over (u, z) of y replicas with reach J_D - kappa, in steps of `step`, at most 1.

    Entropies are off by about 1e-6 with a step of 0.8, 1e-8 with 0.6 (docs/model/theory.md,
    eq. (6.8), (6.9)).
    """
    n = cavity.bias.size
    site = Site(*(np.empty((n, 3) if f.name == "replicon" else n) for f in fields(Site)))
    root = float(np.sqrt(np.max(cavity.conjugate)))
    u = _nodes(_TAIL + replicas * root, step * min(1.0, 1.0 / max(root, 1e-300)))
    # z = centre + width sinh(t): dense where Phi bends, which is within sqrt(V/C) of
    # (-omega +- reach) / sqrt(C).
    widest = np.arcsinh((_TAIL + _CENTRE) / np.min(_find_scale(cavity)))
    bend = float(np.sqrt(1.0 + reach * reach / np.min(cavity.private)))
    t = _nodes(float(widest), _DENSE * step / bend)
    at_once = max(1, _NODES_AT_ONCE // (u.size * t.size))
    for part, piece in cavity.pieces(at_once):
        found = _average(piece, reach, replicas, u, t)
        for field in fields(Site):
            getattr(site, field.name)[part] = getattr(found, field.name)
    return site


def _find_scale(cavity: Cavity) -> FloatArray:
    return np.minimum(1.0, np.sqrt(cavity.private / cavity.shared))


def _nodes(end: float, step: float) -> FloatArray:
    n = int(np.ceil(end / step))
    return step * np.arange(-n, n + 1.0)


def _average(cavity: Cavity, reach: float, y: float, u: FloatArray, t: FloatArray) -> Site:
    """Sums over u first: responses are linear in the magnetisation M of a replica given (u, z)."""
    width = np.sqrt(cavity.private)[:, None]
    scale = _find_scale(cavity)[:, None]
    centre = -cavity.mean[:, None] / np.sqrt(cavity.shared)[:, None]
    z = np.clip(centre, -_CENTRE, _CENTRE) + scale * np.sinh(t)
    shift = cavity.mean[:, None] + np.sqrt(cavity.shared)[:, None] * z
    up, down = (reach + shift) / width, (reach - shift) / width
    log_up, log_down = special.log_ndtr(up), special.log_ndtr(down)
    own = 0.5 * (log_up - log_down) + cavity.bias[:, None]
    polarisation = np.sqrt(cavity.conjugate)[:, None] * u
    total = own[:, :, None] + polarisation[:, None, :]
    size = np.abs(total)
    small = np.exp(-2.0 * size)
    magnetisation = np.copysign((1.0 - small) / (1.0 + small), total)
    log_site = size + np.log1p(small)
    log_site += (0.5 * (log_up + log_down))[:, :, None]
    weight = y * log_site
    log_step = np.log(scale * np.cosh(t)) - 0.5 * z * z
    weight += log_step[:, :, None]
    weight -= 0.5 * u * u
    top = weight.max(axis=(1, 2))
    weight -= top[:, None, None]
    np.exp(weight, out=weight)
    norm = weight.sum(axis=(1, 2))
    weight /= norm[:, None, None]
    squared = magnetisation * magnetisation
    # Given z: weights, and the averages of M, M^2 (1 - M^2)^2 over u times them.
    p = weight.sum(axis=2)
    p1, p2, p4 = (
        np.einsum("izu,izu->iz", weight, power)
        for power in (magnetisation, squared, squared * squared)
    )
    p3 = np.einsum("izu,izu,izu->iz", weight, magnetisation, squared)
    log_volume = np.log(norm * (t[1] - t[0]) * (u[1] - u[0])) - _LOG_2PI
    # Hazards phi/Phi of both spins, and their derivatives, as even and odd parts: r = d + M s.
    hazard_up = np.exp(-0.5 * (up * up + _LOG_2PI) - log_up) / width
    hazard_down = np.exp(-0.5 * (down * down + _LOG_2PI) - log_down) / width
    d, s = 0.5 * (hazard_up - hazard_down), 0.5 * (hazard_up + hazard_down)
    bend_up, bend_down = -up * hazard_up / width, -down * hazard_down / width
    d2, s2 = 0.5 * (bend_up + bend_down), 0.5 * (bend_up - bend_down)
    # l = d2 + M s2 - r^2, the curvature of log{...} of one replica, as a polynomial in M.
    c0, c1, c2 = d2 - d * d, s2 - 2.0 * d * s, -s * s

    m, q, fourth = p1.sum(axis=1), p2.sum(axis=1), p4.sum(axis=1)
    g = np.sum(d * p + s * p1, axis=1)
    r2 = np.sum(d * d * p + 2.0 * d * s * p1 + s * s * p2, axis=1)
    curvature = np.sum(d2 * p + s2 * p1, axis=1)
    mixed = np.sum(d * p1 + s * p2, axis=1)
    x = np.sum(s * (p - p2), axis=1)
    squares = (
        c0 * c0 * p + 2.0 * c0 * c1 * p1 + (c1 * c1 + 2.0 * c0 * c2) * p2
        + 2.0 * c1 * c2 * p3 + c2 * c2 * p4
    )  # fmt: skip
    replicon = (1.0 - 2.0 * q + fourth, squares.sum(axis=1),
                np.sum(s * s * (p - 2.0 * p2 + p4), axis=1))  # fmt: skip
    return Site(
        log_norm=top + log_volume - 0.5 * y * cavity.conjugate,
        log_site=np.einsum("izu,izu->i", weight, log_site),
        magnetisation=m,
        overlap=q,
        overlap_slope=_overlap_slope(y, q, fourth),
        response=g,
        response_overlap=r2,
        response_slope=curvature + (y - 1.0) * r2 - y * g * g,
        cross_slope=x + y * (mixed - m * g),
        replicon=np.stack(replicon, axis=1),
    )


def _overlap_slope(y: float, q: FloatArray, fourth: FloatArray) -> FloatArray:
    """dQ/d(A + tau): the variance of sum_{a<b} s^a s^b over the number of its terms."""
    return np.asarray(
        1.0 + 2.0 * (y - 2.0) * q
        + 0.5 * (y - 2.0) * (y - 3.0) * fourth - 0.5 * y * (y - 1.0) * q * q
    )  # fmt: skip
