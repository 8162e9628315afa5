"""Synapses in floating point: weights, and a scale of each block that holds its decay."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record
from binnet._validation import check_reals
from binnet.learning.rules._protocol import Job, LaidOutRule, Settings, Synapses, Tensors
from binnet.networks import BinaryNetwork
from binnet.networks.layout import lay_out_couplings, lay_out_inputs, lay_out_structure
from binnet.networks.sparse import from_tensors, is_sparse, scale_weights, to_tensors, with_values

BLOCKS = ("couplings", "input_weights", "readout", "feedback")


class FloatSynapses(Synapses):
    """Weights of a network and the scales of its learned blocks.

    The true weights of a block are its `scales` entry times the block: the scale holds the weight
    decay.
    """

    def __init__(
        self, settings: Settings, weights: BinaryNetwork, scales: NDArray[np.float64]
    ) -> None:
        self.settings = settings
        self.weights = weights
        self.scales = scales
        self._targets: tuple[int, Any] | None = None  # of sparse couplings, see _lay_out_couplings

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Return synapses as they are drawn."""
        training = settings.training
        drawn = BinaryNetwork.random(settings.network, training.seed, training.dtype)
        return cls(settings, drawn, np.ones(3))

    def network(self) -> BinaryNetwork:
        """Return the network with the scales multiplied in."""
        w, scales = self.weights, self.scales.astype(self.weights.dtype)
        readout, ties = w.readout * scales[2], self.settings.network.ties.astype(w.dtype)
        return replace(
            w,
            feedback=np.multiply(readout.T, ties[:, None], order="C") if ties.size else w.feedback,
            couplings=scale_weights(w.couplings, scales[0]),
            input_weights=scale_weights(w.input_weights, scales[1]),
            readout=readout,
        )

    def relaxable(self) -> BinaryNetwork:
        """Return the network as it is to be relaxed."""
        return self.network()

    def take_over(self, network: Any) -> None:
        """Take over all weights of a network but the readout, which stays as it was drawn."""
        self.weights, self._targets = replace(network, readout=self.weights.readout), None

    @abstractmethod
    def _kernels(self) -> Any:
        """Return the rule's `RuleKernels`."""

    def _rule(self, shared: Any) -> Any:
        """Return the rule's record of parameters; `shared` is a `FloatRule`."""
        return shared

    def _memory(self, n_banks: int) -> Any:
        """Return the rule's record of what it remembers."""
        from binnet_kernels.rules.events import make_memory

        return make_memory(self.scales)

    def lay_out(self, job: Job) -> LaidOutRule:
        """Return the synapses as the kernels take them."""
        from binnet_kernels.rules.events import FloatRule
        from binnet_kernels.structs import allocate_rows, to_windows
        from binnet_kernels.training.records import Model

        w, p, plasticity = self.weights, self.settings.network, self.settings.plasticity
        n_hidden = w.n_neurons

        def to_rows(values: NDArray[Any]) -> NDArray[Any]:
            rows = allocate_rows(len(values), n_hidden, job.n_banks, w.dtype)
            rows[:, :n_hidden] = values
            return rows

        structure = lay_out_structure(w, job.n_banks, w.dtype)
        connectivity = np.zeros((0, 0, 0), np.uint8)
        if w.connectivity is not None:
            connectivity = to_windows(w.connectivity.T.astype(np.uint8), structure.windows)
        model = Model(
            self._lay_out_couplings(structure.windows),
            lay_out_inputs(w.input_weights, job.n_banks),
            to_rows(w.readout),
            self.scales.copy(),
            *structure,
            to_rows(w.feedback_fields),
            to_rows(plasticity.gains(p)),
            connectivity,
            to_rows(p.ties[None])[0] if p.ties.size else np.zeros(0, w.dtype),
        )
        help_ = plasticity.fixed_help(w) * plasticity.margin_excludes_self_coupling
        thresholds = plasticity.margin + help_
        targets = plasticity.target_sizes(p.n_outputs)
        shared = FloatRule(
            plasticity.scaled_rates(p),
            plasticity.losses(p),
            to_rows(thresholds[None])[0],
            plasticity.readout_margin / targets,
            targets,
        )
        return LaidOutRule(self._kernels(), model, self._rule(shared), self._memory(job.n_banks))

    def _lay_out_couplings(self, windows: NDArray[np.int64]) -> Any:
        """Return the couplings; which of them leave a neuron is found once, as it never changes."""
        couplings, kept = self.weights.couplings, self._targets
        if kept is None or len(windows) != kept[0]:
            laid_out = lay_out_couplings(couplings, windows)
            if is_sparse(couplings):
                self._targets = len(windows), laid_out
            return laid_out
        return kept[1]._replace(values=np.array(couplings.data))

    def take_back(self, laid_out: LaidOutRule) -> None:
        """Take over the weights and scales that the kernels have changed."""
        from binnet_kernels.structs import from_banks, from_windows

        model, w, n_hidden = laid_out.model, self.weights, self.weights.n_neurons
        # Transposed views: laid out for the next batches they are transposed back.
        if is_sparse(w.couplings):
            couplings = with_values(w.couplings, model.couplings.values)
        else:
            couplings = from_windows(model.couplings, model.windows, n_hidden).T
        if is_sparse(w.input_weights):
            input_weights = with_values(w.input_weights, model.input_weights.values)
        else:
            input_weights = from_banks(model.input_weights, n_hidden).T
        self.weights = replace(
            w,
            couplings=couplings,
            input_weights=input_weights,
            readout=np.ascontiguousarray(model.readout[:, :n_hidden]),
        )
        self.scales = laid_out.memory.scales

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        tensors: dict[str, NDArray[Any]] = {}
        for name in BLOCKS:
            tensors |= to_tensors(name, getattr(self.weights, name))
        tensors["scales"] = self.scales
        if self.weights.connectivity is not None:
            tensors["connectivity"] = self.weights.connectivity.astype(np.uint8)
        return tensors

    @classmethod
    def expect_tensors(cls, settings: Settings) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape and dtype of each array that is always there."""
        p = settings.network
        expected = expect_blocks(settings, settings.training.dtype)
        for name, is_sparse_block in (
            ("couplings", p.has_sparse_couplings),
            ("input_weights", p.has_sparse_inputs),
        ):
            if is_sparse_block:  # of so many entries as were drawn: `BinaryNetwork` checks them
                del expected[name]
                expected[f"{name}.indptr"] = ((p.n_neurons + 1,), "int64")
        return expected | {"scales": ((3,), "float64")}

    @classmethod
    def from_tensors(cls, settings: Settings, tensors: Tensors, info: Record) -> Self:
        """Return the synapses with these arrays."""
        p = settings.network
        connectivity = tensors.get("connectivity")
        weights = BinaryNetwork(
            couplings=from_tensors("couplings", tensors, p.n_neurons),
            input_weights=from_tensors("input_weights", tensors, p.n_inputs + p.has_biases),
            readout=tensors["readout"],
            feedback=tensors["feedback"],
            self_coupling=p.self_coupling,
            sizes=p.sizes,
            excitation=p.excitation,
            connectivity=None if connectivity is None else connectivity.astype(bool),
            has_biases=p.has_biases,
        )
        scales = check_reals("scales", tensors["scales"], 0.0, above=True)
        return cls(settings, weights, scales.copy())

    def batches_before_pause(self, batch: int) -> int | None:
        """Return how many batches may be learned before the scales are multiplied in."""
        # A scale may fall to 1e-20: float32 weights, divided by it, are then far from overflow. The
        # number depends on the parameters alone, so that stopping a run cannot change a bit.
        loss = float(self.settings.plasticity.losses(self.settings.network).max())
        per_pause = max(1, int(-math.log(1e-20) / max(-math.log1p(-loss), 1e-9)))
        return per_pause - batch % per_pause

    def pause(self) -> None:
        """Multiply the scales in."""
        self.weights, self.scales = self.network(), np.ones(3)


def expect_blocks(settings: Settings, dtype: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype of the four blocks of weights."""
    p = settings.network
    return {
        "couplings": ((p.n_neurons, p.n_neurons), dtype),
        "input_weights": ((p.n_neurons, p.n_inputs + p.has_biases), dtype),
        "readout": ((p.n_outputs, p.n_neurons), dtype),
        "feedback": ((p.n_neurons, p.n_outputs), dtype),
    }
