"""The state of a run: its weights, where it stands, what it has counted; all a checkpoint holds."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.dynamics import check_dynamics, make_update, stream_key
from binnet.learning.configuration import Configuration
from binnet.learning.metrics import EpochMetrics
from binnet.networks import AnyNetwork, BinaryNetwork, lay_out_structure

_ORDER_STREAM, DYNAMICS_STREAM = 1, 2


@dataclass(eq=False)
class RunState(ABC):
    """Where a run stands and what it has counted, whatever arithmetic its weights are in.

    The next batch is number `batch` of epoch `epoch`, both from 0. `changes` and `totals` are sums
    over the epoch so far, see ``binnet_kernels.training.batches.Counts``.
    """

    configuration: Configuration
    n_samples: int
    fingerprint: str
    changes: NDArray[np.int64] = field(init=False)
    totals: NDArray[np.int64] = field(init=False)
    epoch: int = field(default=0, init=False)
    batch: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    history: list[EpochMetrics] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.changes = np.zeros(self.configuration.schedule.n_sweeps, np.int64)
        self.totals = np.zeros(4, np.int64)

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches; the last one may be short."""
        return math.ceil(self.n_samples / self.configuration.training.batch_size)

    @property
    def samples_seen(self) -> int:
        """Samples learned since the start."""
        in_epoch = min(self.batch * self.configuration.training.batch_size, self.n_samples)
        return self.epoch * self.n_samples + in_epoch

    @property
    def epoch_is_complete(self) -> bool:
        """Whether all batches of the epoch are learned, but it is not ended yet."""
        return self.batch == self.batches_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.configuration.training.epochs

    @property
    def rate_factor(self) -> float:
        """What multiplied the learning rates in the last batch."""
        return float(self._rate_factors(self.batch - 1, 1)[0])

    @abstractmethod
    def network(self) -> BinaryNetwork:
        """Return the network in floating point."""

    @abstractmethod
    def relaxable(self) -> AnyNetwork:
        """Return the network as it is to be relaxed."""

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the state by name."""

    @abstractmethod
    def learn(
        self, X: NDArray[np.int8], y: NDArray[np.int64], n_batches: int, threads: int
    ) -> float:
        """Learn up to `n_batches` batches, within the epoch, in one compiled call; its seconds."""

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Note the measurements of the epoch and turn to the next one."""
        self.history.append(metrics)
        self.next_epoch()

    def next_epoch(self) -> None:
        """Turn to the next epoch."""
        self.epoch += 1
        self.batch = 0
        self.seconds = 0.0
        self.changes[:] = 0
        self.totals[:] = 0

    def _order(self) -> NDArray[np.int64]:
        sequence = np.random.SeedSequence(
            self.configuration.training.seed, spawn_key=(_ORDER_STREAM, self.epoch)
        )
        return np.random.default_rng(sequence).permutation(self.n_samples)

    def _rate_factors(self, first: int, n: int) -> NDArray[np.float64]:
        done = self.epoch * self.batches_per_epoch
        total = self.configuration.training.epochs * self.batches_per_epoch
        return self.configuration.plasticity.rate_factors(done + first, n, total)


@dataclass(eq=False)
class TrainingState(RunState):
    """A run in floating point that can be stopped between any two calls of `learn`.

    The true weights of a block are its `scales` entry times the block: the scale holds the weight
    decay.
    """

    weights: BinaryNetwork = field(kw_only=True)
    scales: NDArray[np.float64] = field(kw_only=True)

    @classmethod
    def start(cls, configuration: Configuration, n_samples: int, fingerprint: str) -> TrainingState:
        """Return the state before the first batch."""
        training = configuration.training
        return cls(
            configuration,
            n_samples,
            fingerprint,
            weights=BinaryNetwork.random(configuration.network, training.seed, training.dtype),
            scales=np.ones(3),
        )

    def network(self) -> BinaryNetwork:
        """Return the network with the scales multiplied in."""
        w, scales = self.weights, self.scales.astype(self.weights.dtype)
        return replace(
            w,
            couplings=w.couplings * scales[0],
            input_weights=w.input_weights * scales[1],
            readout=w.readout * scales[2],
        )

    def relaxable(self) -> BinaryNetwork:
        """Return the network as it is to be relaxed."""
        return self.network()

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the state by name."""
        w = self.weights
        tensors = {
            "couplings": w.couplings,
            "input_weights": w.input_weights,
            "readout": w.readout,
            "feedback": w.feedback,
            "scales": self.scales,
        }
        if w.connectivity is not None:
            tensors["connectivity"] = w.connectivity.astype(np.uint8)
        return tensors

    def learn(
        self, X: NDArray[np.int8], y: NDArray[np.int64], n_batches: int, threads: int
    ) -> float:
        """Learn up to `n_batches` batches, within the epoch, in one compiled call; its seconds."""
        from binnet_kernels.lowlevel.rng import derive_key
        from binnet_kernels.rules.third_factor import make_third_factor
        from binnet_kernels.structs import (
            allocate_rows,
            from_banks,
            from_windows,
            make_outcome,
            make_scratch,
            to_banks,
            to_windows,
        )
        from binnet_kernels.training import batches as kernels

        training, p = self.configuration.training, self.configuration.network
        size, dtype, n_hidden = training.batch_size, self.weights.dtype, p.n_neurons
        until_fold = self._batches_per_fold - self.batch % self._batches_per_fold
        n_batches = min(n_batches, self.batches_per_epoch - self.batch, until_fold)
        first = self.batch * size
        order = self._order()[first : first + n_batches * size]
        # More modules than threads: each piece then holds few neighbours' couplings.
        n_banks = max(threads, p.n_modules)
        readout, feedback, gains = (
            allocate_rows(n, n_hidden, n_banks, dtype) for n in (p.n_outputs, p.n_outputs, 3)
        )
        readout[:, :n_hidden] = self.weights.readout
        feedback[:, :n_hidden] = self.weights.feedback_fields
        gains[:, :n_hidden] = self.configuration.plasticity.gains(p)
        structure = lay_out_structure(self.weights, n_banks)
        connectivity = np.zeros((0, 0, 0), np.uint8)
        if self.weights.connectivity is not None:
            connectivity = to_windows(
                self.weights.connectivity.T.astype(np.uint8), structure.windows
            )
        model = kernels.Model(
            to_windows(self.weights.couplings.T, structure.windows),
            to_banks(self.weights.input_weights.T, n_banks),
            readout,
            self.scales,
            *structure,
            feedback,
            gains,
            connectivity,
        )
        factor = self.configuration.third_factor
        third = make_third_factor(
            factor.kind,
            self.weights.feedback,
            n_banks,
            size,
            factor.scaled_rate(p.n_outputs),
            factor.error_temperature,
            factor.error_threshold,
        )
        work = kernels.make_workspace(size, n_hidden, p.n_inputs, p.n_outputs, n_banks, dtype)
        amplitudes = self.configuration.schedule.amplitudes.astype(dtype)
        rule = check_dynamics(training.dynamics, training.update_probability)
        begun = time.perf_counter()
        kernels.train_batches(
            model,
            self._rule(n_banks),
            third,
            kernels.Batches(
                X,
                y,
                order,
                size,
                self._rate_factors(self.batch, n_batches),
                np.uint64(derive_key(stream_key(training.seed, DYNAMICS_STREAM), self.epoch)),
                first,
            ),
            amplitudes,
            make_update(rule, n_hidden, work.keys, stop_at_cycle=False),
            work,
            make_outcome(size, n_hidden, len(amplitudes), n_banks, dtype),
            make_scratch(size, n_hidden, dtype),
            kernels.Counts(self.changes, self.totals),
        )
        seconds = time.perf_counter() - begun
        self.weights = replace(
            self.weights,
            couplings=np.ascontiguousarray(
                from_windows(model.couplings, structure.windows, n_hidden).T
            ),
            input_weights=np.ascontiguousarray(from_banks(model.input_weights, n_hidden).T),
            readout=np.ascontiguousarray(readout[:, :n_hidden]),
            feedback=np.ascontiguousarray(from_banks(third.weights, n_hidden).T),
        )
        self.batch += n_batches
        if n_batches == until_fold:
            self._fold_scales()
        return seconds

    def next_epoch(self) -> None:
        """Turn to the next epoch."""
        super().next_epoch()
        self._fold_scales()

    def _fold_scales(self) -> None:
        self.weights, self.scales = self.network(), np.ones(3)

    @property
    def _batches_per_fold(self) -> int:
        # A scale may fall to 1e-20: float32 weights, divided by it, are then far from overflow. The
        # number depends on the parameters alone, so that stopping a run cannot change a bit.
        loss = float(self.configuration.plasticity.losses(self.configuration.network).max())
        return max(1, int(-math.log(1e-20) / max(-math.log1p(-loss), 1e-9)))

    def _rule(self, n_banks: int) -> Any:
        from binnet_kernels.structs import allocate_rows
        from binnet_kernels.training.batches import Rule

        rule, p = self.configuration.plasticity, self.configuration.network
        thresholds = allocate_rows(1, p.n_neurons, n_banks, self.weights.dtype)[0]
        thresholds[: p.n_neurons] = (
            rule.margin + self.weights.fixed_help * rule.margin_excludes_self_coupling
        )
        return Rule(rule.scaled_rates(p), rule.losses(p), thresholds, rule.readout_margin)
