"""Random networks whose couplings are a function of a seed and are never stored.

`relax` draws the couplings of a neuron again whenever it flips, so that memory grows with the
number of neurons N and not with its square: N = 10⁵, 40 GB in float32, relaxes in a second.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from binnet._threads import in_pieces
from binnet._validation import check_choice, check_integer, keep_integer, keep_real
from binnet.networks.random import DISTRIBUTIONS, RandomNetwork

# Random signs P that a coupling is the sum of.
_SIGNS = {"gaussian": 16, "sign": 1}
# Fields are int32 in units of a sign; with a self-coupling as large they still fit.
_LARGEST_SUM = 2**30
# Largest matrix that `materialise` makes unasked.
_MATERIALISED_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ImplicitNetwork:
    """A fully connected network without input whose couplings are drawn when they are needed.

    The fields are those of docs/model/network.md, eq. (9.1), without b_i, and
    ``J_ij = strength * n_ij`` with n_ij the sum of P independent random signs, P = 1 ("sign") or 16
    ("gaussian"), and strength = 1/sqrt(P N) rounded to 24 bits: couplings and fields are then exact
    in float64. Mean 0, variance 1/N and vanishing odd moments are those of Gaussian couplings; the
    fourth moment is 3 - 2/P in units of the squared variance (2.875, or 1 for signs) instead
    of 3. Fields, sums of P (N - 1) signs, are Gaussian up to their excess kurtosis -2/(P (N - 1))
    and their lattice, of spacing 2 * strength.

    Parameters
    ----------
    n_neurons : int
        N, at least 1; at most 67 108 864 (gaussian) or 1 073 741 824 (sign), for 32-bit fields.
    self_coupling : float, default 0.5
        J_D >= 0.
    distribution : {"gaussian", "sign"}, default "gaussian"
        Nearly normal couplings, or one strength with random signs. Signs cost a sixteenth.
    seed : int, default 0
        Seed of the couplings.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    Examples
    --------
    >>> network = ImplicitNetwork(1_000_000, self_coupling=1.0, distribution="sign")
    >>> network.strength
    0.0010000000474974513
    """

    n_neurons: int
    self_coupling: float = 0.5
    distribution: str = "gaussian"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        largest = _LARGEST_SUM // self.n_signs
        n_neurons = check_integer("n_neurons", self.n_neurons, 1, largest)
        object.__setattr__(self, "n_neurons", n_neurons)
        keep_real(self, "self_coupling", 0.0)
        keep_integer(self, "seed", 0, None)

    @property
    def n_signs(self) -> int:
        """Number of random signs P that a coupling is the sum of."""
        return _SIGNS[self.distribution]

    @property
    def strength(self) -> float:
        """What a sign counts, 1/sqrt(P N) with 24 significant bits."""
        return float(np.float32(1.0 / math.sqrt(self.n_signs * self.n_neurons)))

    @property
    def integer_self_coupling(self) -> int:
        """J_D in units of the strength, an integer that compares with the fields as J_D does."""
        # Fields are sums of P (N - 1) signs: all even or all odd.
        largest = self.n_signs * (self.n_neurons - 1)
        theta = Fraction(self.self_coupling) / Fraction(self.strength)
        if theta > largest:
            return largest + 1
        floor = math.floor(theta)
        is_reached = (floor - largest) % 2 == 0  # by a field: theta is as large, or larger
        return floor + 1 if is_reached and theta > floor else floor

    @property
    def key(self) -> np.uint64:
        """Key of the kernels' random numbers, from the seed."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(0, 0))
        return np.uint64(sequence.generate_state(1, np.uint64)[0])

    def materialise(self) -> RandomNetwork:
        """Return the network with its couplings stored, which relaxes exactly like this one.

        Returns
        -------
        RandomNetwork
            The same couplings in float64, in which they and their sums are exact.

        Raises
        ------
        ValueError
            If the couplings would take more than 2 GiB, N > 16 384.

        Examples
        --------
        >>> ImplicitNetwork(100, distribution="sign").materialise().couplings.std().round(3)
        np.float64(0.099)
        """
        n_bytes = 8 * self.n_neurons**2
        if n_bytes > _MATERIALISED_BYTES:
            raise ValueError(
                f"n_neurons must be <= {math.isqrt(_MATERIALISED_BYTES // 8)} to store the "
                f"couplings, got {self.n_neurons}, which would take {n_bytes / 2**30:.4g} GiB; "
                "relax the ImplicitNetwork itself, it needs no matrix"
            )
        return RandomNetwork(
            self.strength * self.draw_sign_sums(), self.self_coupling, parameters=asdict(self)
        )

    def draw_sign_sums(self) -> NDArray[np.int8]:
        """Return the couplings in units of the strength.

        Returns
        -------
        ndarray of int8, shape (N, N)
            n_ij at ``[i, j]``.
        """
        from binnet_kernels.relaxation.implicit import draw_couplings_implicit

        sums = np.empty((self.n_neurons, self.n_neurons), np.int8)
        for first, stop in in_pieces(self.n_neurons):
            draw_couplings_implicit(self.key, self.n_signs, first, stop, sums)
        return sums.T
