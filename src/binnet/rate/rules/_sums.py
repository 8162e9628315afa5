"""Arrays of the rules whose gradient is a sum over time of an outer product: e-prop and BPTT."""

from __future__ import annotations

import numpy as np

from binnet.rate._trajectories import Floats, pad_width
from binnet.rate.rules._pass import Pass


class Sums:
    """The gradients so far, and what the kernels of `binnet_kernels.rate.sums` take with them."""

    def __init__(self, p: Pass) -> None:
        self._network, dtype = p.network, p.network.dtype
        _, n_times, n = p.trajectory.rates.shape
        n_inputs = p.network.n_inputs
        self.leak, self.is_tanh = dtype.type(p.network.leak), p.network.activation == "tanh"
        width = pad_width(max(n, n_inputs))  # of traces of neurons, and of those of inputs
        self.scratch = p.work.take("sums", (4, n_times, width), dtype)
        self.lists = p.work.take("lists", (2, max(n, n_times)), np.int64)
        self.lists[1] = np.arange(self.lists.shape[1])
        self.grads = np.zeros((pad_width(n), pad_width(n)), dtype)
        self.input_grads_t = np.zeros((n_inputs, n), dtype)

    def gradients(self) -> dict[str, Floats]:
        """Return them without what was padded."""
        n = self._network.n_neurons
        return {
            "recurrent": np.ascontiguousarray(self.grads[:n, :n]),
            "input_weights": np.ascontiguousarray(self.input_grads_t.T),
        }
