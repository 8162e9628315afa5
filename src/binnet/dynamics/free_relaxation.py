"""What a relaxation without input returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_attribute
from binnet._validation import check_integer
from binnet.states import unpack_states

if TYPE_CHECKING:
    import xarray

FREE_STATUS = ("unsettled", "fixed point", "cycle")


@dataclass(frozen=True, eq=False)
class FreeRelaxation:
    """What `relax_free` found; R replicas, N neurons, T sweeps (of the replica that ran longest).

    Attributes
    ----------
    states : ndarray, shape (R, N) of int8, or (R, ceil(N / 64)) of uint64
        Final spins -1 and +1; packed as by `binnet.pack_states` where asked for.
    status : ndarray of int64, shape (R,)
        Index into ``FREE_STATUS``: 0 unsettled when the sweeps ran out, 1 fixed point, 2 cycle.
    cycle_length : ndarray of int64, shape (R,)
        1 at a fixed point, 0 where unsettled; of a cycle its length in sweeps, under the greedy and
        reluctant orders in flips.
    sweeps : ndarray of int64, shape (R,)
        Sweeps that were run, the last, quiet one included.
    flips : ndarray of int64, shape (R, T)
        Neurons that flipped in each sweep; 0 after the last.
    unstable_fraction : ndarray of float64, shape (R, T)
        Fraction of neurons that were unstable at the beginning of each sweep. After the last sweep
        0 at a fixed point, else NaN.
    overlap : ndarray of float64, shape (R, T)
        (1/N) sum_i s_i s_i(start) at the end of each sweep. After the last sweep it stays at a
        fixed point, else NaN.
    stabilities : ndarray of float64, shape (R, N)
        s_i h_i of the final states; the self-coupling and the external field count.
    n_neurons : int
        N.
    provenance : dict
        Version, seed, network, options, machine.
    """

    states: NDArray[Any]
    status: NDArray[np.int64]
    cycle_length: NDArray[np.int64]
    sweeps: NDArray[np.int64]
    flips: NDArray[np.int64]
    unstable_fraction: NDArray[np.float64]
    overlap: NDArray[np.float64]
    stabilities: NDArray[np.float64]
    n_neurons: int
    provenance: Mapping[str, Any]

    margins = renamed_attribute("margins", "stabilities")

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each replica is at a fixed point, shape (R,)."""
        return np.asarray(self.status == 1)

    def unpacked_states(self) -> NDArray[np.int8]:
        """Return the final spins, packed or not.

        Returns
        -------
        ndarray of int8, shape (R, N)
            Spins -1 and +1.
        """
        if self.states.dtype == np.uint64:
            return unpack_states(self.states, self.n_neurons)
        return self.states

    def stability_histogram(
        self, bins: int | ArrayLike = 50
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distribution of the stabilities s_i h_i over neurons and replicas.

        Parameters
        ----------
        bins : int or array_like, default 50
            Number of bins, or their edges.

        Returns
        -------
        density : ndarray of float64, shape (n_bins,)
            Probability density; its integral over the edges is 1.
        edges : ndarray of float64, shape (n_bins + 1,)
            Edges of the bins.
        """
        edges = check_integer("bins", bins, 1) if np.ndim(bins) == 0 else np.asarray(bins)
        density, where = np.histogram(self.stabilities, edges, density=True)
        return density, where

    margin_histogram = renamed_attribute("margin_histogram", "stability_histogram")

    def to_dataset(self) -> xarray.Dataset:
        """Return all of it as a labelled data set, the provenance as JSON in its attributes.

        Returns
        -------
        xarray.Dataset
            Dimensions replica, sweep and neuron; states are unpacked.
        """
        import xarray

        by_sweep, by_neuron = ("replica", "sweep"), ("replica", "neuron")
        return xarray.Dataset(
            {
                "state": (by_neuron, self.unpacked_states()),
                "stability": (by_neuron, self.stabilities),
                "status": ("replica", self.status, {"meaning": ", ".join(FREE_STATUS)}),
                "cycle_length": ("replica", self.cycle_length),
                "sweeps": ("replica", self.sweeps),
                "flips": (by_sweep, self.flips),
                "unstable_fraction": (by_sweep, self.unstable_fraction),
                "overlap": (by_sweep, self.overlap),
            },
            attrs={"provenance": json.dumps(self.provenance)},
        )
