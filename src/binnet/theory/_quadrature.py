"""The two-dimensional Gaussian average of the replica calculation, on a grid that follows its mass.

Per neuron, y replicas share a field component z and a polarisation u.  Their joint weight moves
and narrows as y grows and bends sharply as replicas get close; so the box that holds it is located
first, then cut into Gauss-Legendre panels where the integrand bends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

from binnet._validation import FloatArray

DEPTH = 42.0  # nats below the peak at which the integrand is dropped: exp(-42) = 6e-19
_U_MARGIN = 9.3  # exp(-9.3^2 / 2) = 2e-19
_Z_MAX = 9.2  # Dz beyond it: 4e-20
LOG_2PI = float(np.log(2.0 * np.pi))
# Edges of the panels around a step of Phi, in widths of the step.
_STEPS = np.array([-40.0, -12.0, -6.0, -3.0, 0.0, 3.0, 6.0, 12.0, 40.0])


@lru_cache(maxsize=32)
def _legendre(n: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = special.roots_legendre(n)
    return np.asarray(nodes), np.asarray(weights)


def panels(edges: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and log weights of Gauss-Legendre quadrature, n on every panel between `edges`."""
    nodes, weights = _legendre(n)
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * nodes).ravel(), np.log(half * weights).ravel()


def _sum_products(x: FloatArray, y: FloatArray) -> float:
    """Return sum x y, on one thread: BLAS would wake all, and wait for them on a busy machine."""
    return float(np.einsum("ij,ij->", x, y))


class Averages(NamedTuple):
    """Averages under the weight of y replicas: `log_norm`, log of the integral, and moments."""

    log_norm: float
    log_site: float  # <log{...}>
    unpolarised: float  # <1 - m^2>, m the magnetisation of a replica given (u, z)
    response: float  # <g^2>, g the response of log{...} to the shared field


class Neuron(NamedTuple):
    """What a neuron of the ensemble is like."""

    reach: float  # a = J_D - kappa
    field_std: float  # sigma_b of the external fields

    def __str__(self) -> str:
        words = f"self_coupling - margin = {self.reach:g}"
        return words + (f", field_std = {self.field_std:g}" if self.field_std else "")


class SharedField:
    """Averages over (u, z) at one reach a = J_D - kappa and distance d = (1-q)/2, 0 < d < 1/2.

    `order` is the number of points per Gauss-Legendre panel (10 gives about 1e-9, 20 about 1e-13).
    """

    def __init__(self, reach: float, distance: float, order: int) -> None:
        self.order = order
        self.reach = reach
        self.width = np.sqrt(2.0 * distance)  # of the field that a replica has for itself
        self.root_q = np.sqrt(1.0 - 2.0 * distance)
        # Phi switches where a + s sqrt(q) z = 0, within a few widths of the private field.
        steps = self.width / self.root_q * _STEPS
        centre = reach / self.root_q
        self._bends = np.unique(np.concatenate([centre + steps, -centre + steps, [0.0]]))

    def _log_phi(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Arguments x and log Phi(x) of both spins (rows: s = +1, -1) at the shared field z."""
        shift = self.root_q * z
        x = np.stack([self.reach + shift, self.reach - shift]) / self.width
        return x, special.log_ndtr(x)

    def _box(self, root: float, y: float) -> tuple[float, float, float, float]:
        """Where the mass lies: bounds of u > 0 and of z, found by zooming on coarse grids."""
        # Beyond u = y root every slice falls at least like exp(-(u - y root)^2 / 2).
        u_low, u_high, z_low, z_high = 0.0, y * root + _U_MARGIN, -_Z_MAX, _Z_MAX
        for _ in range(8):
            u = np.linspace(u_low, u_high, 40)
            bends = self._bends[4::9] if self._bends.size > 12 else self._bends
            z = np.linspace(z_low, z_high, 41)
            z = np.sort(np.concatenate([z, bends[(bends > z_low) & (bends < z_high)]]))
            up, down = self._log_phi(z)[1]
            drive = (root * u)[:, None]
            log_weight = (
                y * np.logaddexp(up + drive, down - drive) - 0.5 * (u * u)[:, None] - 0.5 * z * z
            )
            kept = log_weight > np.max(log_weight) - DEPTH
            rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
            before = (u_high - u_low, z_high - z_low)
            u_low, u_high = u[max(rows[0] - 1, 0)], u[min(rows[-1] + 1, u.size - 1)]
            z_low, z_high = z[max(columns[0] - 1, 0)], z[min(columns[-1] + 1, z.size - 1)]
            if u_high - u_low > 0.6 * before[0] and z_high - z_low > 0.6 * before[1]:
                break
        return u_low, u_high, z_low, z_high

    def averages(self, conjugate: float, replicas: float) -> Averages:
        """Averages for conjugate overlap q-hat >= 0 and number of replicas y >= 1."""
        root = float(np.sqrt(conjugate))
        u_low, u_high, z_low, z_high = self._box(root, replicas)
        # The half u < 0 follows from the symmetry (u, z) -> (-u, -z).
        n_u = max(4, int(np.ceil((u_high - u_low) * max(1.0, 0.5 * root) / 5.0)))
        u, log_u = panels(np.linspace(u_low, u_high, min(n_u, 40) + 1), self.order)
        inside = self._bends[(self._bends > z_low) & (self._bends < z_high)]
        edges = np.unique(np.concatenate([np.linspace(z_low, z_high, 5), inside]))
        edges = edges[np.append(True, np.diff(edges) > 1e-9 * (z_high - z_low))]
        z, log_z = panels(edges, self.order)
        log_u += np.log(2.0) - 0.5 * (u * u + LOG_2PI)
        log_z -= 0.5 * (z * z + LOG_2PI)

        x, log_phi = self._log_phi(z)
        up = (root * u)[:, None] + log_phi[0]
        down = (-root * u)[:, None] + log_phi[1]
        log_site = np.logaddexp(up, down)
        log_total = replicas * log_site + log_u[:, None] + log_z
        shift = float(np.max(log_total))
        weight = np.exp(log_total - shift)
        norm = float(np.sum(weight))
        share_up, share_down = np.exp(up - log_site), np.exp(down - log_site)
        hazard = np.exp(-0.5 * (x * x + LOG_2PI) - log_phi) / self.width
        response = share_up * hazard[0] - share_down * hazard[1]
        return Averages(
            shift + float(np.log(norm)),
            _sum_products(weight, log_site) / norm,
            4.0 * _sum_products(weight, share_up * share_down) / norm,
            _sum_products(weight, response**2) / norm,
        )
