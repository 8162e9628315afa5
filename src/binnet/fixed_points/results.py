"""What an enumeration found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import renamed_attribute, renamed_parameter
from binnet._progress import progress_bar
from binnet._threads import count_pieces, resolve_threads, share_out
from binnet.fixed_points.basins import Basins, measure_basins
from binnet.networks import RandomNetwork
from binnet.states import unpack_states

if TYPE_CHECKING:
    import xarray

_PAIRS_PER_CALL = 10**8
_TRANSFORM_BITS = 22  # of a Walsh transform that stays in the cache

# Nanoseconds, measured: a pair; a step of a transform; adding a state to the values transformed.
_PAIR, _STEP, _ADD = 0.6, 0.3, 2.0


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Every fixed point of a network, as `binnet.fixed_points.enumerate` returns it.

    Parameters
    ----------
    network : RandomNetwork
        The network.
    states : ndarray of uint64, shape (n, 1)
        Packed states (`binnet.pack_states`), in ascending order.
    method : str
        "gray" or "bounded".
    margin : float
        kappa, the stability s_i h_i that was asked of every neuron.
    """

    network: RandomNetwork
    states: NDArray[np.uint64]
    method: str
    margin: float = 0.0

    @property
    def count(self) -> int:
        """Number of fixed points n."""
        return len(self.states)

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return self.network.n_neurons

    def unpacked(self) -> NDArray[np.int8]:
        """Return the fixed points as spins.

        Returns
        -------
        ndarray of int8, shape (n, N)
            Rows of -1 and +1.
        """
        return unpack_states(self.states, self.n_neurons)

    def stabilities(self) -> NDArray[np.float64]:
        """Return the stabilities s_i h_i, self-coupling and external field included.

        Returns
        -------
        ndarray of float64, shape (n, N)
            In the units of J, rounded as float64 sums are.
        """
        spins = self.unpacked().astype(np.float64)
        self_coupling, external = self.network.in_field_units()
        fields = spins @ self.network.couplings.T.astype(np.float64) + external
        stabilities = spins * fields + float(self_coupling)
        return np.asarray(self.network.scale * stabilities, np.float64)

    margins = renamed_attribute("margins", "stabilities")

    def overlap_histogram(
        self, *, threads: int | None = None, progress: bool = False
    ) -> NDArray[np.int64]:
        """Return the number of ordered pairs of fixed points by the neurons in which they differ.

        Parameters
        ----------
        threads : int, optional
            Threads of the count; the result does not depend on it. Default: all cores.
        progress : bool, default False
            Whether to show a progress bar.

        Returns
        -------
        ndarray of int64, shape (N + 1,)
            Entry k counts the pairs that differ in k neurons, whose overlap is q = 1 - 2 k / N;
            entry 0 counts every fixed point with itself.
        """
        n_threads = resolve_threads(threads)
        n = self.n_neurons
        n_transforms = 2.0 ** max(n - _TRANSFORM_BITS, 0)
        by_pairs = _PAIR * self.count**2 / 2 / n_threads
        if by_pairs > _STEP * n * 2.0**n + _ADD * n_transforms * self.count:
            return _transform_distances(self.states[:, 0], n, progress)
        return _count_distances(self.states, n, n_threads, progress)

    def to_dataset(self, *, threads: int | None = None) -> xarray.Dataset:
        """Return the fixed points and their pair overlaps as a labelled data set.

        Parameters
        ----------
        threads : int, optional
            Threads of the count of pairs. Default: all cores.

        Returns
        -------
        xarray.Dataset
            ``state`` (fixed_point, word) as `binnet.unpack_states` reads it, and ``pairs``
            (distance,); what the network was drawn with is JSON in the attributes.
        """
        import xarray

        coding = "neuron i is bit i % 64 of word i // 64, 1 is +1"
        return xarray.Dataset(
            {
                "state": (("fixed_point", "word"), self.states, {"coding": coding}),
                "pairs": ("distance", self.overlap_histogram(threads=threads)),
            },
            coords={"distance": range(self.n_neurons + 1)},
            attrs={
                "n_neurons": self.n_neurons,
                "margin": self.margin,
                "method": self.method,
                "network": json.dumps(dict(self.network.parameters)),
            },
        )

    @renamed_parameter("dynamics", "update_order")
    def basins(
        self,
        update_order: str = "sync",
        *,
        update_probability: float = 0.5,
        max_sweeps: int = 1000,
        seed: int = 0,
        threads: int | None = None,
        progress: bool = False,
    ) -> Basins:
        """Return how many of all 2**N states end in each fixed point, for N <= 20.

        Parameters
        ----------
        update_order : str, default "sync"
            As for `binnet.dynamics.relax_free`. Deterministic orders are followed to their end; of
            one that draws random numbers each start makes one run, with numbers of its own.
        update_probability : float, default 0.5
            For random-subset, in (0, 1].
        max_sweeps : int, default 1000
            Sweeps of a random run at most.
        seed : int, default 0
            Seed of the random runs.
        threads : int, optional
            Threads; the result does not depend on it. Default: all cores.
        progress : bool, default False
            Whether to show a progress bar, on a terminal.

        Returns
        -------
        Basins
            Sizes, and how many starts do not end in a fixed point.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of its range, N > 20, or the fixed points have a margin.

        Examples
        --------
        >>> from binnet import RandomNetwork, fixed_points
        >>> network = RandomNetwork.draw(10, self_coupling=1.0, dtype="int16", seed=1)
        >>> basins = fixed_points.enumerate(network).basins("async-fixed")
        >>> int(basins.sizes.sum()) + basins.n_cycles
        1024
        """
        return measure_basins(
            self.network, self.states, self.margin,
            update_order, update_probability, max_sweeps, seed, threads, progress,
        )  # fmt: skip


def _count_distances(
    states: NDArray[np.uint64], n_neurons: int, threads: int, progress: bool
) -> NDArray[np.int64]:
    from binnet_kernels.enumeration.overlaps import count_distances

    n = len(states)
    n_pieces = count_pieces(threads)
    counts = np.zeros((n_pieces, 64 * states.shape[1] + 1), np.int64)
    n_rows = max(1, _PAIRS_PER_CALL // max(n, 1))
    with progress_bar(
        total=n, unit="state", disable=None if progress else True, delay=1.0, leave=False
    ) as bar:
        for first in range(0, n, n_rows):
            stop = min(first + n_rows, n)
            share_out(
                threads, partial(count_distances, states, first, stop, counts), range(n_pieces)
            )
            bar.update(stop - first)
    histogram: NDArray[np.int64] = 2 * counts.sum(axis=0)[: n_neurons + 1]
    histogram[0] += n
    return histogram


def _transform_distances(
    words: NDArray[np.uint64], n_neurons: int, progress: bool
) -> NDArray[np.int64]:
    """Count pairs through the Walsh transform f of the set of words (MacWilliams' identity).

    With B_w the sum of f(u)**2 over the frequencies u of w bits, the number of pairs at distance k
    is 2**-N sum_w B_w K_k(w), where K_k are Krawtchouk's polynomials.
    """
    from binnet_kernels.enumeration.overlaps import add_powers, add_signed, transform_walsh

    n_low = min(n_neurons, _TRANSFORM_BITS)
    totals = [0] * (n_neurons + 1)  # B_w, in Python's integers: 64 bits may not hold them
    for high in progress_bar(
        range(2 ** (n_neurons - n_low)),
        unit="block",
        disable=None if progress else True,
        delay=1.0,
        leave=False,
    ):
        values, powers = np.zeros(2**n_low, np.int32), np.zeros(n_neurons + 1, np.int64)
        add_signed(words, np.uint64(high), n_low, values)
        transform_walsh(values)
        add_powers(values, high.bit_count(), powers)
        totals = [total + int(power) for total, power in zip(totals, powers, strict=True)]
    histogram = [
        sum(b * _krawtchouk(k, w, n_neurons) for w, b in enumerate(totals)) >> n_neurons
        for k in range(n_neurons + 1)
    ]
    return np.array(histogram, np.int64)


def _krawtchouk(k: int, w: int, n: int) -> int:
    return sum((-1) ** j * comb(w, j) * comb(n - w, k - j) for j in range(min(w, k) + 1))
